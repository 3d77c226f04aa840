"""Maps rise and tell likelihood ratios; the best one is chosen on people it was not fitted on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from populations import independent, people
from twinlens.calibration.maps import Name, best_map, fit_map
from twinlens.errors import EvidenceError
from twinlens.functional.probability import cllr, min_cllr

NAMES: tuple[Name, ...] = ("logistic", "beta", "isotonic")


@pytest.mark.parametrize("name", NAMES)
@given(st.integers(0, 2**31), st.floats(-3, 3), st.floats(0.01, 100))
def test_a_map_rises(name: Name, seed: int, shift: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    same = rng.random(60) < 0.4
    same[:2] = True, False
    scores = scale * (rng.normal(size=60) + shift * same)
    found = fit_map(name, scores, same)
    llr = found.llr(np.linspace(scores.min() - 1, scores.max() + 1, 200))
    assert np.isfinite(llr).all()
    assert (np.diff(llr) >= -1e-9).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_map_gives_the_ratio_of_likelihoods(name: Name) -> None:
    """Two Gaussians a distance of 2 apart: the true log-likelihood ratio is 2 z."""
    rng = np.random.default_rng(0)
    genuine, impostors = rng.normal(1, 1, 20_000), rng.normal(-1, 1, 60_000)
    scores = np.concatenate([genuine, impostors])
    same = np.arange(len(scores)) < len(genuine)
    z = np.linspace(-1.5, 1.5, 13)
    found = fit_map(name, scores, same).llr(z)
    np.testing.assert_allclose(found, 2 * z, atol=0.25 if name == "isotonic" else 0.08)


def test_how_rare_matches_were_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    genuine, impostors = rng.normal(1, 1, 5_000), rng.normal(-1, 1, 5_000)
    once = np.concatenate([genuine, impostors])
    often = np.concatenate([genuine, np.tile(impostors, 10)])
    z = np.linspace(-2, 2, 9)
    a = fit_map("beta", once, np.arange(len(once)) < 5_000).llr(z)
    b = fit_map("beta", often, np.arange(len(often)) < 5_000).llr(z)
    np.testing.assert_allclose(a, b, atol=0.03)  # but for the targets, which count


def test_a_bent_ratio_takes_more_than_a_line() -> None:
    rng = np.random.default_rng(0)
    genuine = rng.gamma(1.0, 1.0, 3_000)  # a heavy tail on one side
    impostors = rng.normal(-2, 0.5, 3_000)
    compared = independent(genuine, impostors)
    found = best_map(compared)
    assert found.name != "logistic"
    llr = found.llr(compared.scores)
    line = fit_map("logistic", compared.scores, compared.same)
    assert cllr(llr, compared.same) < cllr(line.llr(compared.scores), compared.same)


def test_few_people_get_the_simplest_map() -> None:
    assert best_map(people(6, np.random.default_rng(0))).name == "logistic"


def test_on_new_people_the_cost_is_near_the_least() -> None:
    rng = np.random.default_rng(3)
    fitted, new = people(100, rng, dim=12), people(100, rng, dim=12)
    found = best_map(fitted)
    ratio = cllr(found.llr(new.scores), new.same) / min_cllr(new.scores, new.same)
    assert 1.0 <= ratio < 1.10


@pytest.mark.parametrize(
    ("scores", "same"),
    [([0.5] * 4, [1, 1, 0, 0]), ([0.1, 0.2], [1, 1]), ([0.1, 0.2], [0, 0])],
)
def test_what_cannot_be_fitted_is_refused(scores: list[float], same: list[int]) -> None:
    with pytest.raises(EvidenceError, match="scores that differ"):
        fit_map("logistic", np.array(scores), np.array(same, np.bool_))
