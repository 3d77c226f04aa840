"""Random geometric and photometric change of a batch of pictures, as one resampling (torch).

Affine and elastic change are summed into one sampling grid, so a picture is interpolated once.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """[count] float32, uniform in [low, high)."""
    return torch.rand(count, generator=generator) * (high - low) + low


def random_affine(
    count: int,
    *,
    rotation_rad: float,
    log_scale: float,
    shear: float,
    shift: float,
    generator: torch.Generator,
) -> Tensor:
    """Inverse affine maps (output -> input coordinates in [-1, 1]), each drawn apart.

    Args:
        count: how many.
        rotation_rad, log_scale, shear, shift: half-widths of uniform distributions; log_scale is
            drawn for each axis apart, shift is a share of the picture's side.

    Returns:
        [count, 2, 3].
    """
    angle = uniform(count, -rotation_rad, rotation_rad, generator)
    scale_x = uniform(count, -log_scale, log_scale, generator).exp()
    scale_y = uniform(count, -log_scale, log_scale, generator).exp()
    slant = uniform(count, -shear, shear, generator)
    cos, sin = angle.cos(), angle.sin()
    rows = [
        torch.stack([cos * scale_x, (slant * cos - sin) * scale_y], 1),  # [count, 2]
        torch.stack([sin * scale_x, (cos + slant * sin) * scale_y], 1),
    ]
    linear = torch.stack(rows, 1)  # [count, 2, 2]
    move = torch.stack([uniform(count, -2 * shift, 2 * shift, generator) for _ in range(2)], 1)
    return torch.cat([linear, move[:, :, None]], 2)


def elastic_field(
    count: int,
    size: tuple[int, int],
    *,
    strength: float,
    knots: int,
    generator: torch.Generator,
) -> Tensor:
    """Smooth random displacement: normal noise on a coarse lattice, bicubically enlarged.

    Source:
        Simard, Steinkraus, Platt. Best practices for convolutional neural networks. ICDAR 2003
        (there the noise is smoothed by a Gaussian).

    Returns:
        [count, height, width, 2] in units of half a side; its standard deviation at a knot is
        `strength`.
    """
    noise = torch.randn(count, 2, knots, knots, generator=generator) * strength
    smooth = F.interpolate(noise, size=size, mode="bicubic", align_corners=True)
    return smooth.permute(0, 2, 3, 1)  # [count, height, width, 2]


def resample(
    values: Tensor,
    affine: Tensor,
    displacement: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Sample each picture once through its map; outside is 0. Shapes stay.

    Args:
        values: [batch, channels, height, width], 0 where padded.
        affine: [batch, 2, 3], output -> input coordinates in [-1, 1] of the picture itself.
        displacement: [batch, height, width, 2] added to the sampling grid.
        mask: [batch, height, width] bool, True where real; the padding stays 0.
    """
    if mask is None:
        grid = F.affine_grid(affine, list(values.shape), align_corners=False)
        if displacement is not None:
            grid = grid + displacement
        return F.grid_sample(values, grid, padding_mode="zeros", align_corners=False)
    share = torch.stack([mask[:, 0].float().mean(1), mask[:, :, 0].float().mean(1)], 1)  # [n, 2]
    share = share[:, None, None]  # width, height of the picture over the canvas
    identity = torch.eye(2, 3).expand(len(values), 2, 3)
    canvas = F.affine_grid(identity, list(values.shape), align_corners=False)  # [n, h, w, 2]
    own = (canvas + 1) / share - 1
    moved = torch.einsum("nhwj,nij->nhwi", own, affine[:, :, :2]) + affine[:, None, None, :, 2]
    if displacement is not None:
        moved = moved + displacement
    grid = (moved + 1) * share - 1
    sampled = F.grid_sample(values, grid, padding_mode="zeros", align_corners=False)
    return sampled * mask[:, None]


def change_stroke_width(values: Tensor, *, share: float, generator: torch.Generator) -> Tensor:
    """Blend a share of the pictures with their dilation or erosion (bright ink on 0).

    Args:
        values: [batch, channels, height, width] with a background of 0.
        share: of pictures changed, half of them thickened and half thinned.
    """
    count = len(values)
    pick = torch.rand(count, 1, 1, 1, generator=generator)
    amount = torch.rand(count, 1, 1, 1, generator=generator)
    thick = F.max_pool2d(values, 3, 1, 1) - values
    thin = values + F.max_pool2d(-values, 3, 1, 1)
    change = torch.where(pick < share / 2, thick * amount, -0.5 * thin * amount)
    return values + change * (pick < share)


def change_light(
    values: Tensor, *, brightness: float, contrast: float, generator: torch.Generator
) -> Tensor:
    """Scale around each picture's mean and shift. Half-widths of uniform distributions."""
    count = len(values)
    gain = uniform(count, 1 - contrast, 1 + contrast, generator).view(-1, 1, 1, 1)
    offset = uniform(count, -brightness, brightness, generator).view(-1, 1, 1, 1)
    mean = values.mean(dim=(1, 2, 3), keepdim=True)
    return (values - mean) * gain + mean + offset


def quarter_turns(values: Tensor, turns: Tensor) -> Tensor:
    """Turn each square picture by its number of quarter turns. [batch, channels, side, side]."""
    turned = values.clone()
    for count in (1, 2, 3):
        chosen = turns == count
        if chosen.any():
            turned[chosen] = torch.rot90(values[chosen], count, (2, 3))
    return turned


def mirrorings(values: Tensor, kinds: Tensor) -> Tensor:
    """Mirror each picture: 0 not, 1 left to right, 2 upside down, 3 both, which is a half turn.

    Args:
        values: [batch, channels, height, width].
        kinds: [batch].
    """
    mirrored = values.clone()
    for kind, axes in ((1, (3,)), (2, (2,)), (3, (2, 3))):
        chosen = kinds == kind
        if chosen.any():
            mirrored[chosen] = values[chosen].flip(axes)
    return mirrored


def mirror(
    values: Tensor, mask: Tensor | None, *, share: float, generator: torch.Generator
) -> Tensor:
    """Mirror a share of the pictures left to right, each within its own extent.

    Args:
        values: [batch, channels, height, width], 0 where padded.
        mask: [batch, height, width] bool or None.
    """
    count, _, _, width = values.shape
    extent = torch.full((count,), width) if mask is None else mask[:, 0].sum(1)
    columns = torch.arange(width).expand(count, width)
    mirrored = torch.where(columns < extent[:, None], extent[:, None] - 1 - columns, columns)
    chosen = torch.rand(count, 1, generator=generator) < share
    source = torch.where(chosen, mirrored, columns)  # [batch, width]
    return values.gather(3, source[:, None, None].expand_as(values))
