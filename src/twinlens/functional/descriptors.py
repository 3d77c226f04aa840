"""What pictures were described by before features were learned (torch).

Edges and lines by their direction at several scales: `places` tells where there are how many,
`strokes` measures a drawing, wherever on its page it is. Nothing here has parameters, and padding
never changes a value.

Source:
    Dalal, Triggs. Histograms of oriented gradients for human detection. CVPR 2005. Several grids:
    Lazebnik, Schmid, Ponce. Beyond bags of features: spatial pyramid matching. CVPR 2006. Lines by
    direction: Freeman, Adelson. The design and use of steerable filters. PAMI 13, 1991. Measures of
    signatures: Impedovo, Pirlo. Automatic signature verification: the state of the art. IEEE SMC-C
    38, 2008.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from twinlens.functional.pool import downsample_mask, grid_pool, pooling_matrix

SCALES = (1, 2, 4)
"""Half-widths of the triangle that a picture is smoothed by, in pixels; 1 = not at all."""
GRIDS = (1, 2, 5, 10)
"""Cells on a side of each grid of `places`."""
EDGES, FINE_EDGES = 8, 16
"""Directions of edges, all around; there are half as many of lines, half around. Of `places` and of
`strokes`."""
COLUMNS, ROWS, THIRDS = 16, 8, 3
"""Parts of equal ink that a drawing is cut into for `strokes`."""
PLACES = (1 + len(SCALES) * 2 * EDGES) * sum(grid**2 for grid in GRIDS)
"""Numbers that `places` gives."""
STROKES = 9 + 3 * (COLUMNS + ROWS) + len(SCALES) * ((1 + THIRDS) * 2 * FINE_EDGES + 2)
"""Numbers that `strokes` gives."""
_LEAST = 1e-4
"""Strength (squared) of edges that contrast is measured from on."""
_NOTHING = 1e-6
"""Ink that is none."""


def places(values: Tensor, mask: Tensor | None) -> Tensor:
    """How strong edges and lines of each direction are in each cell of some grids.

    On the finest grid they are relative to all there is around a cell, so that contrast hardly
    counts; on the coarse ones they are absolute, which tells how much is drawn at all. Square
    roots are taken, so that much of one thing does not hide the rest.

    Args:
        values: [batch, channels, height, width], 0 where padded.
        mask: [batch, height, width] bool, True where real; None when nothing is padded.

    Returns:
        [batch, PLACES].
    """
    grey = values.mean(1, keepdim=True)
    seen = [(grey, mask), *(derivatives(grey, scale, mask, EDGES) for scale in SCALES)]
    made: list[Tensor] = []
    for grid, pooled in zip(GRIDS, zip(*(_pooled(*one) for one in seen), strict=True), strict=True):
        light, *strengths = pooled
        if grid == GRIDS[-1]:
            strengths = [_relative(one) for one in strengths]
        made += [light, *((one + _LEAST).sqrt() for one in strengths)]
    return torch.cat([one.flatten(1) for one in made], dim=1)


def strokes(values: Tensor, mask: Tensor | None) -> Tensor:
    """Measures of a drawing: its size, slant and density, where its ink lies, how its lines run.

    Positions are told from the middle of the ink in its own deviations, and directions as shares,
    so that few measures change with the size of what is drawn, by its logarithm. Coarser scales
    look at every second or fourth pixel, so a drawing that is moved by less changes a little, too.

    Args:
        values: [batch, channels, height, width] in 0..1; paper and padding are 0, ink is more.
        mask: as of `places`.

    Returns:
        [batch, STROKES].
    """
    ink = values.mean(1).clamp_min(0)  # [batch, height, width]
    across, down = _Axis(ink.sum(1)), _Axis(ink.sum(2))
    total = across.total
    slant = torch.einsum("bhw,bh,bw->b", ink, down.centred, across.centred)
    steps_right, steps_down = _variation(ink, mask)
    wide, high = across.deviation, down.deviation
    columns = _outline(ink, across, down, COLUMNS)
    rows = _outline(ink.transpose(1, 2), down, across, ROWS)
    made = [
        torch.stack([wide, high, total, steps_right, steps_down, wide / high], 1).log(),
        torch.stack([slant / (total * wide * high), (total / (wide * high)).sqrt()], 1),
        ((steps_right * steps_down).sqrt() / total).log()[:, None],
        columns[0],
        rows[0],
        *columns[1:],
        *rows[1:],
    ]
    thirds = across.parts(THIRDS)  # [batch, THIRDS, width]
    for scale in SCALES:
        maps, _ = derivatives(ink[:, None], scale, mask, FINE_EDGES)
        columns = maps.sum(2)  # [batch, found, width / scale]
        inside = torch.einsum("bpw,bfw->bpf", thirds[:, :, ::scale], columns)
        everything = columns.sum(2)
        by_part = torch.cat([everything[:, None], inside], dim=1)  # [batch, 1 + THIRDS, found]
        edges, lines = everything.chunk(2, dim=1)
        made += map(_shares, by_part.chunk(2, dim=2))
        kinds = torch.stack([edges.sum(1), lines.sum(1)], dim=1)
        made.append((kinds.clamp_min(_NOTHING) / total[:, None]).log())
    return torch.cat(made, dim=1)


def derivatives(
    grey: Tensor, scale: int, mask: Tensor | None, directions: int
) -> tuple[Tensor, Tensor | None]:
    """How strong an edge or line of each direction is at every `scale`-th place.

    Beyond the border all is 0, the paper of a drawing or the middle grey of a normalised photo:
    where a picture differs from it, its border is an edge.

    Args:
        grey: [batch, 1, height, width].
        scale: of `SCALES`.
        mask: [batch, height, width] bool or None.
        directions: of edges, all around; an even number.

    Returns:
        [batch, 2 directions, height / scale, width / scale]: edges by the direction to the
        lighter side, then dark lines and light lines by the direction across them; and its mask.
    """
    mask = None if mask is None else downsample_mask(mask, scale)
    smooth = _real(_smoothed(grey, scale), mask)
    right, down = (_real(slope, mask) for slope in _slopes(smooth))
    size = (right.square() + down.square() + _LEAST).sqrt()
    around = torch.arange(directions, device=grey.device) * (2 * math.pi / directions)
    edges = torch.relu(_mixed(torch.stack([around.cos(), around.sin()], 1), [right, down]))
    edges = edges * (edges / size) ** 3  # few directions share an edge
    (bent_right, twist), (_, bent_down) = _slopes(right), _slopes(down)
    half = torch.arange(directions // 2, device=grey.device) * (2 * math.pi / directions)
    cos, sin = half.cos(), half.sin()
    across = torch.stack([cos.square(), 2 * cos * sin, sin.square()], 1)
    bent = _mixed(across, [bent_right, twist, bent_down])
    return _real(torch.cat([edges, torch.relu(bent), torch.relu(-bent)], dim=1), mask), mask


class _Axis:
    """How the ink of each drawing lies along one axis.

    Attributes:
        mass: [batch, n] ink at each place.
        total: [batch]; never 0.
        deviation: [batch] in places.
        centred: [batch, n] places less the middle of the ink.
    """

    def __init__(self, mass: Tensor) -> None:
        self.mass = mass
        self.total = mass.sum(1).clamp_min(_NOTHING)
        place = torch.arange(mass.shape[1], device=mass.device) + 0.5
        self.centred = place - ((mass * place).sum(1) / self.total)[:, None]
        variance = (mass * self.centred.square()).sum(1) / self.total
        self.deviation = variance.sqrt().clamp_min(0.5)
        self._share = mass / self.total[:, None]
        self._until = self._share.cumsum(1)

    def parts(self, count: int) -> Tensor:
        """How much of each place is in each of `count` parts of equal ink. [batch, count, n]."""
        start = (torch.arange(count, device=self.mass.device) / count)[:, None]
        before = (self._until - self._share)[:, None]
        inside = torch.minimum(self._until[:, None], start + 1 / count) - before.maximum(start)
        return inside.clamp_min(0) / self._share.clamp_min(1e-9)[:, None]


def _outline(ink: Tensor, along: _Axis, over: _Axis, count: int) -> tuple[Tensor, ...]:
    """Of each part of the ink: its middle along one axis, its middle and spread over the other.

    All in deviations of the whole. [batch, over, along] -> 3 of [batch, count].
    """
    parts = along.parts(count)
    place = torch.einsum("bpn,bn->bp", parts, along.mass * along.centred)
    place = place * count / (along.total * along.deviation)[:, None]
    mass = torch.einsum("bpn,bn->bp", parts, along.mass).clamp_min(_NOTHING)
    first = torch.einsum("bmn,bm->bn", ink, over.centred)
    second = torch.einsum("bmn,bm->bn", ink, over.centred.square())
    middle = torch.einsum("bpn,bn->bp", parts, first) / mass
    spread = torch.einsum("bpn,bn->bp", parts, second) / mass - middle.square()
    scale = over.deviation[:, None]
    return place, middle / scale, spread.clamp_min(0).sqrt() / scale


def _variation(ink: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Sum of all changes to the right and downwards. [batch, height, width] -> 2 [batch]."""
    right, down = ink.diff(dim=2).abs(), ink.diff(dim=1).abs()
    if mask is not None:
        right, down = right * mask[:, :, 1:], down * mask[:, 1:]
    return right.sum((1, 2)).clamp_min(_NOTHING), down.sum((1, 2)).clamp_min(_NOTHING)


