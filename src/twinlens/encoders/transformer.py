"""Self-attention over the steps of a series."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twinlens.encoders.base import Encoder
from twinlens.functional.pool import masked_mean
from twinlens.registry import register
from twinlens.settings import require, require_at_least, require_share


@register("encoder", "transformer")
class Transformer(Encoder):
    """Layers of self-attention with sines as positions, then the mean or the first step.

    Each layer is normalised before it, not after, so that a small one trains without a long
    warm-up.

    Source:
        Vaswani et al. Attention is all you need. NeurIPS 2017. Xiong et al. On layer normalization
        in the transformer architecture. ICML 2020 (normalised before).
    """

    axes = (1,)

    def __init__(
        self,
        channels: int,
        shape: tuple[int, ...] | None,
        *,
        dim: int = 128,
        width: int = 128,
        heads: int = 4,
        layers: int = 2,
        pooling: Literal["mean", "first"] = "mean",
        dropout: float = 0.1,
    ) -> None:
        """Args:
        channels: of the input.
        shape: ignored; any length will do.
        dim: width of the embedding.
        width: of a step within the layers; a multiple of heads.
        heads: that attend apart, in each layer.
        layers: one upon another.
        pooling: how steps become one embedding.
        dropout: share of features zeroed in training, after each part of a layer.

        Raises:
            ConfigError: a setting is out of range.
        """
        super().__init__()
        counts = {"encoder.dim": dim, "encoder.width": width, "encoder.heads": heads}
        require_at_least(1, {**counts, "encoder.layers": layers})
        require(width % heads == 0, "encoder.width", f"a multiple of heads ({heads})", width)
        require(width % 2 == 0, "encoder.width", "even", width)
        require_share("encoder.dropout", dropout)
        if shape is not None:
            self.require_axes(len(shape) - 1)
        self.dim = dim
        self.pooling = pooling
        self.stem = nn.Linear(channels, width)
        self.blocks = nn.ModuleList(_Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, dim)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        self.require_axes(values.ndim - 2)
        x = self.stem(values.transpose(1, 2))  # [batch, time, width]
        x = x + positions(x.shape[1], x.shape[2]).to(x)
        for block in self.blocks:
            x = block(x, mask)
        x = self.norm(x)
        pooled = x[:, 0] if self.pooling == "first" else masked_mean(x.transpose(1, 2), mask)
        return self.head(pooled)  # [batch, dim]


class _Block(nn.Module):
    """Attention, then a layer for each step by itself; both add to what comes in."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width)
        # Without a bias: of the keys, a softmax would not see it.
        self.inputs = nn.Linear(width, 3 * width, bias=False)
        self.outputs = nn.Linear(width, width)
        self.alone = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """[batch, time, width], [batch, time] bool -> [batch, time, width]."""
        batch, time, width = x.shape
        parts = self.inputs(self.before(x)).view(batch, time, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each [batch, heads, time, width/heads]
        seen = None if mask is None else mask[:, None, None]  # [batch, 1, 1, time]
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        x = x + self.dropout(self.outputs(found.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.alone(x))


def positions(length: int, width: int) -> Tensor:
    """Sines and cosines of each place, at wavelengths from 2π to 20000π. -> [length, width].

    >>> positions(2, 4)[0].tolist()
    [0.0, 1.0, 0.0, 1.0]
    """
    place = torch.arange(length)[:, None]
    pace = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    angles = place * pace  # [length, width / 2]
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)
