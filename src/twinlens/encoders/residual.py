"""Residual convolutions over pictures or over time, blind to what is padded."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from twinlens.functional.pool import downsample_mask
from twinlens.settings import require, require_at_least

_LAYERS = {1: (nn.Conv1d, nn.BatchNorm1d), 2: (nn.Conv2d, nn.BatchNorm2d)}
"""By the number of axes."""


class ConvNorm(nn.Module):
    """Convolution and batch normalisation; what lies beyond the mask is zero before and after.

    A picture's own border is then the same zeros whether or not padding follows it.
    """

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int, stride: int, axes: int = 2
    ) -> None:
        super().__init__()
        self.stride = stride
        conv, norm = _LAYERS[axes]
        self.conv = conv(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = norm(outputs)

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        x = self.norm(self.conv(x))
        if mask is not None:
            mask = downsample_mask(mask, self.stride)
            x = x * mask[:, None]
        return x, mask


class Residual(nn.Module):
    """Two convolutions around a shortcut."""

    def __init__(
        self, inputs: int, outputs: int, *, stride: int, kernel: int = 3, axes: int = 2
    ) -> None:
        super().__init__()
        self.first = ConvNorm(inputs, outputs, kernel=kernel, stride=stride, axes=axes)
        self.second = ConvNorm(outputs, outputs, kernel=kernel, stride=1, axes=axes)
        self.shortcut = (
            ConvNorm(inputs, outputs, kernel=1, stride=stride, axes=axes)
            if stride != 1 or inputs != outputs
            else None
        )

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        y, inner = self.first(x, mask)
        y, inner = self.second(torch.relu_(y), inner)
        if self.shortcut is not None:
            x, _ = self.shortcut(x, mask)
        return torch.relu_(y.add_(x)), inner


class Stages(nn.ModuleList):
    """Residual stages, one after another."""

    def __init__(
        self,
        inputs: int,
        widths: tuple[int, ...],
        strides: tuple[int, ...],
        *,
        kernel: int = 3,
        axes: int = 2,
    ) -> None:
        before = (inputs, *widths)
        super().__init__(
            Residual(before[i], width, stride=strides[i], kernel=kernel, axes=axes)
            for i, width in enumerate(widths)
        )

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        for stage in self:
            x, mask = stage(x, mask)
        return x, mask


def require_stages(widths: tuple[int, ...], strides: tuple[int, ...]) -> None:
    """Check the settings `widths` and `strides` of an encoder.

    Raises:
        ConfigError: one is out of range, or there are not as many strides as widths.
    """
    require_at_least(1, {"encoder.widths": widths, "encoder.strides": strides})
    require(len(widths) > 0, "encoder.widths", "one number or more", widths)
    many = f"as many numbers as encoder.widths ({len(widths)})"
    require(len(strides) == len(widths), "encoder.strides", many, strides)
