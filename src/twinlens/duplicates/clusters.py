"""Pairs that are alike -> groups in which every two are: a chain of weak links joins nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from twinlens.types import BoolArray, FloatArray, Scorer

Alike = Callable[[Sequence[int], Sequence[int]], BoolArray]
"""Positions on the left and on the right -> whether each two are alike. [left, right]."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two positions and how alike they are."""

    left: int
    right: int
    score: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """Positions of which every two are alike enough.

    Attributes:
        members: ascending.
        links: the pair that brought each of them in; one fewer than there are members.
    """

    members: tuple[int, ...]
    links: tuple[Pair, ...]


def scored_alike(embeddings: FloatArray, scorer: Scorer, *, threshold: float) -> Alike:
    """Alike are those that score the threshold or more. [n, dim], of all positions."""

    def alike(left: Sequence[int], right: Sequence[int]) -> BoolArray:
        scores = scorer.score_matrix(embeddings[left], embeddings[right])
        return scores.astype(np.float64) >= threshold  # else the threshold would be rounded

    return alike


def complete_link(pairs: Iterable[Pair], alike: Alike) -> list[Cluster]:
    """Join the most alike first, and two groups only if all pairs between them are alike.

    Only pairs within groups that are about to be joined are looked at, never all with all.

    Args:
        pairs: some of those that are alike, each with its score.
        alike: which of any others are.

    Returns:
        Groups of two and more, by their first member.

    Source:
        Complete-linkage clustering: Defays. An efficient algorithm for a complete link method.
        The Computer Journal 20, 1977; here on the pairs of a nearest-neighbour graph.
    """
    group: dict[int, list[int]] = {}
    links: dict[int, list[Pair]] = {}
    for pair in sorted(pairs, key=lambda p: (-p.score, p.left, p.right)):
        left = group.setdefault(pair.left, [pair.left])
        right = group.setdefault(pair.right, [pair.right])
        if left is right:
            continue
        if len(left) * len(right) > 1 and not alike(left, right).all():
            continue
        joined = [*links.pop(left[0], []), *links.pop(right[0], []), pair]
        left += right
        links[left[0]] = joined
        for member in right:
            group[member] = left
    found = [Cluster(tuple(sorted(group[head])), tuple(made)) for head, made in links.items()]
    return sorted(found, key=lambda cluster: cluster.members)
