"""Random change of photos by light, lens, occlusion and compression (torch).

Pictures are [batch, channels, height, width] in [0, 1]. Each function changes a share of them, each
by an amount of its own, and leaves the others exactly as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from twinlens.functional.warp import uniform

_BLOCK = 8
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56), (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip


def changed(
    values: Tensor, share: float, generator: torch.Generator, change: Callable[[Tensor], Tensor]
) -> Tensor:
    """Apply a change to a random share of the pictures, and to no others."""
    chosen = torch.rand(len(values), generator=generator) < share
    if not chosen.any():
        return values
    values = values.clone()
    values[chosen] = change(values[chosen])
    return values


def directional_light(values: Tensor, *, strength: float, generator: torch.Generator) -> Tensor:
    """Light from one side, and gamma: brighter toward a random direction, darker away from it.

    Args:
        values: in [0, 1].
        strength: of the gradient: 1 takes the far edge to black. Gamma lies within
            exp(± strength).
    """
    count, _, height, width = values.shape
    slope = _ramp(count, (height, width), generator)
    amount = uniform(count, 0, strength, generator)
    gamma = uniform(count, -strength, strength, generator).mul(0.7).exp()
    light = 1 + amount[:, None, None] * slope / math.sqrt(2)
    return (values.clamp(0, 1) ** gamma[:, None, None, None] * light[:, None]).clamp(0, 1)


def cast_shadow(values: Tensor, *, strength: float, generator: torch.Generator) -> Tensor:
    """A shadow with a soft straight edge over one side of each picture.

    Args:
        values: in [0, 1].
        strength: share of the light that the darkest shadow takes.
    """
    count, _, height, width = values.shape
    side = _ramp(count, (height, width), generator)
    edge = uniform(count, -0.6, 0.6, generator)
    softness = uniform(count, 4, 20, generator)
    depth = uniform(count, 0.3 * strength, strength, generator)
    shade = torch.sigmoid((side - edge[:, None, None]) * softness[:, None, None])  # [n, h, w]
    return values * (1 - depth[:, None, None] * shade)[:, None]


def blur(values: Tensor, *, strength: float, generator: torch.Generator) -> Tensor:
    """Gaussian blur, each picture by its own width.

    Args:
        values: any.
        strength: largest standard deviation, as a share of the picture's longer side.
    """
    count, channels, height, width = values.shape
    widest = strength * max(height, width)
    radius = max(1, math.ceil(2.5 * widest))
    sigma = uniform(count, 0.3 * widest, widest, generator).clamp(min=0.05)
    place = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-0.5 * (place / sigma[:, None]) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)  # [n, 2 radius + 1]
    kernel = kernel.repeat_interleave(channels, 0)[:, None]  # [n * channels, 1, k]
    flat = values.reshape(1, count * channels, height, width)
    padded = F.pad(flat, (radius, radius, radius, radius), mode="replicate")
    across = F.conv2d(padded, kernel[:, :, None], groups=count * channels)
    down = F.conv2d(across, kernel[..., None], groups=count * channels)
    return down.view(values.shape)


def compress(values: Tensor, *, strength: float, generator: torch.Generator) -> Tensor:
    """What JPEG loses: the cosine terms of blocks of 8 x 8 pixels, rounded to coarse steps.

    Args:
        values: in [0, 1].
        strength: largest multiple of the standard's table of steps; 1 = quality 50, 5 = 10.

    Source:
        ITU-T T.81, 1992, table K.1, for all channels alike; the round trip is exact but for them.
    """
    count, channels, height, width = values.shape
    padded = F.pad(values, (0, -width % _BLOCK, 0, -height % _BLOCK), mode="replicate")
    rows, columns = padded.shape[2] // _BLOCK, padded.shape[3] // _BLOCK
    k = torch.arange(_BLOCK, dtype=torch.float32)
    basis = torch.cos(math.pi * (2 * k + 1) * k[:, None] / (2 * _BLOCK)) * math.sqrt(2 / _BLOCK)
    basis[0] /= math.sqrt(2)
    blocks = padded.view(count, channels, rows, _BLOCK, columns, _BLOCK).transpose(3, 4)
    terms = basis @ (blocks * 255 - 128) @ basis.T
    steps = torch.tensor(_LUMINANCE, dtype=torch.float32)
    steps = steps * uniform(count, 0.3 * strength, strength, generator).view(-1, 1, 1, 1, 1, 1)
    blocks = (basis.T @ (torch.round(terms / steps) * steps) @ basis + 128) / 255
    whole = blocks.transpose(3, 4).reshape(padded.shape)
    return whole[:, :, :height, :width].clamp(0, 1)


def occlude(values: Tensor, *, strength: float, generator: torch.Generator) -> Tensor:
    """A rectangle of one random colour over each picture: a hand, a scarf, dark glasses.

    Args:
        values: in [0, 1].
        strength: largest share of the area that is covered.

    Source:
        Zhong, Zheng, Kang, Li, Yang. Random erasing data augmentation. AAAI 2020.
    """
    count, channels, height, width = values.shape
    area = uniform(count, 0.1 * strength, strength, generator)
    ratio = uniform(count, -1.2, 1.2, generator).exp()
    tall, wide = (area * ratio).sqrt().clamp(max=0.9), (area / ratio).sqrt().clamp(max=0.9)
    top = uniform(count, 0, 1, generator) * (1 - tall)
    left = uniform(count, 0, 1, generator) * (1 - wide)
    y = (torch.arange(height) + 0.5) / height
    x = (torch.arange(width) + 0.5) / width
    down = (y >= top[:, None]) & (y < (top + tall)[:, None])  # [n, h]
    across = (x >= left[:, None]) & (x < (left + wide)[:, None])  # [n, w]
    covered = (down[:, :, None] & across[:, None])[:, None]  # [n, 1, h, w]
    colour = torch.rand(count, channels, 1, 1, generator=generator)
    return torch.where(covered, colour, values)


def perspective_field(
    count: int, size: tuple[int, int], *, strength: float, generator: torch.Generator
) -> Tensor:
    """Displacement of a sampling grid as by a camera that looks from the side.

    Args:
        count, size: of the pictures.
        strength: largest relative difference of scale between the middle and an edge.

    Returns:
        [count, height, width, 2] in units of half a side.
    """
    tilt = torch.stack([uniform(count, -strength, strength, generator) for _ in range(2)], 1)
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, size[0]), torch.linspace(-1, 1, size[1]), indexing="ij"
    )
    grid = torch.stack([x, y], 2)  # [h, w, 2]
    depth = 1 + torch.einsum("hwc,nc->nhw", grid, tilt)
    return grid / depth[..., None] - grid


def _ramp(count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Place along a random direction, -1 to 1 from edge to edge. -> [count, height, width]."""
    angle = uniform(count, 0, 2 * math.pi, generator)[:, None, None]
    x, y = torch.linspace(-1, 1, size[1]), torch.linspace(-1, 1, size[0])
    return angle.cos() * x + angle.sin() * y[:, None]
