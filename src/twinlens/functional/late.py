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
_FAR = -2.0
"""Similarity to a part that is not there: below every cosine."""
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
    def of(cls, embeddings: Tensor, steps: int) -> Parts:
        """[n, steps · local] -> its parts."""
        rows = embeddings.unflatten(1, (steps, embeddings.shape[1] // steps))
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
    return cosine.masked_fill(~(a.there[:, :, None] & b.there[:, None]), _FAR)


def coverage(a: Parts, found: Tensor) -> Tensor:
    """Mean of what each part of `a` found, weighed by how much the part counts.

    Args:
        a: [n] of them.
        found: [n, steps] or [n, steps, features].

    Returns:
        [n] or [n, features]; 0 where `a` has no parts.
    """
    weights = a.counts / a.total[:, None]
    return torch.einsum("ns,ns...->n...", weights, found)


def in_blocks(
    paired: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor, *, cells: int
) -> Tensor:
    """Every score between two sets, by a function that scores row by row.

    Args:
        paired: [n, dim], [n, dim] -> [n].
        a, b: [n, dim], [m, dim].
        cells: numbers that one comparison takes; bounds how many are made at once, where no
            gradient asks for all of them.

    Returns:
        [n, m].
    """
    if not (len(a) and len(b)):
        return a.new_zeros(len(a), len(b))
    learning = torch.is_grad_enabled() and (a.requires_grad or b.requires_grad)
    rows = len(a) if learning else max(1, _MOST_CELLS // (len(b) * cells))
    blocks = [
        paired(part.repeat_interleave(len(b), 0), b.repeat(len(part), 1)).view(len(part), len(b))
        for part in a.split(rows)
    ]
    return torch.cat(blocks)
