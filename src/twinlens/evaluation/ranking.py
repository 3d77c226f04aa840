"""How well candidates are ranked: figures by question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twinlens.errors import DataError, EvidenceError
from twinlens.evaluation.bootstrap import draws, interval, mean_interval
from twinlens.functional.metrics import roc_auc
from twinlens.functional.ranking import rank_lists
from twinlens.types import BoolArray, FloatArray, IntArray, Interval

UNIT = "question"
LIST = 3
"""Candidates of a question, on average, from which given pairs are taken for lists of them."""


@dataclass(frozen=True, slots=True)
class RankingFigures:
    """How well the candidates of questions are ranked.

    Attributes:
        questions: with a right candidate; only these count in what follows.
        unanswered: questions without one.
        metrics: "map", "mrr", "accuracy_at_1"; and "answerable_auc", where there are unanswered
            questions: how well the best score tells the two kinds of question apart.
    """

    questions: int
    unanswered: int
    metrics: Mapping[str, Interval]


def are_lists(left: IntArray) -> bool:
    """Whether given pairs are questions with their candidates. [n] left example of each.

    >>> are_lists(np.array([0, 0, 0, 1, 1, 1])), are_lists(np.array([0, 0, 1]))
    (True, False)
    """
    return len(left) >= LIST * len(np.unique(left))


def evaluate_ranking(
    scores: FloatArray, right: BoolArray, question: IntArray, *, seed: int = 0
) -> RankingFigures:
    """MAP, MRR and accuracy of the first, with intervals that resample questions.

    Args:
        scores: [n] of candidates, larger = better.
        right: [n] whether a candidate is right.
        question: [n] number of the question that it is of.
        seed: of the bootstrap.

    Raises:
        DataError: a score is not finite.
        EvidenceError: no question has a right candidate.
    """
    if not np.isfinite(scores).all():
        raise DataError("Scores must be finite. Got NaN or infinity. Look at the model.")
    found = rank_lists(scores, right, question)
    numbers, owner = np.unique(question, return_inverse=True)
    if not len(found.question):
        raise EvidenceError(
            f"A ranking needs a question with a right candidate. Got none in {len(numbers)}. "
            "Mark the right ones."
        )
    rng = np.random.default_rng(seed)
    metrics = {
        "map": mean_interval(found.average_precision, found.question, rng, unit=UNIT),
        "mrr": mean_interval(found.reciprocal_rank, found.question, rng, unit=UNIT),
        "accuracy_at_1": mean_interval(found.first, found.question, rng, unit=UNIT),
    }
    unanswered = len(numbers) - len(found.question)
    if unanswered:
        best = np.full(len(numbers), -np.inf)
        np.maximum.at(best, owner, scores)
        answered = np.bincount(owner, right, minlength=len(numbers)) > 0
        metrics["answerable_auc"] = _auc_interval(best, answered, rng)
    return RankingFigures(len(found.question), unanswered, metrics)


def _auc_interval(best: FloatArray, answered: BoolArray, rng: np.random.Generator) -> Interval:
    value = roc_auc(best, answered)
    resampled = [
        roc_auc(best, answered, drawn)
        for drawn in draws(len(best), rng)
        if drawn[answered].any() and drawn[~answered].any()
    ]
    return interval(value, np.array(resampled), len(best), unit=UNIT)
