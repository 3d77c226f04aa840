"""The mean of the steps of a series, and what is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from twinlens.encoders.base import Encoder
from twinlens.functional.distance import l2_normalise
from twinlens.functional.pool import masked_mean
from twinlens.registry import Setting, register
from twinlens.settings import require, require_at_least, require_share


@register("encoder", "weighted_average")
class WeightedAverage(Encoder):
    """The mean over steps, then dense layers; for texts, a mean that rare tokens lead.

    A token's vector is as long as the token counts, so the plain mean is the weighted one; how
    much each counts is trained, unless `modality.frozen`. The first text encoder to try: no order
    of words, but hundreds of thousands of texts an hour, and it needs least data.

    Source:
        Arora, Liang, Ma. A simple but tough-to-beat baseline for sentence embeddings. ICLR 2017.
        Iyyer et al. Deep unordered composition rivals syntactic methods for text classification.
        ACL 2015 (dense layers upon the mean).
    """

    axes = (1,)
    neutral: ClassVar[Mapping[str, Setting]] = {"kept": 0.0}

    def __init__(
        self,
        channels: int,
        shape: tuple[int, ...] | None,
        *,
        dim: int = 128,
        hidden: int = 0,
        dropout: float = 0.1,
        kept: float = 0.0,
    ) -> None:
        """Args:
        channels: of the input.
        shape: ignored; any length will do.
        dim: width of the embedding.
        hidden: width of a layer before the last; 0 = none.
        dropout: share of features zeroed in training, before each layer.
        kept: share of the cosine of two embeddings that is the cosine of the means as they come;
            the rest is that of what is made of them. With frozen vectors of tokens this is lexical
            evidence, which classes never trained on need. The means take as many numbers of `dim`
            as the input has channels.

        Raises:
            ConfigError: a setting is out of range.
        """
        super().__init__()
        require_at_least(1, {"encoder.dim": dim})
        require_at_least(0, {"encoder.hidden": hidden})
        require_share("encoder.dropout", dropout)
        require_share("encoder.kept", kept)
        if shape is not None:
            self.require_axes(len(shape) - 1)
        self.dim, self.kept = dim, kept
        made = dim - channels if kept else dim
        self.learned = slice(made)
        require(made > 0, "encoder.dim", f"above {channels} where encoder.kept is not 0", dim)
        before = [nn.Dropout(dropout), nn.Linear(channels, hidden), nn.GELU()] if hidden else []
        self.head = nn.Sequential(*before, nn.Dropout(dropout), nn.Linear(hidden or channels, made))

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        self.require_axes(values.ndim - 2)
        mean = masked_mean(values, mask)  # [batch, channels]
        made = self.head(mean)
        if not self.kept:
            return made
        parts = ((made, 1 - self.kept), (mean, self.kept))
        return torch.cat([l2_normalise(x) * share**0.5 for x, share in parts], 1)  # [batch, dim]
