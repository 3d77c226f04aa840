"""The mean of the steps of a series, and what is made of it."""

from __future__ import annotations

from torch import Tensor, nn

from twinlens.encoders.base import Encoder
from twinlens.functional.pool import masked_mean
from twinlens.registry import register
from twinlens.settings import require_at_least, require_share


@register("encoder", "weighted_average")
class WeightedAverage(Encoder):
    """The mean over steps, then dense layers; for texts, a mean that rare tokens lead.

    A token's vector is as long as the token counts, so the plain mean is the weighted one; how
    much each counts is trained. The first text encoder to try: no order of words, but hundreds of
    thousands of texts an hour, and it needs least data.

    Source:
        Arora, Liang, Ma. A simple but tough-to-beat baseline for sentence embeddings. ICLR 2017.
        Iyyer et al. Deep unordered composition rivals syntactic methods for text classification.
        ACL 2015 (dense layers upon the mean).
    """

    axes = (1,)

    def __init__(
        self,
        channels: int,
        shape: tuple[int, ...] | None,
        *,
        dim: int = 128,
        hidden: int = 0,
        dropout: float = 0.1,
    ) -> None:
        """Args:
        channels: of the input.
        shape: ignored; any length will do.
        dim: width of the embedding.
        hidden: width of a layer before the last; 0 = none.
        dropout: share of features zeroed in training, before each layer.

        Raises:
            ConfigError: a setting is out of range.
        """
        super().__init__()
        require_at_least(1, {"encoder.dim": dim})
        require_at_least(0, {"encoder.hidden": hidden})
        require_share("encoder.dropout", dropout)
        if shape is not None:
            self.require_axes(len(shape) - 1)
        self.dim = dim
        before = [nn.Dropout(dropout), nn.Linear(channels, hidden), nn.GELU()] if hidden else []
        self.head = nn.Sequential(*before, nn.Dropout(dropout), nn.Linear(hidden or channels, dim))

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        self.require_axes(values.ndim - 2)
        return self.head(masked_mean(values, mask))  # [batch, dim]
