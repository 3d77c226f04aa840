from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from twinlens.evaluation import verification
from twinlens.evaluation.bootstrap import clopper_pearson, draws, interval, mean_interval
from twinlens.evaluation.verification import Compared, verification_metrics
from twinlens.functional.metrics import ScoreOrder


def test_every_draw_has_as_many_as_there_are() -> None:
    drawn = np.array(list(draws(7, np.random.default_rng(0), 300)))
    assert drawn.shape == (300, 7)
    assert (drawn.sum(axis=1) == 7).all()
    assert drawn.mean() == pytest.approx(1)


@pytest.mark.parametrize(("hits", "trials"), [(0, 5), (3, 10), (10, 10), (1, 200)])
def test_clopper_pearson_agrees_with_scipy(hits: int, trials: int) -> None:
    expected = binomtest(hits, trials).proportion_ci(0.95, "exact")
    assert clopper_pearson(hits / trials, trials) == pytest.approx((expected.low, expected.high))


def test_no_error_seen_does_not_promise_none() -> None:
    found = interval(1.0, np.ones(1000), 30)
    assert found.high == 1.0
    assert found.low == pytest.approx(1 - 3.69 / 30, abs=0.01)  # -ln 0.025 = 3.69
    assert "Clopper-Pearson over 30" in found.method


def test_a_rare_error_promises_no_more_than_none_at_all() -> None:
    values = np.ones(400)
    values[0] = 0
    found = mean_interval(values, np.repeat(np.arange(20), 20), np.random.default_rng(0))
    assert found.low <= interval(1.0, np.ones(10), 20).low


def test_few_identities_widen() -> None:
    resampled = np.linspace(0.6, 0.8, 100)
    assert interval(0.7, resampled, 4).low < 0.6 < interval(0.7, resampled, 40).low
    assert interval(0.7, resampled, 40).method == "identity bootstrap"


@given(
    st.floats(0, 1),
    st.lists(st.floats(0, 1), max_size=20),
    st.integers(1, 50),
)
def test_the_interval_holds_its_value(value: float, resampled: list[float], units: int) -> None:
    found = interval(value, np.array(resampled), units)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_repeated_measurements_of_one_identity_add_no_certainty() -> None:
    rng = np.random.default_rng(0)
    rates = rng.beta(6, 2, size=30)
    few = mean_interval(rates, np.arange(30), np.random.default_rng(1))
    many = mean_interval(np.repeat(rates, 100), np.repeat(np.arange(30), 100), rng)
    assert many.high - many.low == pytest.approx(few.high - few.low, rel=0.15)


def test_the_mean_is_covered_at_about_the_nominal_rate() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(150):
        rates = rng.beta(4, 2, size=40)
        values = (rng.random((40, 10)) < rates[:, None]).astype(float)
        found = mean_interval(values.ravel(), np.repeat(np.arange(40), 10), rng)
        covered += found.low <= 4 / 6 <= found.high
    assert 0.89 <= covered / 150 <= 0.99


def test_roc_auc_is_covered_in_the_face_of_identity_effects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verification, "RESAMPLES", 200)
    rng = np.random.default_rng(0)
    identities, repeats, runs = 30, 6, 100
    low, high = np.triu_indices(identities, 1)
    left = np.concatenate([np.repeat(np.arange(identities), repeats), low])
    right = np.concatenate([np.repeat(np.arange(identities), repeats), high])
    same = left == right
    covered = naive = banded = 0
    # genuine: N(1.5, 1 + 0.25); impostor: N(0, 2 · 0.25 + 1), identity effects in both
    truth = norm.cdf(1.5 / np.sqrt(1.25 + 1.5))
    for _ in range(runs):
        own, shared = rng.normal(size=identities), 0.5 * rng.normal(size=identities)
        effect = np.where(same, 1.5 + own[left], shared[left] + shared[right])
        scores = effect + np.where(same, 0.5, 1.0) * rng.normal(size=len(left))
        order = ScoreOrder.of(scores, same)
        for kind in ("identity", "none"):
            units = (left, right) if kind == "identity" else (np.arange(len(left)),) * 2
            compared = Compared(scores, same, *units, units[0].max() + 1, kind, identities)
            metrics, _, band = verification_metrics(compared, order, rng)
            found = metrics["roc_auc"]
            place = int(np.searchsorted(band.fmr, 0.1))
            accepted_from = np.sqrt(1.5) * norm.isf(band.fmr[place])
            missed = norm.cdf((accepted_from - 1.5) / np.sqrt(1.25))
            banded += kind == "identity" and band.low[place] <= missed <= band.high[place]
            hit = found.low <= truth <= found.high
            covered += hit and kind == "identity"
            naive += hit and kind == "none"
    assert 0.87 <= covered / runs <= 1.0
    assert 0.87 <= banded / runs <= 1.0
    assert naive < covered - 10  # resampling comparisons promises too much
