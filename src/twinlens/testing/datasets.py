"""Small data sets in memory, without files behind them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from twinlens.data.dataset import Dataset
from twinlens.types import Example, Pairs, Triplets

_ROOT = Path("in-memory")


def labelled_dataset(sizes: Sequence[int], *, groups: Sequence[int] | None = None) -> Dataset:
    """Identities with these many examples, each in its group if groups are given.

    >>> labelled_dataset([2, 1]).labels().tolist()
    [0, 0, 1]
    """
    examples = [
        Example(
            id=f"{identity:05d}/{number:05d}",
            identity=f"{identity:05d}",
            group=None if groups is None else f"{groups[identity]:05d}",
        )
        for identity, size in enumerate(sizes)
        for number in range(size)
    ]
    return Dataset(_ROOT, tuple(examples))


def paired_dataset(examples: int, pairs: Sequence[tuple[int, int, bool]]) -> Dataset:
    """Examples without identity, and pairs (left, right, same) of their positions."""
    left, right, same = (np.array(column) for column in zip(*pairs, strict=True))
    given = Pairs(left.astype(np.int64), right.astype(np.int64), same.astype(np.bool_))
    return Dataset(_ROOT, _unnamed(examples), "pairs", pairs=given)


def triplet_dataset(examples: int, triplets: Sequence[tuple[int, int, int]]) -> Dataset:
    """Examples without identity, and triplets (anchor, positive, negative) of positions."""
    anchor, positive, negative = np.array(triplets, np.int64).T
    given = Triplets(anchor, positive, negative)
    return Dataset(_ROOT, _unnamed(examples), "triplets", triplets=given)


def _unnamed(count: int) -> tuple[Example, ...]:
    return tuple(Example(id=f"{number:05d}", identity=None) for number in range(count))
