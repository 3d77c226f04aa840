"""A series as it is, with a learned weight for each channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from twinlens.encoders.base import Encoder
from twinlens.functional.pool import grid_pool
from twinlens.registry import register
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

    axes = (1,)
    gives_parts = True

    def __init__(self, channels: int, shape: tuple[int, ...] | None, *, steps: int = 100) -> None:
        """Args:
        channels: of the input.
        shape: ignored; any length will do.
        steps: moments at which a series is compared.

        Raises:
            ConfigError: a setting is out of range.
        """
        super().__init__()
        require_at_least(1, {"encoder.steps": steps})
        if shape is not None:
            self.require_axes(len(shape) - 1)
        self.dim = steps * channels
        self.steps = steps
        self.log_weight = nn.Parameter(torch.zeros(channels))

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        self.require_axes(values.ndim - 2)
        x = grid_pool(values, mask, (self.steps,))  # [batch, channels, steps]
        return (x * self.log_weight.exp()[:, None]).transpose(1, 2).flatten(1)  # [batch, dim]
