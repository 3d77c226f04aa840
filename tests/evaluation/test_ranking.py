from __future__ import annotations

import numpy as np
import pytest

from twinlens.errors import DataError, EvidenceError
from twinlens.evaluation.ranking import evaluate_ranking


def lists(rng: np.random.Generator, *, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """60 questions of 6 candidates, every third without a right one."""
    question = np.repeat(np.arange(60), 6)
    right = (np.arange(360) % 6 == 0) & (question % 3 > 0)
    return right + noise * rng.normal(size=360), right, question


def test_a_perfect_order() -> None:
    figures = evaluate_ranking(*lists(np.random.default_rng(0), noise=0.01))
    assert (figures.questions, figures.unanswered) == (40, 20)
    for name in ("map", "mrr", "accuracy_at_1", "answerable_auc"):
        assert figures.metrics[name].value == pytest.approx(1)
        assert figures.metrics[name].low < 1
    assert "question" in figures.metrics["map"].method


def test_a_better_order_has_higher_figures() -> None:
    rng = np.random.default_rng(1)
    good = evaluate_ranking(*lists(rng, noise=0.6)).metrics
    poor = evaluate_ranking(*lists(rng, noise=3.0)).metrics
    for name, figure in good.items():
        assert figure.value > poor[name].value
        assert figure.low < figure.value < figure.high


def test_without_unanswered_questions_there_is_no_figure_of_them() -> None:
    figures = evaluate_ranking(np.array([1.0, 0]), np.array([True, False]), np.zeros(2, np.int64))
    assert "answerable_auc" not in figures.metrics


def test_what_cannot_be_evaluated() -> None:
    nothing = np.zeros(3, np.bool_)
    with pytest.raises(EvidenceError, match="a right candidate"):
        evaluate_ranking(np.zeros(3), nothing, np.zeros(3, np.int64))
    with pytest.raises(DataError, match="finite"):
        evaluate_ranking(np.full(3, np.nan), ~nothing, np.zeros(3, np.int64))
