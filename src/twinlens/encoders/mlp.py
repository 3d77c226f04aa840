"""Dense layers."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor, nn

from twinlens.encoders.base import Encoder
from twinlens.functional.pool import grid_pool
from twinlens.registry import register
from twinlens.settings import require_at_least, require_share

_DEFAULT_GRID = 16
"""Used when sizes vary and `grid` is 0: strokes of a 105-pixel character still show in 16 cells."""


@register("encoder", "mlp")
class Mlp(Encoder):
    """Dense layers over the flattened input.

    Input of one fixed shape is taken as it is. When sizes vary, or `grid` asks for it, the input
    is first averaged onto a grid laid over its own extent: grid × grid cells of a picture, or as
    many (grid²) stretches of a series, so the same layers serve both.

    Not for pictures in which things move about: a shifted picture is another input. Use
    "convnet" there.
    """

    axes = (1, 2)

    def __init__(
        self,
        channels: int,
        shape: tuple[int, ...] | None,
        *,
        dim: int = 128,
        hidden: tuple[int, ...] = (512, 256),
        grid: int = 0,
        norm: Literal["batch", "layer", "none"] = "batch",
        dropout: float = 0.0,
    ) -> None:
        """Args:
        channels: of the input.
        shape: [channels, *axes] of every input, or None when sizes vary.
        dim: width of the embedding.
        hidden: width of each hidden layer; () makes the encoder linear.
        grid: side of the grid that the input is averaged onto; 0 = the input itself, or 16 when
            sizes vary.
        norm: normalisation of each hidden layer. "layer" does not depend on the batch.
        dropout: share of hidden features zeroed in training.

        Raises:
            ConfigError: a setting is out of range.
        """
        super().__init__()
        require_at_least(1, {"encoder.dim": dim, "encoder.hidden": hidden})
        require_at_least(0, {"encoder.grid": grid})
        require_share("encoder.dropout", dropout)
        if shape is not None:
            self.require_axes(len(shape) - 1)
        self.dim = dim
        self.grid = grid or (_DEFAULT_GRID if shape is None else 0)
        width = math.prod(shape) if shape is not None and not grid else channels * self.grid**2
        layers: list[nn.Module] = []
        for outputs in hidden:
            # A bias before a normalisation that has its own would do nothing.
            layers.append(nn.Linear(width, outputs, bias=norm == "none"))
            if norm != "none":
                layers.append((nn.BatchNorm1d if norm == "batch" else nn.LayerNorm)(outputs))
            layers += [nn.ReLU(), nn.Dropout(dropout)]
            width = outputs
        self.layers = nn.Sequential(*layers, nn.Linear(width, dim))

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        self.require_axes(values.ndim - 2)
        if self.grid:
            series = values.ndim == 3
            cells = (self.grid**2,) if series else (self.grid, self.grid)
            values = grid_pool(values, mask, cells)
        return self.layers(values.flatten(1))  # [batch, dim]