def _shares(counts: Tensor) -> Tensor:
    """Root of each share of the last axis, flat."""
    return (counts / counts.sum(2, keepdim=True).clamp_min(_NOTHING)).sqrt().flatten(1)


def _pooled(maps: Tensor, mask: Tensor | None) -> list[Tensor]:
    """Means over the cells of each of `GRIDS`. [batch, channels, height, width] -> of each grid
    [batch, channels, grid, grid].
    """
    if mask is not None:
        return [grid_pool(maps, mask, (grid, grid)) for grid in GRIDS]
    down, across = ([_cells(size, grid, maps) for grid in GRIDS] for size in maps.shape[2:])
    along = (maps @ torch.cat(across).T).split(GRIDS, dim=3)  # one product for all grids
    return [rows @ columns for rows, columns in zip(down, along, strict=True)]


def _cells(size: int, grid: int, like: Tensor) -> Tensor:
    """[grid, size] weights of the means over cells."""
    whole = torch.tensor([size], device=like.device)
    return pooling_matrix(whole, size=size, bins=grid, dtype=like.dtype)[0]


def _smoothed(grey: Tensor, scale: int) -> Tensor:
    """Every `scale`-th place, smoothed. [batch, 1, height, width]."""
    if scale == 1:
        return grey
    down, across = (_triangles(size, scale, grey) for size in grey.shape[2:])
    return down @ grey @ across.T


