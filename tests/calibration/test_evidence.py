"""What a rate of errors is worth, against brute force and cases of which the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from populations import people
from twinlens.calibration.evidence import Dependence, ErrorEvidence
from twinlens.types import Compared, IntArray


def compared(left: IntArray, right: IntArray, units: int) -> Compared:
    count = len(left)
    return Compared(
        np.zeros(count), np.zeros(count, np.bool_), left, right, units, "identity", units
    )


def everyone(units: int, repeats: int = 1) -> Compared:
    left, right = np.triu_indices(units, 1)
    return compared(np.repeat(left, repeats), np.repeat(right, repeats), units)


def test_comparisons_of_their_own_units_count_in_full() -> None:
    own = np.arange(400)
    found = Dependence(compared(own, own, 400)).evidence(np.arange(20))
    assert found.rate == 0.05
    assert found.effective_trials == pytest.approx(400, rel=0.01)


@pytest.mark.parametrize("repeats", [1, 7])
def test_repeating_a_comparison_adds_no_evidence(repeats: int) -> None:
    own = np.repeat(np.arange(400), repeats)
    erring = np.flatnonzero(own < 20)
    found = Dependence(compared(own, own, 400)).evidence(erring)
    assert found.effective_trials == pytest.approx(400, rel=0.01)
    assert found.errors == 20 * repeats


def test_errors_of_one_person_count_as_one() -> None:
    """A wolf whom everyone is taken for: all the errors there are, and a single story."""
    every = everyone(50)
    erring = np.flatnonzero((every.left == 7) | (every.right == 7))
    found = Dependence(every).evidence(erring)
    assert found.rate * found.effective_trials < 1.1


def test_errors_of_scattered_pairs_count_half() -> None:
    """Each is an error of its own; the jackknife, which errs to the wide side, counts half."""
    every = everyone(200)
    scattered = np.random.default_rng(0).choice(len(every), 400, replace=False)
    found = Dependence(every).evidence(scattered)
    assert found.rate * found.effective_trials == pytest.approx(200, rel=0.15)


def test_the_variance_is_that_of_rates_over_drawn_people_or_wider() -> None:
    rng = np.random.default_rng(0)
    rates: list[float] = []
    variances: list[float] = []
    for _ in range(300):
        drawn = people(40, rng, examples=3)
        impostors = drawn.chosen(~drawn.same)
        found = Dependence(impostors).evidence(np.flatnonzero(impostors.scores > 0.5))
        rates.append(found.rate)
        variances.append(found.rate * (1 - found.rate) / found.effective_trials)
    assert 0.95 < np.mean(variances) / np.var(rates) < 2


@pytest.mark.parametrize("units", [2, 5, 40, 41])
def test_without_errors_all_comparisons_of_two_people_count_as_one(units: int) -> None:
    found = Dependence(everyone(units, repeats=3)).evidence(np.zeros(0, np.int64))
    pairs = units * (units - 1) // 2
    assert found.groups == found.effective_trials == pairs
    # exact binomial without errors, of half the evidence: 1 - 0.05^(2 / n)
    assert found.upper_bound(0.95) == pytest.approx(1 - 0.05 ** (2 / pairs))


def test_few_errors_promise_no_more_than_none() -> None:
    """One error among 19,000 comparisons of twenty people is no evidence of one in 19,000."""
    every = everyone(20, repeats=100)
    none = Dependence(every).evidence(np.zeros(0, np.int64))
    for errors in (1, 2, 5):
        found = Dependence(every).evidence(np.arange(errors))
        assert found.upper_bound(0.95) >= none.upper_bound(0.95)
        assert found.interval(0.95)[1] >= none.interval(0.95)[1]


def test_the_worst_person_is_counted_once_more() -> None:
    every = everyone(50)
    wolf = (every.left == 7) | (every.right == 7)
    found = Dependence(every).evidence(np.flatnonzero(wolf))
    rate = 49 / len(every)
    assert found.worst == pytest.approx(rate)  # without him nobody errs
    assert found.upper_bound(0.5) > rate + found.worst
    scattered = Dependence(every).evidence(np.arange(0, len(every), 25))
    assert scattered.rate == pytest.approx(rate)
    assert scattered.worst < found.worst / 5
    assert scattered.upper_bound(0.95) < found.upper_bound(0.95) / 2


def test_bounds_are_exact_binomial_ones() -> None:
    found = ErrorEvidence(10, 1000, groups=1000, effective_trials=200.0, worst=0.0)
    low, high = found.interval(0.95)
    expected = stats.binomtest(2, 200).proportion_ci(0.95, method="exact")
    assert (low, high) == pytest.approx((expected.low, expected.high))
    one_sided = stats.binomtest(1, 100, alternative="less").proportion_ci(0.95, method="exact")
    assert found.upper_bound(0.95) == pytest.approx(one_sided.high)


@given(st.integers(4, 12), st.integers(1, 4), st.integers(0, 2**31))
def test_evidence_is_at_most_the_comparisons_and_their_order_is_nothing(
    units: int, repeats: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    every = everyone(units, repeats)
    erring = np.flatnonzero(rng.random(len(every)) < 0.3)
    found = Dependence(every).evidence(erring)
    assert 0 < found.effective_trials <= found.trials
    order = rng.permutation(len(every))
    shuffled = compared(every.right[order], every.left[order], units)  # sides swapped, too
    place = np.argsort(order)
    again = Dependence(shuffled).evidence(place[erring])
    assert again.effective_trials == pytest.approx(found.effective_trials)
    assert found.upper_bound(0.99) >= found.upper_bound(0.9) >= min(found.rate, 1.0)
