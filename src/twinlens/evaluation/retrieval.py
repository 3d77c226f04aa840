"""Search among the other examples: is the best match right, and how pure are the first R?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinlens.evaluation.comparisons import distinct
from twinlens.functional.metrics import map_at_r, recall_at_1
from twinlens.types import FloatArray, IntArray, Scorer

MOST_SCORES = 200_000_000
"""Scores computed at most; beyond, queries are drawn."""
_BLOCK_SCORES = 2_000_000
"""Scores held at once: 8 MB, and about six times that while ranking."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Measures of each query; larger is better.

    Attributes:
        labels: [q] identity of each query.
        recall_at_1, map_at_r: [q] in [0, 1].
        eligible: examples that could be queries: those with another of their identity.
        candidates: examples searched, the query itself left out.
    """

    labels: IntArray
    recall_at_1: FloatArray
    map_at_r: FloatArray
    eligible: int
    candidates: int


def search_all(
    embeddings: FloatArray,
    labels: IntArray,
    scorer: Scorer,
    rng: np.random.Generator,
    *,
    most_scores: int = MOST_SCORES,
) -> Retrieval:
    """Search with each example among all other known ones, some rows of the scores at a time.

    Args:
        embeddings: [n, dim].
        labels: [n] identity; below 0 = unknown, left out. At least one identity has two examples.
        scorer: larger = more alike.
        rng: draws queries where all would take more than `most_scores`.
        most_scores: bound on queries · candidates.
    """
    known = np.flatnonzero(labels >= 0)
    candidates, owner = embeddings[known], labels[known]
    _, place, sizes = np.unique(owner, return_inverse=True, return_counts=True)
    eligible = np.flatnonzero(sizes[place] >= 2)
    most = max(1, most_scores // len(known))
    queries = eligible if len(eligible) <= most else eligible[distinct(len(eligible), most, rng)]
    recall, precision = np.zeros(len(queries)), np.zeros(len(queries))
    rows = max(1, _BLOCK_SCORES // len(known))
    for begin in range(0, len(queries), rows):
        block = queries[begin : begin + rows]
        scores = np.array(scorer.score_matrix(candidates[block], candidates))  # [rows, n]
        relevant = owner[block][:, None] == owner[None]  # [rows, n]
        itself = (np.arange(len(block)), block)
        scores[itself], relevant[itself] = -np.inf, False
        recall[begin : begin + rows] = recall_at_1(scores, relevant)
        precision[begin : begin + rows] = map_at_r(scores, relevant)
    return Retrieval(owner[queries], recall, precision, len(eligible), len(known))
