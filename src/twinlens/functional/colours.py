"""How much of a picture is of which colour (torch).

Source:
    Swain, Ballard. Color indexing. International Journal of Computer Vision 7, 1991.
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

LEVELS = 12
"""Of each of the three channels."""
COLOURS = LEVELS**3
"""Numbers that `colours` gives."""
_DARKEST, _LIGHTEST = -2.0, 2.0
_CHANNELS = 3


def colours(values: Tensor, mask: Tensor | None) -> Tensor:
    """The root of the share of each colour, wherever in the picture it is.

    A pixel between two levels counts for both, by how near it is, so that a little more light does
    not make another colour of it.

    Args:
        values: [batch, 3, height, width] of normalised photos, -2 to 2; [batch, 1, ...] where they
            are grey.
        mask: [batch, height, width] bool, True where real; None when nothing is padded.

    Returns:
        [batch, COLOURS] of length 1.
    """
    values = values.expand(-1, _CHANNELS, -1, -1).flatten(2)  # [batch, 3, pixels]
    place = ((values - _DARKEST) * ((LEVELS - 1) / (_LIGHTEST - _DARKEST))).clamp(0, LEVELS - 1)
    below = place.long().clamp_max(LEVELS - 2)
    above = place - below
    near = torch.stack([1 - above, above])  # [2, batch, 3, pixels] to the level below and above
    real = values.new_ones(1) if mask is None else mask.flatten(1).to(values)
    colour = (below[:, 0] * LEVELS + below[:, 1]) * LEVELS + below[:, 2]  # [batch, pixels]
    counts = values.new_zeros(len(values), COLOURS)
    for red, green, blue in product((0, 1), repeat=_CHANNELS):
        share = near[red, :, 0] * near[green, :, 1] * near[blue, :, 2] * real
        counts = counts.scatter_add(1, colour + (red * LEVELS + green) * LEVELS + blue, share)
    return (counts / counts.sum(1, keepdim=True).clamp_min(1)).sqrt()
