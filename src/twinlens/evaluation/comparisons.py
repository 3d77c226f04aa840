"""Which pairs of examples are compared: all of them, or as many as a cap allows, drawn evenly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinlens.types import BoolArray, FloatArray, IntArray, Scorer

MOST_GENUINE = 200_000
MOST_IMPOSTORS = 500_000
"""Comparisons made at most, each kind apart; they bound time and memory."""
_CHUNK_VALUES = 2_000_000
"""Numbers gathered at once on each side while scoring: 8 MB."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Pairs of positions, genuine ones first.

    Attributes:
        left, right: [n] positions; no pair twice.
        same: [n] whether the identities agree.
        genuine_total, impostor_total: how many pairs there are in all.
    """

    left: IntArray
    right: IntArray
    same: BoolArray
    genuine_total: int
    impostor_total: int


def draw_pairs(
    labels: IntArray, rng: np.random.Generator, *, most_genuine: int, most_impostors: int
) -> Drawn:
    """Every pair of known examples, or evenly drawn ones where there are more than the caps.

    Args:
        labels: [n] identity; below 0 = unknown, left out.
        rng: draws.
        most_genuine, most_impostors: caps.
    """
    known = np.flatnonzero(labels >= 0)
    known = known[np.argsort(labels[known], kind="stable")]
    place = np.arange(len(known))
    block_end = np.searchsorted(labels[known], labels[known], side="right")  # [n]
    # By identity, an example's genuine partners follow it to the end of its block, and its
    # impostor partners follow that: so a number tells a pair, and no list of all is made.
    genuine = _numbered(place + 1, block_end, most_genuine, rng)
    impostor = _numbered(block_end, np.full_like(block_end, len(known)), most_impostors, rng)
    return Drawn(
        known[np.concatenate([genuine[0], impostor[0]])],
        known[np.concatenate([genuine[1], impostor[1]])],
        np.arange(len(genuine[0]) + len(impostor[0])) < len(genuine[0]),
        genuine[2],
        impostor[2],
    )


def score_pairs(
    embeddings: FloatArray, scorer: Scorer, left: IntArray, right: IntArray
) -> FloatArray:
    """Scores of pairs of rows, gathered in chunks. [n, dim], [k], [k] -> [k]."""
    rows = max(1, _CHUNK_VALUES // embeddings.shape[1])
    # into one array: small ones kept between large ones let go would leave holes in the memory
    scores = np.zeros(len(left), scorer.score(embeddings[:1], embeddings[:1]).dtype)
    for start in range(0, len(left), rows):
        part = slice(start, start + rows)
        scores[part] = scorer.score(embeddings[left[part]], embeddings[right[part]])
    return scores


def _numbered(
    begin: IntArray, end: IntArray, most: int, rng: np.random.Generator
) -> tuple[IntArray, IntArray, int]:
    """Pairs (i, j) with begin[i] <= j < end[i]: all or `most`, drawn evenly. -> (i, j, total)."""
    first = np.concatenate([[0], np.cumsum(end - begin)])  # number of each example's first pair
    total = int(first[-1])
    number = np.arange(total) if total <= most else distinct(total, most, rng)
    i = np.searchsorted(first, number, side="right") - 1
    return i, begin[i] + number - first[i], total


def distinct(total: int, count: int, rng: np.random.Generator) -> IntArray:
    """`count` distinct numbers below `total`, each as likely, ascending. Memory is O(count).

    >>> distinct(3, 3, np.random.default_rng(0)).tolist()
    [0, 1, 2]
    """
    if total <= 4 * count:
        return np.sort(rng.permutation(total)[:count])
    found = np.zeros(0, np.int64)
    while len(found) < count:
        found = np.union1d(found, rng.integers(total, size=count))
    return np.sort(rng.permutation(found)[:count])
