"""Measures of probabilities, against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinlens.functional.probability import (
    balanced_weights,
    brier_score,
    cllr,
    expected_calibration_error,
    min_cllr,
    probability,
)


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=20), st.data())
def test_cllr_is_the_mean_cost_of_both_kinds(values: list[float], data: st.DataObject) -> None:
    llr = np.array(values)
    same = np.array(data.draw(st.lists(st.booleans(), min_size=len(llr), max_size=len(llr))))
    same[:2] = True, False
    genuine = [math.log2(1 + math.exp(-x)) for x in llr[same]]
    impostor = [math.log2(1 + math.exp(x)) for x in llr[~same]]
    expected = (sum(genuine) / len(genuine) + sum(impostor) / len(impostor)) / 2
    assert cllr(llr, same) == pytest.approx(expected)
    assert min_cllr(llr, same) <= cllr(llr, same) + 1e-9


def test_min_cllr_knows_the_extremes() -> None:
    same = np.array([True, True, False, False])
    assert min_cllr(np.array([4.0, 3.0, 2.0, 1.0]), same) == pytest.approx(0, abs=1e-9)
    assert min_cllr(np.zeros(4), same) == pytest.approx(1)
    assert min_cllr(np.array([1.0, 2.0, 3.0, 4.0]), same) == pytest.approx(1)  # worse than nothing


def test_where_scores_lie_apart_min_cllr_is_0_and_no_rounding_error() -> None:
    """In single precision, too, as a network's scores are."""
    rng = np.random.default_rng(0)
    same = np.arange(79_800) < 3800
    scores = (rng.random(len(same)) + same).astype(np.float32)
    assert scores[same].min() > scores[~same].max()
    assert min_cllr(scores, same) == 0
    scores[0] = scores[-1]  # as high as one impostor
    assert min_cllr(scores, same) > 1e-6


def test_probabilities_follow_bayes() -> None:
    """A score ten times likelier for the same, where one in a hundred is: 10 / (10 + 99)."""
    found = probability(np.array([math.log(10)]), 0.01)
    assert found[0] == pytest.approx(10 / 109)


def test_a_calibrated_forecast_has_no_calibration_error() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(200_000)
    same = rng.random(len(p)) < p
    weights = np.full(len(p), 1 / len(p))
    assert expected_calibration_error(p, same, weights) < 0.01
    assert expected_calibration_error(np.sqrt(p), same, weights) > 0.1
    assert brier_score(p, same, weights) == pytest.approx(1 / 6, abs=0.003)  # E[p (1 - p)]


def test_weights_carry_the_prior() -> None:
    same = np.array([True, False, False, False])
    weights = balanced_weights(same, 0.2)
    assert weights.sum() == pytest.approx(1)
    assert weights[same].sum() == pytest.approx(0.2)
    # a forecast of the prior is calibrated, whatever was compared
    assert expected_calibration_error(np.full(4, 0.2), same, weights) == pytest.approx(0)