def _triangles(size: int, scale: int, like: Tensor) -> Tensor:
    """[places, size] weights that fall off to both sides of every `scale`-th place."""
    place = torch.arange(size, device=like.device)
    far = (place[None] - place[::scale, None]).abs()
    return (scale - far).clamp_min(0).to(like) / scale**2


def _slopes(values: Tensor) -> tuple[Tensor, Tensor]:
    """Differences to the right and downwards. [batch, 1, height, width] -> two as it."""
    wide = F.pad(values, (1, 1, 1, 1))
    right = wide[:, :, 1:-1, 2:] - wide[:, :, 1:-1, :-2]
    down = wide[:, :, 2:, 1:-1] - wide[:, :, :-2, 1:-1]
    return right / 2, down / 2


def _mixed(weights: Tensor, maps: list[Tensor]) -> Tensor:
    """Sums of maps. [sums, maps], each [batch, 1, ...] -> [batch, sums, ...]."""
    joined = torch.cat(maps, dim=1)
    return (weights.to(joined) @ joined.flatten(2)).unflatten(2, joined.shape[2:])


def _real(values: Tensor, mask: Tensor | None) -> Tensor:
    """0 where padded."""
    return values if mask is None else values * mask[:, None]


def _relative(pooled: Tensor) -> Tensor:
    """Each cell's strengths to the root of their mean square in it and around it."""
    energy = pooled.square().mean(1, keepdim=True)
    around = F.avg_pool2d(energy, 3, 1, 1, count_include_pad=False)
    return pooled / (around + _LEAST).sqrt()
