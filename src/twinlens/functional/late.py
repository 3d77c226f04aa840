"""Two rows of parts, compared part by part (torch).

An embedding holds a row of parts. The direction of a part says what it is and its length how much
it counts; one of length 0 is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

_ABSENT = 1e-6
"""A part that is shorter is not there."""
FAR = -2.0
"""Similarity to a part that is not there: below every cosine."""
_FEW = 32
"""Pairs that are compared at once, of those that have about as many parts; rows of a block."""
_WIDE = 64
"""Columns of a block, at most."""
_MOST_CELLS = 4_000_000
"""Numbers computed at once for every score between two sets: 16 MB."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of some embeddings.

    Attributes:
        directions: [n, steps, local] unit vectors, 0 where there is no part.
        counts: [n, steps] how much each counts, 0 where there is none.
    """

    directions: Tensor
    counts: Tensor

    @classmethod
    def of(cls, embeddings: Tensor, local: int) -> Parts:
        """[n, steps · local] -> its parts."""
        rows = embeddings.unflatten(1, (embeddings.shape[1] // local, local))
        square = rows.square().sum(2)  # [n, steps]
        there = square > _ABSENT**2
        length = torch.where(there, square, 1.0).sqrt()  # 1 keeps the gradient at 0 finite
        directions = rows / torch.where(there, length, torch.inf)[..., None]
        return cls(directions, length * there)

    @property
    def there(self) -> Tensor:
        """[n, steps] bool."""
        return self.counts > 0

    @property
    def total(self) -> Tensor:
        """[n] what all parts of each count together; 1 where there is none."""
        total = self.counts.sum(1)
        return torch.where(total > 0, total, 1.0)

    @property
    def shares(self) -> Tensor:
        """[n, steps] how much of what all parts of each count together each counts."""
        return self.counts / self.total[:, None]


def similarities(a: Parts, b: Parts) -> Tensor:
    """Cosine of each part of one with each of the other. -> [n, steps of a, steps of b].

    What is not there is at a similarity below every cosine.
    """
    cosine = a.directions @ b.directions.transpose(1, 2)
    return cosine.masked_fill(~(a.there[:, :, None] & b.there[:, None]), FAR)


def similarities_of_all(a: Parts, b: Parts) -> Tensor:
    """The same of each of a with each of b. -> [n, m, steps of a, steps of b]."""
    cosine = torch.einsum("nsl,mtl->nmst", a.directions, b.directions)
    there = a.there[:, None, :, None] & b.there[None, :, None]
    return cosine.masked_fill(~there, FAR)


def coverage(counts: Tensor, found: Tensor) -> Tensor:
    """Mean of what each part found, weighed by how much the part counts.

    Args:
        counts: [n, steps].
        found: [n, steps] or [n, steps, features].

    Returns:
        [n] or [n, features]; 0 where nothing counts.
    """
    total = counts.sum(1, keepdim=True)
    weights = counts / torch.where(total > 0, total, 1.0)
    return torch.einsum("ns,ns...->n...", weights, found)


def of_like_size(
    made: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor, steps: int
) -> Tensor:
    """What a function makes of pairs, given few at once that have about as many parts.

    Most rows are far from full, so this spares most of the work on parts that are not there. Each
    side of a block is as wide as it needs: a question is shorter than its answers.

    Args:
        made: [few, longest of a · local], [few, longest of b · local] -> [few, features], of each
            pair by itself.
        a, b: [n, steps · local].
        steps: of a row.

    Returns:
        [n, features].
    """
    if len(a) <= 1:
        return made(a, b)
    extents = [_extents(side, steps) for side in (a, b)]
    order = (extents[0] * extents[1]).argsort(stable=True)  # [n], by the work of each
    left, right = (_cut(*side, order, _FEW) for side in zip((a, b), extents, strict=True))
    found = torch.cat([made(*pair) for pair in zip(left, right, strict=True)])
    return found.index_select(0, order.argsort())


def each_with_each(
    made: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor, *, steps: int, cells: int
) -> Tensor:
    """What a function makes of each of one set with each of another.

    In blocks of rows that have about as many parts, as `of_like_size`. Beside what is given and
    returned, the numbers of one block are held at a time: at most `_MOST_CELLS`, or those of one
    pair. So it is where a gradient is asked for, too: what it needs of a block is computed once
    more then, unless there is but one; a few times as many numbers are held while that is done.

    Args:
        made: [p, longest of a · local], [q, longest of b · local] -> [p, q, ...], of each pair by
            itself and without chance.
        a, b: [n, steps · local], [m, steps · local]; at least one row each.
        steps: of a row.
        cells: numbers that one comparison takes.

    Returns:
        [n, m, ...].
    """
    rows = max(1, min(_FEW, _MOST_CELLS // cells))
    columns = max(1, min(_WIDE, _MOST_CELLS // (rows * cells)))
    extents = [_extents(side, steps) for side in (a, b)]
    orders = [extent.argsort(stable=True) for extent in extents]  # [n], [m]
    left = _cut(a, extents[0], orders[0], rows)
    right = _cut(b, extents[1], orders[1], columns)
    again = torch.is_grad_enabled() and len(left) * len(right) > 1

    def block(row: Tensor, column: Tensor) -> Tensor:
        if not again:
            return made(row, column)
        return checkpoint(made, row, column, use_reentrant=False, preserve_rng_state=False)

    found = torch.cat([torch.cat([block(row, column) for column in right], 1) for row in left])
    back, across = (order.argsort() for order in orders)
    return found.index_select(0, back).index_select(1, across)


def _extents(rows: Tensor, steps: int) -> Tensor:
    """Numbers of each row up to its last part that is there. [n, steps · local] -> [n]."""
    there = rows.detach().unflatten(1, (steps, -1)).any(2)  # [n, steps]
    place = torch.arange(1, steps + 1, device=rows.device)
    return (there * place).amax(1).clamp_min(1) * (rows.shape[1] // steps)


def _cut(rows: Tensor, extent: Tensor, order: Tensor, size: int) -> list[Tensor]:
    """Rows in an order, in blocks that are as wide as the widest of each needs.

    The order is taken of all at once. Were each block picked from the whole, its gradient would be
    one of all rows, and the work of learning would grow as the square of their number.

    Args:
        rows: [n, steps · local].
        extent: [n] numbers of each that are not padding.
        order: [n].
        size: rows of a block.

    Returns:
        [size, widest] each.
    """
    extent = extent.cpu()
    blocks = rows[:, : int(extent.max())].index_select(0, order).split(size)
    widest = [int(few.max()) for few in extent[order.cpu()].split(size)]
    return [block[:, :width] for block, width in zip(blocks, widest, strict=True)]


def in_blocks(
    paired: Callable[[Tensor, Tensor], Tensor],
    a: Tensor,
    b: Tensor,
    *,
    cells: int,
) -> Tensor:
    """Every score between two sets, by a function that scores row by row.

    Args:
        paired: [n, dim], [n, dim] -> [n].
        a, b: [n, dim], [m, dim].
        cells: numbers that one comparison takes; bounds how many are made at once.

    Returns:
        [n, m].
    """
    if not (len(a) and len(b)):
        return a.new_zeros(len(a), len(b))
    rows = max(1, _MOST_CELLS // (len(b) * cells))
    blocks = [
        paired(part.repeat_interleave(len(b), 0), b.repeat(len(part), 1)).view(len(part), len(b))
        for part in a.split(rows)
    ]
    return torch.cat(blocks)


def among_themselves(
    paired: Callable[[Tensor, Tensor], Tensor], a: Tensor, *, cells: int
) -> Tensor:
    """Every score within one set, by a function that scores row by row: each two once.

    Args:
        paired: [n, dim], [n, dim] -> [n], the same from both sides.
        a: [n, dim].
        cells: as of `in_blocks`.

    Returns:
        [n, n], symmetric.
    """
    row, column = torch.triu_indices(len(a), len(a), device=a.device)
    few = max(1, _MOST_CELLS // cells)
    sides = zip(row.split(few), column.split(few), strict=True)
    scores = torch.cat([a.new_zeros(0), *(paired(a[i], a[j]) for i, j in sides)])
    upper = scores.new_zeros(len(a), len(a)).index_put((row, column), scores)
    return upper.index_put((column, row), scores)
