"""What is drawn on a page, brought to one size (torch)."""

from __future__ import annotations

import torch
from torch import Tensor

INK = 0.16
"""Darkness from which a pixel is ink, where it is half of the page's darkest or less."""
_NOTHING = 1e-3
"""Darkness that is none on any page."""


def ink_box(values: Tensor, size: tuple[int, int]) -> Tensor:
    """The smallest rectangle that holds a page's ink, stretched to a size.

    Each pixel of the result is a mean over the pixels of the page that it covers, weighed by a
    triangle (bilinear interpolation, antialiased where the page is larger). On a faint page, as
    thin lines leave it when it is made small, ink is what is half as dark as its darkest place. A
    page without ink stays empty; padding changes nothing.

    Args:
        values: [batch, channels, height, width]; 0 = paper and padding.
        size: height and width of the result.

    Returns:
        [batch, channels, *size].

    >>> page = torch.zeros(1, 1, 4, 6)
    >>> page[:, :, 1:3, 2:4] = torch.tensor([[1.0, 0.5], [0.25, 1.0]])
    >>> ink_box(page, (2, 2))
    tensor([[[[1.0000, 0.5000],
              [0.2500, 1.0000]]]])
    """
    dark = values.amax(1)  # [batch, height, width]
    ink = dark > (dark.amax((1, 2), keepdim=True) / 2).clamp(_NOTHING, INK)
    down = _covering(ink.amax(2), size[0]).to(values.dtype)  # [batch, size[0], height]
    across = _covering(ink.amax(1), size[1]).to(values.dtype)  # [batch, size[1], width]
    return down[:, None] @ values @ across[:, None].transpose(2, 3)


def _covering(inked: Tensor, count: int) -> Tensor:
    """How much of each place on an axis is in each of `count` stretches from first to last ink.

    [batch, size] bool -> [batch, count, size]; each row sums to 1, or to 0 where there is no ink.
    """
    place = torch.arange(inked.shape[1], device=inked.device)
    first = torch.where(inked, place, inked.shape[1]).amin(1)[:, None]  # [batch, 1]
    last = torch.where(inked, place + 1, 0).amax(1)[:, None]  # [batch, 1], beyond the last
    step = (last - first).clamp_min(0) / count
    middle = first + (torch.arange(count, device=inked.device) + 0.5) * step  # [batch, count]
    away = (place + 0.5 - middle[..., None]).abs() / step.clamp_min(1.0)[..., None]
    inside = (place >= first) & (place < last)  # [batch, size]
    weight = (1 - away).clamp_min(0) * inside[:, None]
    return weight / weight.sum(2, keepdim=True).clamp_min(1e-9)
