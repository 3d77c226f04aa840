"""An encoder of your own in one file: dilated convolutions over a series or a picture's columns.

    twinlens check examples/dilated_encoder.py
    twinlens train DATA --out MODEL --plugin examples/dilated_encoder.py --set encoder=dilated

The contract is strict about padding: a batch of different sizes is padded, and padding must never
change an embedding. Zeroing what lies beyond the mask after each layer, and pooling by the mask,
is all it takes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from twinlens.encoders import Encoder
from twinlens.functional.pool import grid_pool, masked_mean
from twinlens.registry import register


@register("encoder", "dilated")
class Dilated(Encoder):
    """Residual convolutions over time whose reach doubles with each layer, then the mean.

    Source:
        Bai, Kolter, Koltun. An empirical evaluation of generic convolutional and recurrent
        networks for sequence modeling. 2018 (here not causal, since all of the input is known).
    """

    axes = (1, 2)

    def __init__(
        self,
        channels: int,
        shape: tuple[int, ...] | None,
        *,
        dim: int = 64,
        width: int = 64,
        layers: int = 4,
        rows: int = 16,
    ) -> None:
        """Args:
        channels: of the input.
        shape: [channels, *axes] of every input, or None when sizes vary.
        dim: width of the embedding.
        width: channels of each layer.
        layers: how many; the last reaches 2^layers steps to each side.
        rows: cells that the height of a picture is averaged to; 1 for a series.
        """
        super().__init__()
        self.dim = dim
        self.rows = 1 if shape is not None and len(shape) == 2 else rows
        self.enter = nn.Conv1d(channels * self.rows, width, 1)
        self.layers = nn.ModuleList(
            nn.Conv1d(width, width, 3, padding=2**i, dilation=2**i) for i in range(layers)
        )
        self.head = nn.Linear(width, dim)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        if values.ndim == 3:  # a series is a picture of height 1
            values = values[:, :, None]  # [batch, channels, 1, time]
            mask = None if mask is None else mask[:, None]
        columns = grid_pool(values, mask, (self.rows, None)).flatten(1, 2)  # [batch, rows, time]
        real = columns.new_ones(1) if mask is None else mask[:, :1].to(columns.dtype)
        x = self.enter(columns) * real  # [batch, width, time]
        for layer in self.layers:
            x = (x + torch.relu(layer(x))) * real
        return self.head(masked_mean(x, None if mask is None else mask[:, 0]))  # [batch, dim]
