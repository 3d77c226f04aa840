"""A small residual convolutional network over time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from twinlens.encoders.base import Encoder
from twinlens.encoders.residual import ConvNorm, Stages, require_stages
from twinlens.functional.pool import grid_pool
from twinlens.registry import register
from twinlens.settings import require, require_at_least, require_share


@register("encoder", "convseries")
class ConvSeries(Encoder):
    """Residual stages of convolutions along time, then `steps` local embeddings in a row.

    Each of `steps` equal parts of a series gets an embedding of `local` numbers, and all of them
    together are the embedding. The comparator `aligned` finds which part of one series belongs to
    which of another; with the others, parts at the same place are compared.

    Source:
        Bai, Kolter, Koltun. An empirical evaluation of generic convolutional and recurrent networks
        for sequence modeling. 2018 (residual stages of convolutions along time).
    """

    axes = (1,)
    gives_parts = True

    def __init__(
        self,
        channels: int,
        shape: tuple[int, ...] | None,
        *,
        widths: tuple[int, ...] = (48, 64, 96),
        strides: tuple[int, ...] = (1, 2, 2),
        kernel: int = 5,
        steps: int = 32,
        local: int = 16,
        dropout: float = 0.0,
    ) -> None:
        """Args:
        channels: of the input.
        shape: ignored; any length will do.
        widths: channels of each stage.
        strides: of each stage.
        kernel: moments that a convolution sees; odd.
        steps: parts of a series that get an embedding each.
        local: width of each of them.
        dropout: share of pooled features zeroed in training.

        Raises:
            ConfigError: a setting is out of range, or there are not as many strides as widths.
        """
        super().__init__()
        require_at_least(1, {"encoder.steps": steps, "encoder.local": local})
        require(kernel % 2 == 1, "encoder.kernel", "odd", kernel)
        require_share("encoder.dropout", dropout)
        require_stages(widths, strides)
        if shape is not None:
            self.require_axes(len(shape) - 1)
        self.dim = steps * local
        self.steps = steps
        self.stem = ConvNorm(channels, widths[0], kernel=kernel, stride=1, axes=1)
        self.stages = Stages(widths[0], widths, strides, kernel=kernel, axes=1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Conv1d(widths[-1], local, 1)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        self.require_axes(values.ndim - 2)
        x, mask = self.stem(values, mask)
        x = torch.relu_(x)
        x, mask = self.stages(x, mask)
        x = grid_pool(x, mask, (self.steps,))  # [batch, width, steps]
        return self.head(self.dropout(x)).transpose(1, 2).flatten(1)  # [batch, steps * local]
