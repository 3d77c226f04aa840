"""Pooling that sees only what is real (torch).

A padded batch holds each example in one corner of a larger canvas; its mask is that rectangle.
Everything here depends on the example's own extent alone, so padding never changes a result.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_LEAST_DEVIATION = 0.02
"""Below which a channel counts as flat."""


def extents(mask: Tensor) -> tuple[Tensor, ...]:
    """How far each example reaches along each axis.

    Args:
        mask: [batch, *axes] bool, True on a corner rectangle.

    Returns:
        One [batch] int64 for each axis; 0 for an example without anything real.

    >>> [sizes.tolist() for sizes in extents(torch.tensor([[[1, 1, 0], [0, 0, 0]]]).bool())]
    [[1], [2]]
    """
    axes = range(1, mask.ndim)
    return tuple(
        mask.amax(dim=[other for other in axes if other != axis]).sum(dim=1)
        if mask.ndim > 2
        else mask.sum(dim=1)
        for axis in axes
    )


def pooling_matrix(extent: Tensor, *, size: int, bins: int, dtype: torch.dtype) -> Tensor:
    """Rows that average the first `extent` of `size` places into `bins` bins.

    Bin i covers places floor(i·extent/bins) up to, and without, ceil((i+1)·extent/bins), as
    `adaptive_avg_pool` has it; so bins overlap when they do not divide the extent.

    Args:
        extent: [batch] int64.
        size: places on the axis, padding included.
        bins: how many averages.
        dtype: of the answer.

    Returns:
        [batch, bins, size]; each row sums to 1, or to 0 where the extent is 0.
    """
    step = torch.arange(bins, device=extent.device)
    start = (step * extent[:, None]) // bins  # [batch, bins]
    end = ((step + 1) * extent[:, None] + bins - 1) // bins  # [batch, bins]
    place = torch.arange(size, device=extent.device)
    inside = (place >= start[..., None]) & (place < end[..., None])  # [batch, bins, size]
    return inside.to(dtype) / (end - start).clamp_min(1)[..., None].to(dtype)


def standardised(values: Tensor, mask: Tensor | None) -> Tensor:
    """Each channel of each example at mean 0 and deviation 1 over what is real, and 0 elsewhere.

    A channel that hardly varies is not blown up beyond `_LEAST_DEVIATION`.

    Args:
        values: [batch, channels, *axes].
        mask: [batch, *axes] bool; None where all is real.

    Returns:
        As `values`.

    >>> standardised(torch.tensor([[[0.0, 2.0, 9.0]]]), torch.tensor([[True, True, False]]))
    tensor([[[-1.,  1.,  0.]]])
    """
    axes = tuple(range(2, values.ndim))
    if mask is None:
        deviation, mean = torch.std_mean(values, dim=axes, keepdim=True, correction=0)
        return (values - mean) / deviation.clamp_min(_LEAST_DEVIATION)
    real = mask[:, None].to(values.dtype)
    count = real.sum(dim=axes, keepdim=True).clamp_min(1)
    centred = (values - (values * real).sum(dim=axes, keepdim=True) / count) * real
    deviation = (centred.square().sum(dim=axes, keepdim=True) / count).sqrt()
    return centred / deviation.clamp_min(_LEAST_DEVIATION)


def grid_pool(values: Tensor, mask: Tensor | None, grid: tuple[int | None, ...]) -> Tensor:
    """Average onto a grid that is laid over each example's own extent.

    Args:
        values: [batch, channels, *axes], one or two axes.
        mask: [batch, *axes] bool, True on a corner rectangle; None when nothing is padded, and
            then this is `adaptive_avg_pool1d` or `adaptive_avg_pool2d`.
        grid: bins along each axis; None leaves an axis as it is, padding included.

    Returns:
        [batch, channels, *grid]; 0 for an example without anything real.

    Raises:
        ValueError: `grid` has not one number for each axis.
    """
    axes = values.ndim - 2
    if axes not in (1, 2) or len(grid) != axes:
        raise ValueError(
            f"grid must have one number for each of 1 or 2 axes. Got {grid} for values of shape "
            f"{tuple(values.shape)}. Pool with as many numbers as axes follow the channels."
        )
    if mask is None:
        if axes == 2:
            return F.adaptive_avg_pool2d(values, (grid[0], grid[1]))
        return values if grid[0] is None else F.adaptive_avg_pool1d(values, grid[0])
    for axis, (extent, bins) in enumerate(zip(extents(mask), grid, strict=True), start=2):
        if bins is not None:
            size = values.shape[axis]
            matrix = pooling_matrix(extent, size=size, bins=bins, dtype=values.dtype)
            along = values.movedim(axis, -1)  # [batch, channels, (other axis,) size]
            pooled = torch.einsum("bc...s,bgs->bc...g", along, matrix)
            values = pooled.movedim(-1, axis)
    return values


def masked_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the real places. [batch, channels, *axes], [batch, *axes] -> [batch, channels].

    0 for an example without anything real.
    """
    flat = values.flatten(2)  # [batch, channels, places]
    if mask is None:
        return flat.mean(dim=2)
    real = mask.flatten(1).to(values.dtype)  # [batch, places]
    total = torch.einsum("bcp,bp->bc", flat, real)
    return total / real.sum(dim=1, keepdim=True).clamp_min(1)


def downsample_mask(mask: Tensor, stride: int) -> Tensor:
    """The mask after a convolution with an odd kernel k, padding k // 2 and this stride.

    Such a layer keeps ceil(extent / stride) places: an output is real when its centre was.

    Args:
        mask: [batch, *axes] bool.
        stride: of every axis.

    Returns:
        [batch, *ceil(axes / stride)] bool.

    >>> downsample_mask(torch.tensor([[True, True, True, False]]), 2).tolist()
    [[True, True]]
    """
    return mask[(slice(None), *(slice(None, None, stride) for _ in range(mask.ndim - 1)))]
