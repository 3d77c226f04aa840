"""Decisions: same, different or unsure, with the reason; and back from JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from populations import people
from twinlens.calibration import Calibration, Costs, Question, Scale, combined
from twinlens.errors import BundleError, ConfigError, EvidenceError

MARK = "0123456789abcdef"


def calibration(
    *fmrs: float, fnmrs: tuple[float, ...] = (), count: int = 100, prior: float = 0.5, dim: int = 24
) -> Calibration:
    compared = people(count, np.random.default_rng(0), examples=3, dim=dim)
    scale = Scale.fit(compared, references=1, fmrs=fmrs, fnmrs=fnmrs, confidence=0.95)
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
    assert two.decide(loose.threshold, Question(fmr=0.2)).same is True


def test_below_a_threshold_the_likelier_answer_is_not_denied(two: Calibration) -> None:
    lowest = two.scale().points[0].threshold
    below = math.nextafter(lowest, -1)
    for prior in (0.001, 0.999):
        answer = two.decide(below, Question(prior))
        assert answer.same is (False if answer.probability <= 0.5 else None)
    assert two.decide(below, Question(0.999)).same is None
    assert two.decide(below, Question(0.001)).same is False


@pytest.fixture(scope="module")
def hard() -> Calibration:
    """Of people who are hard to tell apart, with a promise for each answer."""
    return calibration(0.05, fnmrs=(0.1, 0.2), count=200, dim=6)


def test_different_is_answered_below_its_own_promise_only(hard: Calibration) -> None:
    (same,) = hard.scale().points
    strict, loose = hard.scale().rejections
    assert (strict.fnmr, loose.fnmr) == (0.1, 0.2)
    assert strict.threshold < loose.threshold < same.threshold
    scores = [math.nextafter(strict.threshold, -1), strict.threshold, same.threshold]
    answers = [hard.decide(score, Question(0.1)) for score in scores]
    assert [answer.word for answer in answers] == ["different", "unsure", "same"]
    assert (answers[0].fnmr, answers[0].fmr, answers[0].threshold) == (0.1, None, strict.threshold)
    assert (answers[2].fnmr, answers[2].fmr) == (None, 0.05)
    assert "at most 0.1 of comparisons of the same" in answers[0].why
    assert "false non-match rate 0.1" in answers[1].why
    assert "false match rate 0.05" in answers[1].why
    between = (strict.threshold + loose.threshold) / 2
    assert hard.decide(between, Question(0.01)).same is None
    assert hard.decide(between, Question(0.01, fnmr=0.2)).same is False
    with pytest.raises(ConfigError, match=r"--fnmr.*0\.1, 0\.2\. Got 0\.3"):
        hard.decide(between, Question(fnmr=0.3))


def test_promises_for_both_answers_share_the_confidence(hard: Calibration) -> None:
    points = [*hard.scale().points, *hard.scale().rejections]
    assert [point.confidence for point in points] == pytest.approx([1 - 0.05 / 3] * 3)


def test_without_its_promise_different_is_never_answered() -> None:
    refused = calibration(0.2, fnmrs=(0.0001,))
    (refusal,) = refused.scale().refusals
    assert refusal.error == "false non-match"
    answer = refused.decide(-1.0)
    assert answer.same is None
    assert "false non-match rate of 0.0001 cannot be promised" in answer.why
    assert refused.decide(1.0).same is True
    with pytest.raises(ConfigError, match="more identities"):
        refused.decide(-1.0, Question(fnmr=0.0001))
    only = calibration(0.0001, fnmrs=(0.2,))
    assert [only.decide(score).same for score in (-1.0, 1.0)] == [False, None]
    assert "false match rate of 0.0001" in only.decide(1.0).why


def test_where_both_promises_overlap_nothing_is_left_between_them() -> None:
    easy = calibration(0.2, fnmrs=(0.3,))
    (same,), (different,) = easy.scale().points, easy.scale().rejections
    assert same.threshold < different.threshold
    for prior in (0.001, 0.5, 0.999):
        assert easy.decide(same.threshold, Question(prior)).same is True
        below = easy.decide(math.nextafter(same.threshold, -1), Question(prior))
        assert below.same is (False if below.probability <= 0.5 else None)


def test_many_scores_are_answered_as_one_is(two: Calibration, hard: Calibration) -> None:
    scores = np.linspace(-1, 1, 201)
    questions = (
        None,
        Question(0.05),
        Question(costs=Costs(false_match=10, review=0.4)),
        Question(costs=Costs(false_non_match=3)),
    )
    for found in (two, hard):
        for question in questions:
            answers = found.answers(scores, question)
            singly = [found.decide(score, question) for score in scores.tolist()]
            assert answers.words() == [decision.word for decision in singly]
            np.testing.assert_array_equal(
                answers.probability, [decision.probability for decision in singly]
            )


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
        few.decide(1.0, Question(fmr=0.001))
    assert few.decide(1.0, Question(costs=Costs())).same is True  # costs can still decide


def test_a_rate_that_was_not_asked_for_is_named(two: Calibration) -> None:
    with pytest.raises(ConfigError, match=r"0\.2, 0\.05\. Got 0\.01"):
        two.decide(0.5, Question(fmr=0.01))


def test_the_prior_shifts_the_log_odds(two: Calibration) -> None:
    def odds(prior: float) -> float:
        p = two.decide(0.3, Question(prior)).probability
        return math.log(p / (1 - p))

    assert odds(0.1) - odds(0.5) == pytest.approx(math.log(0.1 / 0.9))
    for wrong in (0.0, 1.0, -1.0, math.nan):
        with pytest.raises(ConfigError, match="prior"):
            Question(wrong)


def test_costs_decide_by_expectation(two: Calibration) -> None:
    scores = np.linspace(-0.5, 1, 400)
    probabilities = two.answers(scores).probability
    costs = Costs(false_match=10, false_non_match=1, review=0.5)
    for score, p in zip(scores.tolist(), probabilities.tolist(), strict=True):
        expected = {True: (1 - p) * 10, False: p, None: 0.5}
        answer = two.decide(score, Question(costs=costs))
        assert expected[answer.same] == min(expected.values())
    answers = {two.decide(score, Question(costs=costs)).same for score in scores.tolist()}
    assert answers == {True, False, None}
    assert two.decide(0.3, Question(costs=Costs())).same is not None  # no review, no doubt
    with pytest.raises(ConfigError, match="above 0"):
        Costs(false_match=0)


def test_it_comes_back_from_json(two: Calibration, hard: Calibration) -> None:
    kept = json.loads(json.dumps(hard.to_dict()))
    assert Calibration.from_dict(kept).decide(-1.0) == hard.decide(-1.0)
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
