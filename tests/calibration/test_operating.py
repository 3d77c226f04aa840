"""Promises hold on new people, and what cannot be promised is refused."""

from __future__ import annotations

import numpy as np
import pytest

from populations import independent, people, wolves
from twinlens.calibration import OperatingPoint, Refusal, RejectionPoint
from twinlens.calibration.operating import Thresholds
from twinlens.errors import DataError
from twinlens.types import Compared


def promise(compared: Compared, fmr: float, confidence: float = 0.95) -> OperatingPoint:
    found = Thresholds(compared).operating_point(fmr, confidence)
    assert isinstance(found, OperatingPoint)
    return found


def refusal(compared: Compared, fmr: float) -> Refusal:
    found = Thresholds(compared).operating_point(fmr, 0.95)
    assert isinstance(found, Refusal)
    return found


def test_promises_hold_on_people_never_seen() -> None:
    rng = np.random.default_rng(0)
    held: list[bool] = []
    for _ in range(150):
        point = promise(people(60, rng, examples=3), 0.05)
        new = people(60, rng, examples=3)
        held.append(float(np.mean(new.scores[~new.same] >= point.threshold)) <= 0.05)
    # 150 draws of 0.95 fall below 0.90 once in two hundred times
    assert np.mean(held) >= 0.90


@pytest.mark.parametrize(("count", "fmr"), [(40, 0.05), (100, 0.01)])
def test_promises_hold_where_a_few_people_make_most_of_the_errors(count: int, fmr: float) -> None:
    """And are made: a refusal whenever such a person is seen would leave those that break."""
    rng = np.random.default_rng(4)
    held: list[bool] = []
    for _ in range(150):
        point = promise(wolves(count, rng), fmr)
        new = wolves(count, rng)
        held.append(float(np.mean(new.scores[~new.same] >= point.threshold)) <= fmr)
    assert np.mean(held) >= 0.90  # as above


def test_a_promise_is_not_paid_too_dearly() -> None:
    rng = np.random.default_rng(1)
    many = people(150, rng, examples=3)
    point = promise(many, 0.05)
    assert point.bound <= 0.05
    assert 0.6 * 0.05 < point.measured < 0.05


def test_few_people_can_promise_little() -> None:
    found = refusal(people(5, np.random.default_rng(0)), 0.001)
    assert found.smallest_rate > 0.1
    assert found.identities == 5
    assert found.identities_needed > 100
    assert "more identities" in str(found)


def test_what_a_refusal_asks_for_is_about_enough() -> None:
    rng = np.random.default_rng(2)
    found = refusal(people(25, rng, examples=2), 0.01)
    assert found.smallest_rate > 0.01
    assert 25 < found.identities_needed < 2000
    assert found.comparisons_needed > found.comparisons
    enough = people(min(2 * found.identities_needed, 500), rng, examples=2)
    assert promise(enough, 0.01).bound <= 0.01
    smallest = found.smallest_rate * 1.01  # what it says it can promise, it can
    assert promise(people(25, np.random.default_rng(2), examples=2), smallest).bound <= smallest


def test_without_any_error_the_rule_of_3_holds() -> None:
    """Rule of 3, of half the evidence: 1 - 0.05^(2/n) <= 0.01 from n = 597 on."""
    genuine = np.linspace(2, 3, 50)
    enough = independent(genuine, np.zeros(597))
    few = independent(genuine, np.zeros(596))
    point = promise(enough, 0.01)
    assert point.measured == 0.0
    assert point.threshold > 0.0
    assert point.fnmr.value == 0.0 and point.fnmr.high > 0.0
    assert isinstance(Thresholds(few).operating_point(0.01, 0.95), Refusal)


def test_a_stricter_promise_has_a_higher_threshold() -> None:
    compared = people(120, np.random.default_rng(3), examples=3)
    points = [promise(compared, fmr) for fmr in (0.2, 0.1, 0.05, 0.02)]
    thresholds = [point.threshold for point in points]
    assert thresholds == sorted(thresholds)
    assert [p.fnmr.value for p in points] == sorted(p.fnmr.value for p in points)
    assert promise(compared, 0.05, 0.99).threshold >= promise(compared, 0.05, 0.9).threshold


def test_equal_scores_are_accepted_or_refused_together() -> None:
    rng = np.random.default_rng(0)
    impostors = rng.integers(0, 4, 4000).astype(np.float64)  # a quarter on each of four scores
    genuine = np.repeat([1.0, 2.5, 9.0], 50)
    compared = independent(genuine, impostors)
    point = promise(compared, 0.3)
    assert np.mean(impostors >= point.threshold) == point.measured == np.mean(impostors == 3)
    assert point.threshold == 2.5
    assert point.fnmr.value == pytest.approx(1 / 3)  # a genuine score at it is accepted


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(DataError, match="finite"):
        Thresholds(independent(np.array([1.0, np.nan]), np.zeros(3)))


def rejection(compared: Compared, fnmr: float) -> RejectionPoint:
    found = Thresholds(compared).rejection_point(fnmr, 0.95)
    assert isinstance(found, RejectionPoint)
    return found


def test_promises_for_different_hold_on_people_never_seen() -> None:
    rng = np.random.default_rng(10)
    held: list[bool] = []
    for _ in range(150):
        point = rejection(people(60, rng, examples=3), 0.2)
        new = people(60, rng, examples=3)
        held.append(float(np.mean(new.scores[new.same] < point.threshold)) <= 0.2)
    assert np.mean(held) >= 0.90  # as above


def test_a_promise_for_different_is_not_paid_too_dearly() -> None:
    point = rejection(people(300, np.random.default_rng(11), examples=3), 0.1)
    assert point.bound <= 0.1
    assert 0.5 * 0.1 < point.measured < 0.1
    assert point.identities == 300
    assert point.comparisons == 900


def test_both_promises_mirror_one_another() -> None:
    rng = np.random.default_rng(12)
    genuine, impostors = rng.normal(1, 1, 700), rng.normal(-1, 1, 1500)
    there, mirrored = independent(genuine, impostors), independent(-impostors, -genuine)
    for rate in (0.3, 0.05, 0.01):
        one = Thresholds(there).operating_point(rate, 0.95)
        other = Thresholds(mirrored).rejection_point(rate, 0.95)
        assert isinstance(one, OperatingPoint) and isinstance(other, RejectionPoint)
        assert one.threshold == pytest.approx(-other.threshold)
        assert (one.bound, one.measured) == (other.bound, other.measured)
        assert one.fnmr.value == pytest.approx(other.fmr.value, abs=2e-3)


def test_few_people_can_promise_little_for_different() -> None:
    found = Thresholds(people(8, np.random.default_rng(0))).rejection_point(0.01, 0.95)
    assert isinstance(found, Refusal)
    assert found.error == "false non-match"
    assert (found.identities, found.comparisons) == (8, 80)
    assert found.smallest_rate > 0.1
    assert found.identities_needed > 100
    assert "false non-match rate of 0.01" in str(found) and "80 genuine" in str(found)
    # genuine comparisons grow with the identities, not with their square
    assert found.comparisons_needed == pytest.approx(10 * found.identities_needed, rel=0.02)


def test_without_any_error_the_lowest_genuine_score_is_the_threshold() -> None:
    genuine = np.linspace(2, 3, 597)
    impostors = np.append(np.linspace(0, 1.9, 49), 2.0)
    point = rejection(independent(genuine, impostors), 0.01)
    assert point.measured == 0.0
    assert point.threshold == 2.0  # a score at it is not below it
    assert point.fmr.value == 1 / 50  # and so an impostor's is accepted
