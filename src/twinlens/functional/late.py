"""Two rows of parts, compared part by part (torch).

An embedding holds a row of parts. The direction of a part says what it is and its length how much
it counts; one of length 0 is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_ABSENT = 1e-6
"""A part that is shorter is not there."""
FAR = -2.0
"""Similarity to a part that is not there: below every cosine."""
_FEW = 32
"""Pairs that are compared at once, of those that have about as many parts."""
_MOST_CELLS = 4_000_000
"""Similarities computed at once where nothing is learned from them: 16 MB."""


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
        directions = rows / length[..., None] * there[..., None]
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


def similarities(a: Parts, b: Parts) -> Tensor:
    """Cosine of each part of one with each of the other. -> [n, steps of a, steps of b].

    What is not there is at a similarity below every cosine.
    """
    cosine = a.directions @ b.directions.transpose(1, 2)
    return cosine.masked_fill(~(a.there[:, :, None] & b.there[:, None]), FAR)


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

    Most rows are far from full, so this spares most of the work on parts that are not there.

    Args:
        made: [few, longest · local] twice -> [few, features], of each pair by itself.
        a, b: [n, steps · local].
        steps: of a row.

    Returns:
        [n, features].
    """
    if len(a) <= 1:
        return made(a, b)
    rows = [side.unflatten(1, (steps, -1)) for side in (a, b)]
    place = torch.arange(1, steps + 1, device=a.device)
    last = [(row.detach().abs().amax(2) > 0) * place for row in rows]
    extent = torch.maximum(last[0].amax(1), last[1].amax(1)).clamp_min(1)  # [n]
    order = extent.argsort(stable=True)
    found = [
        made(*(row[few, : int(extent[few[-1]])].flatten(1) for row in rows))
        for few in order.split(_FEW)
    ]
    return torch.cat(found)[order.argsort()]


def in_blocks(
    paired: Callable[[Tensor, Tensor], Tensor],
    a: Tensor,
    b: Tensor,
    *,
    cells: int,
    whole_to_learn: bool = True,
) -> Tensor:
    """Every score between two sets, by a function that scores row by row.

    Args:
        paired: [n, dim], [n, dim] -> [n].
        a, b: [n, dim], [m, dim].
        cells: numbers that one comparison takes; bounds how many are made at once.
        whole_to_learn: whether all are made at once where a gradient is asked for: `paired` may
            look at its pairs together then, or keep all that it computed anyhow.

    Returns:
        [n, m].
    """
    if not (len(a) and len(b)):
        return a.new_zeros(len(a), len(b))
    learning = torch.is_grad_enabled() and (a.requires_grad or b.requires_grad)
    whole = learning and whole_to_learn
    rows = len(a) if whole else max(1, _MOST_CELLS // (len(b) * cells))
    blocks = [
        paired(part.repeat_interleave(len(b), 0), b.repeat(len(part), 1)).view(len(part), len(b))
        for part in a.split(rows)
    ]
    return torch.cat(blocks)
