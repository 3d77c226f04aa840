"""A series as it is, with a learned weight for each channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from twinlens.encoders.base import Encoder
from twinlens.functional.alignment import chance_level
from twinlens.functional.pool import grid_pool
from twinlens.registry import Setting, register
from twinlens.settings import require_at_least


@register("encoder", "weighed")
class Weighed(Encoder):
    """Each channel at `steps` moments, times a weight of its own.

    As many parameters as channels: for a few dozen identities, where a deeper network learns the
    identities instead of what tells them apart. With the comparator `aligned` this is dynamic time
    warping whose features are weighed by learning, not by hand.

    Source:
        Weights for the features of a local distance: Fierrez, Ortega-Garcia, Ramos,
        Gonzalez-Rodriguez. HMM-based on-line signature verification: feature extraction and
        signature modeling. Pattern Recognition Letters 28, 2007 (their features, equally weighed).
    """

    neutral: ClassVar[Mapping[str, Setting]] = {"mirrors": False}
    axes = (1,)
    gives_parts = True

    def __init__(
        self,
        channels: int,
        shape: tuple[int, ...] | None,
        *,
        steps: int = 100,
        mirrors: bool = False,
    ) -> None:
        """Args:
        channels: of the input.
        shape: ignored; any length will do.
        steps: moments at which a series is compared.
        mirrors: tell by one more number what it costs to align a series with its own mirror images:
            from last to first, upside down, and both. They are as long and as rich, and surely
            another: costs told in that level mean the same from one writer to the next. Needs
            comparator.relative = true and comparator.cost = "manhattan".

        Raises:
            ConfigError: a setting is out of range.
        """
        super().__init__()
        require_at_least(1, {"encoder.steps": steps})
        if shape is not None:
            self.require_axes(len(shape) - 1)
        self.level = "manhattan" if mirrors else None
        self.learned = slice(steps * channels)
        self.dim = steps * channels + mirrors
        self.steps = steps
        self.log_weight = nn.Parameter(torch.zeros(channels))

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """As of an encoder. In training there is no level: it is 1."""
        self.require_axes(values.ndim - 2)
        x = grid_pool(values, mask, (self.steps,))  # [batch, channels, steps]
        x = (x * self.log_weight.exp()[:, None]).transpose(1, 2)  # [batch, steps, channels]
        if self.level is None:
            return x.flatten(1)
        last_first = x.flip(1)
        mirrored = (last_first, -x, -last_first)
        level = chance_level(x, mirrored, self.level) if not self.training else x.new_ones(1, 1)
        return torch.cat([x.flatten(1), level.expand(x.shape[0], 1)], dim=1)
