"""Decisions: same, different or unsure, with the reason; and back from JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from populations import people
from twinlens.calibration import Calibration, Costs, Scale, combined
from twinlens.errors import BundleError, ConfigError, EvidenceError

MARK = "0123456789abcdef"


def calibration(*fmrs: float, count: int = 100, prior: float = 0.5) -> Calibration:
    compared = people(count, np.random.default_rng(0), examples=3)
    scale = Scale.fit(compared, references=1, fmrs=fmrs, confidence=0.95)
    return Calibration(MARK, (scale,), "mean", prior, 0.95, {"name": "people"})


@pytest.fixture(scope="module")
def two() -> Calibration:
    return calibration(0.05, 0.2)


def test_two_operating_points_leave_a_zone_between_them(two: Calibration) -> None:
    loose, strict = two.scale().points
    assert (loose.fmr, strict.fmr) == (0.2, 0.05)
    assert loose.threshold < strict.threshold
    answers = [two.decide(score) for score in (-1.0, loose.threshold, strict.threshold, 1.0)]
    assert [answer.same for answer in answers] == [False, None, True, True]
    assert [answer.word for answer in answers] == ["different", "unsure", "same", "same"]
    assert answers[3].fmr == 0.05
    assert "false match" in answers[1].why
    assert two.decide(loose.threshold, fmr=0.2).same is True


def test_below_a_threshold_the_likelier_answer_is_not_denied(two: Calibration) -> None:
    lowest = two.scale().points[0].threshold
    below = math.nextafter(lowest, -1)
    for prior in (0.001, 0.999):
        answer = two.decide(below, prior=prior)
        assert answer.same is (False if answer.probability <= 0.5 else None)
    assert two.decide(below, prior=0.999).same is None
    assert two.decide(below, prior=0.001).same is False


def test_two_promises_share_the_confidence(two: Calibration) -> None:
    assert [point.confidence for point in two.scale().points] == pytest.approx([0.975, 0.975])
    alone = calibration(0.05).scale().points[0]
    assert alone.confidence == pytest.approx(0.95)
    assert alone.threshold <= two.scale().points[1].threshold


def test_what_cannot_be_promised_makes_no_decision() -> None:
    few = calibration(0.001, count=6)
    answer = few.decide(1.0)
    assert answer.same is None
    assert answer.probability > 0.5
    assert "more identities" in answer.why
    with pytest.raises(ConfigError, match="more identities"):
        few.decide(1.0, fmr=0.001)
    assert few.decide(1.0, costs=Costs()).same is True  # costs can still decide


def test_a_rate_that_was_not_asked_for_is_named(two: Calibration) -> None:
    with pytest.raises(ConfigError, match=r"0\.2, 0\.05\. Got 0\.01"):
        two.decide(0.5, fmr=0.01)


def test_the_prior_shifts_the_log_odds(two: Calibration) -> None:
    def odds(prior: float) -> float:
        p = two.decide(0.3, prior=prior).probability
        return math.log(p / (1 - p))

    assert odds(0.1) - odds(0.5) == pytest.approx(math.log(0.1 / 0.9))
    for wrong in (0.0, 1.0, -1.0, math.nan):
        with pytest.raises(ConfigError, match="prior"):
            two.decide(0.3, prior=wrong)


def test_costs_decide_by_expectation(two: Calibration) -> None:
    scores = np.linspace(-0.5, 1, 400)
    probabilities = two.probability(scores)
    costs = Costs(false_match=10, false_non_match=1, review=0.5)
    for score, p in zip(scores.tolist(), probabilities.tolist(), strict=True):
        expected = {True: (1 - p) * 10, False: p, None: 0.5}
        answer = two.decide(score, costs=costs)
        assert expected[answer.same] == min(expected.values())
    answers = {two.decide(score, costs=costs).same for score in scores.tolist()}
    assert answers == {True, False, None}
    assert two.decide(0.3, costs=Costs()).same is not None  # no review, no doubt
    with pytest.raises(ConfigError, match="above 0"):
        Costs(false_match=0)


def test_it_comes_back_from_json(two: Calibration) -> None:
    again = Calibration.from_dict(json.loads(json.dumps(two.to_dict())))
    for score in (-0.2, 0.1, 0.4, 0.9):
        assert again.decide(score) == two.decide(score)
    refused = calibration(0.001, count=6)
    assert Calibration.from_dict(json.loads(json.dumps(refused.to_dict()))).scale().refusals


@pytest.mark.parametrize("table", [{}, {"scales": 3}, {"scales": [], "earlier": [], "more": 1}])
def test_what_is_no_calibration_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(BundleError, match="Calibrate again"):
        Calibration.from_dict(table)


def test_a_number_of_references_that_was_not_calibrated(two: Calibration) -> None:
    assert two.scale(7).references == 1
    with pytest.raises(EvidenceError, match="0 references"):
        two.scale(0)


def test_references_are_combined_as_the_calibration_says() -> None:
    scores = np.array([[0.0, 0.3, 0.9], [0.5, 0.5, 0.5]])
    mutual = np.array([0.1, 0.6])
    np.testing.assert_allclose(combined(scores, "mean", mutual), [0.4, 0.5])
    np.testing.assert_allclose(combined(scores, "max", mutual), [0.9, 0.5])
    np.testing.assert_allclose(combined(scores, "median", mutual), [0.3, 0.5])
    np.testing.assert_allclose(combined(scores, "relative", mutual), [0.3, -0.1])
    np.testing.assert_allclose(combined(scores[:, :1], "relative", mutual), [0.0, 0.5])
