"""How good an order of candidates is (NumPy)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinlens.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class ListFigures:
    """Figures of each question with a right candidate.

    Attributes:
        question: [q] its number.
        average_precision, reciprocal_rank, first: [q] each in [0, 1]; `first` is whether the
            candidate on top is right.
    """

    question: IntArray
    average_precision: FloatArray
    reciprocal_rank: FloatArray
    first: FloatArray


def rank_lists(scores: FloatArray, right: BoolArray, question: IntArray) -> ListFigures:
    """Order the candidates of each question by score and see where the right ones are.

    Candidates of equal score are taken to lie in the worst order: the wrong ones first. So scores
    that are all equal earn nothing.

    Args:
        scores: [n] of candidates, larger = better.
        right: [n] whether a candidate is right.
        question: [n] number of the question that it is of.

    Returns:
        Figures of the questions that have a right candidate, in order of their number.

    >>> found = rank_lists(np.array([3.0, 2.0, 1.0]), np.array([False, True, True]), np.zeros(3))
    >>> found.average_precision.tolist(), found.reciprocal_rank.tolist()
    ([0.5833333333333333], [0.5])

    Source:
        Manning, Raghavan, Schütze. Introduction to information retrieval. 2008, section 8.4.
    """
    numbers, owner = np.unique(question, return_inverse=True)
    order = np.lexsort((right, -scores, owner))  # by question, best first, at equal scores wrong
    owner, hit = owner[order], right[order].astype(np.float64)
    sizes = np.bincount(owner, minlength=len(numbers))
    start = np.cumsum(sizes) - sizes  # [questions]
    rank = np.arange(len(owner)) - start[owner] + 1
    before = np.concatenate([[0.0], np.cumsum(hit)])
    hits = before[1:] - before[start][owner]  # right ones so far, within the question
    total = np.bincount(owner, hit, minlength=len(numbers))
    kept = total > 0
    precision = np.bincount(owner, hit * hits / rank, minlength=len(numbers)).astype(np.float64)
    is_first_hit = (hit > 0) & (hits == 1)
    reciprocal = np.bincount(owner, is_first_hit / rank, minlength=len(numbers)).astype(np.float64)
    first = np.bincount(owner, hit * (rank == 1), minlength=len(numbers)).astype(np.float64)
    return ListFigures(
        numbers[kept].astype(np.int64), precision[kept] / total[kept], reciprocal[kept], first[kept]
    )
