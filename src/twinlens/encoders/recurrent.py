"""Gated recurrent layers over time, or over the columns of a picture."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from twinlens.encoders.base import Encoder
from twinlens.functional.pool import grid_pool, masked_mean
from twinlens.registry import register
from twinlens.settings import require_at_least, require_share


@register("encoder", "recurrent")
class Recurrent(Encoder):
    """GRU or LSTM layers, then attention or the mean over the steps that are real.

    A series [batch, channels, time] is read step by step. A picture is read column by column,
    its height averaged to `rows` cells. A series of unknown size is read as a picture of height
    1, so the same layers serve both (`rows=1` then spares the repeated inputs).

    Source:
        Cho et al. Learning phrase representations using RNN encoder-decoder. EMNLP 2014 (GRU).
        Hochreiter, Schmidhuber. Long short-term memory. Neural Computation 1997 (LSTM).
        Lin et al. A structured self-attentive sentence embedding. ICLR 2017, equation 5:
        a = softmax(w₂ tanh(W₁ Hᵀ)).
    """

    axes = (1, 2)

    def __init__(
        self,
        channels: int,
        shape: tuple[int, ...] | None,
        *,
        dim: int = 128,
        cell: Literal["gru", "lstm"] = "gru",
        hidden: int = 128,
        layers: int = 1,
        bidirectional: bool = True,
        rows: int = 16,
        pooling: Literal["attention", "mean"] = "attention",
        dropout: float = 0.0,
    ) -> None:
        """Args:
        channels: of the input.
        shape: [channels, *axes] of every input, or None when sizes vary.
        dim: width of the embedding.
        cell: kind of recurrent layer.
        hidden: width of one direction of a layer.
        layers: how many, one upon another.
        bidirectional: whether a second reader of each layer starts at the end.
        rows: cells that the height of a picture is averaged to; a series known to be one is
            read with 1.
        pooling: how steps become one embedding.
        dropout: share of features zeroed in training, after each layer.

        Raises:
            ConfigError: a setting is out of range.
        """
        super().__init__()
        require_at_least(1, {"encoder.dim": dim, "encoder.hidden": hidden})
        require_at_least(1, {"encoder.layers": layers, "encoder.rows": rows})
        require_share("encoder.dropout", dropout)
        if shape is not None:
            self.require_axes(len(shape) - 1)
        self.dim = dim
        self.rows = 1 if shape is not None and len(shape) == 2 else rows
        width = channels * self.rows
        self.layers = nn.ModuleList()
        for _ in range(layers):
            layer = _Layer(width, hidden, cell=cell, bidirectional=bidirectional)
            self.layers.append(layer)
            width = layer.width
        self.dropout = nn.Dropout(dropout)
        self.attention = _Attention(width) if pooling == "attention" else None
        self.head = nn.Linear(width, dim)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        self.require_axes(values.ndim - 2)
        if values.ndim == 3:
            values = values[:, :, None]  # [batch, channels, 1, time]
            mask = None if mask is None else mask[:, None]  # [batch, 1, time]
        x = grid_pool(values, mask, (self.rows, None)).flatten(1, 2)  # [batch, features, time]
        steps = x.new_ones(len(x), x.shape[2], dtype=torch.bool) if mask is None else mask[:, 0]
        x = x.transpose(1, 2)  # [batch, time, features]
        for layer in self.layers:
            x = self.dropout(layer(x, steps))
        x = x.transpose(1, 2)  # [batch, width, time]
        pooled = masked_mean(x, steps) if self.attention is None else self.attention(x, steps)
        return self.head(pooled)  # [batch, dim]


class _Layer(nn.Module):
    """One recurrent layer that reads each series within its own extent.

    Padding follows the real steps, so a forward reader meets it too late to matter. The backward
    reader is a forward reader of each series turned about within its own extent. So nothing
    depends on the data but the index of that turn, as an exported graph needs.
    """

    def __init__(
        self, inputs: int, hidden: int, *, cell: Literal["gru", "lstm"], bidirectional: bool
    ) -> None:
        super().__init__()
        kind = nn.GRU if cell == "gru" else nn.LSTM
        self.forwards = kind(inputs, hidden, batch_first=True)
        self.backwards = kind(inputs, hidden, batch_first=True) if bidirectional else None
        self.width = hidden * (2 if bidirectional else 1)

    def forward(self, x: Tensor, steps: Tensor) -> Tensor:
        """[batch, time, inputs], [batch, time] bool -> [batch, time, width]."""
        ahead, _ = self.forwards(x)
        if self.backwards is None:
            return ahead
        turned, _ = self.backwards(turn_about(x, steps))
        return torch.cat([ahead, turn_about(turned, steps)], dim=2)


class _Attention(nn.Module):
    """Weighs each real step by what it says of itself, and adds them up."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # Without biases at the end: a softmax does not see a constant.
        self.weigh = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1, False))

    def forward(self, x: Tensor, steps: Tensor) -> Tensor:
        """[batch, width, time], [batch, time] bool -> [batch, width]."""
        scores = self.weigh(x.transpose(1, 2)).squeeze(2)  # [batch, time]
        # The least finite number, not -inf: an all-padding row stays finite.
        weights = scores.masked_fill(~steps, torch.finfo(scores.dtype).min).softmax(dim=1)
        return torch.einsum("bwt,bt->bw", x, weights)


def turn_about(x: Tensor, steps: Tensor) -> Tensor:
    """Reverse the real steps of each series; padding stays where it is.

    Args:
        x: [batch, time, features].
        steps: [batch, time] bool, True on the first steps of each series.

    >>> x = torch.tensor([[[1], [2], [0]]])
    >>> turn_about(x, torch.tensor([[True, True, False]])).flatten().tolist()
    [2, 1, 0]
    """
    place = torch.arange(x.shape[1], device=x.device)
    index = torch.where(steps, steps.sum(dim=1, keepdim=True) - 1 - place, place)  # [batch, time]
    return x.gather(1, index[..., None].expand_as(x))
