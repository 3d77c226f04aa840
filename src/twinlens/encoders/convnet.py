"""A small residual convolutional network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from twinlens.encoders.base import Encoder
from twinlens.functional.pool import downsample_mask, grid_pool
from twinlens.registry import register
from twinlens.settings import require, require_at_least, require_share


@register("encoder", "convnet")
class ConvNet(Encoder):
    """Residual stages, pooled onto a grid, then one dense layer.

    With `grid=1` this is global pooling. A grid of a few cells keeps roughly where things are,
    which characters, signatures and faces need; the grid is laid over each picture's own extent,
    so pictures of any size share one network and padding never changes an embedding.

    Source:
        He, Zhang, Ren, Sun. Deep residual learning for image recognition. CVPR 2016, with the
        average-pooled shortcut of He et al. Bag of tricks for image classification. CVPR 2019.
    """

    def __init__(
        self,
        channels: int,
        shape: tuple[int, ...] | None,
        *,
        dim: int = 128,
        widths: tuple[int, ...] = (32, 64, 96),
        strides: tuple[int, ...] = (1, 2, 2),
        stem_stride: int = 2,
        grid: int = 4,
        dropout: float = 0.0,
    ) -> None:
        """Args:
        channels: of the input.
        shape: ignored; any height and width will do.
        dim: width of the embedding.
        widths: channels of each residual stage.
        strides: of each stage.
        stem_stride: of the first convolution.
        grid: the pooled features are grid × grid cells.
        dropout: share of pooled features zeroed in training.

        Raises:
            ConfigError: a setting is out of range, or there are not as many strides as widths.
        """
        super().__init__()
        require_at_least(1, {"encoder.dim": dim, "encoder.widths": widths, "encoder.grid": grid})
        require_at_least(1, {"encoder.strides": strides, "encoder.stem_stride": stem_stride})
        require_share("encoder.dropout", dropout)
        require(len(widths) > 0, "encoder.widths", "one number or more", widths)
        many = f"as many numbers as encoder.widths ({len(widths)})"
        require(len(strides) == len(widths), "encoder.strides", many, strides)
        if shape is not None:
            self.require_axes(len(shape) - 1)
        self.dim = dim
        self.grid = grid
        self.stem = _ConvNorm(channels, widths[0], kernel=3, stride=stem_stride)
        inner = (widths[0], *widths)
        self.stages = nn.ModuleList(
            _Residual(inner[i], width, stride=strides[i]) for i, width in enumerate(widths)
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[-1] * grid * grid, dim)
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        self.require_axes(values.ndim - 2)
        x = values.contiguous(memory_format=torch.channels_last)
        x, mask = self.stem(x, mask)
        x = torch.relu_(x)
        for stage in self.stages:
            x, mask = stage(x, mask)
        x = grid_pool(x, mask, (self.grid, self.grid))  # [batch, width, grid, grid]
        return self.head(self.dropout(x.flatten(1)))  # [batch, dim]


class _ConvNorm(nn.Module):
    """Convolution and batch normalisation; what lies beyond the mask is zero before and after.

    A picture's own border is then the same zeros whether or not padding follows it.
    """

    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        x = self.norm(self.conv(x))
        if mask is not None:
            mask = downsample_mask(mask, self.stride)
            x = x * mask[:, None]
        return x, mask


class _Residual(nn.Module):
    """Two 3 × 3 convolutions around a shortcut."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.first = _ConvNorm(inputs, outputs, kernel=3, stride=stride)
        self.second = _ConvNorm(outputs, outputs, kernel=3, stride=1)
        self.shortcut = (
            _ConvNorm(inputs, outputs, kernel=1, stride=stride)
            if stride != 1 or inputs != outputs
            else None
        )

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        y, inner = self.first(x, mask)
        y, inner = self.second(torch.relu_(y), inner)
        if self.shortcut is not None:
            x, _ = self.shortcut(x, mask)
        return torch.relu_(y.add_(x)), inner
