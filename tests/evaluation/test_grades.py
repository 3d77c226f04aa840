"""Correlations with grades, and how often the likelier answer is right."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from twinlens.calibration import Calibration, Scale
from twinlens.evaluation.grades import correlations
from twinlens.evaluation.suite import evaluate_pairs, linked


def graded(noise: float, count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    grades = rng.integers(0, 6, count) / 5
    return grades + noise * rng.normal(size=count), grades


def test_against_an_oracle() -> None:
    scores, grades = graded(0.3)
    found = correlations(scores, grades, np.arange(200), np.random.default_rng(0))
    assert found["pearson"].value == pytest.approx(np.corrcoef(scores, grades)[0, 1])
    expected = stats.spearmanr(scores, grades)[0]
    assert found["spearman"].value == pytest.approx(expected)
    for figure in found.values():
        assert figure.low < figure.value < figure.high
        assert 0.02 < figure.high - figure.low < 0.2


def test_fewer_independent_parts_make_a_wider_interval() -> None:
    scores, grades = graded(0.3)
    rng = np.random.default_rng(0)
    alone = correlations(scores, grades, np.arange(200), rng)["pearson"]
    in_twenties = correlations(scores, grades, np.argsort(np.argsort(grades)) // 20, rng)["pearson"]
    assert in_twenties.high - in_twenties.low > alone.high - alone.low


def test_what_does_not_vary_has_no_correlation() -> None:
    nothing = np.zeros(10)
    rng = np.random.default_rng(0)
    assert correlations(nothing, np.arange(10.0), np.arange(10), rng) == {}


def test_pairs_with_grades_and_a_calibration_have_all_figures() -> None:
    scores, grades = graded(0.2, 400)
    left, right = np.arange(400), np.arange(400, 800)
    same = grades >= 0.8
    fitted = linked(scores, same, left, right)
    scale = Scale.fit(fitted, references=1, fmrs=(0.1,), confidence=0.95)
    calibration = Calibration(
        fingerprint="0" * 16, scales=(scale,), combine="mean", prior=0.5, confidence=0.95, data={}
    )
    found = evaluate_pairs(scores, same, left, right, grades=grades, calibration=calibration)
    assert {"accuracy", "f1", "pearson", "spearman"} <= found.metrics.keys()
    assert 0.8 < found.metrics["accuracy"].value < 1
    assert 0.7 < found.metrics["f1"].value < 1
    turned = evaluate_pairs(-scores, same, left, right, grades=grades, calibration=calibration)
    assert turned.metrics["accuracy"].value < found.metrics["accuracy"].value
    assert turned.metrics["pearson"].value < 0
