"""Scores relative to a cohort, against the formulas written out."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobs import Cosine, blobs
from twinlens.calibration.normalise import Cohort, Method, Normalised, draw_cohort
from twinlens.errors import BundleError
from twinlens.types import FloatArray

METHODS: tuple[Method, ...] = get_args(Method)
COHORT = blobs(30, 1, seed=9)[0]


def written_out(method: Method, a: FloatArray, b: FloatArray, cohort: FloatArray) -> float:
    """One normalised cosine, as the papers have it."""

    def deviations(side: FloatArray) -> float:
        scores = sorted((float(side @ member) for member in cohort), reverse=True)
        if method == "adaptive_s":
            scores = scores[: max(10, round(0.2 * len(scores)))]
        mean = sum(scores) / len(scores)
        spread = (sum((score - mean) ** 2 for score in scores) / len(scores)) ** 0.5
        return (float(a @ b) - mean) / spread

    sides = {"z": [a], "t": [b]}.get(method, [a, b])
    return sum(map(deviations, sides)) / len(sides)


@pytest.mark.parametrize("method", METHODS)
def test_scores_are_those_of_the_formula(method: Method) -> None:
    examples, _ = blobs(4, 3)
    scorer = Normalised(Cosine(), method, COHORT)
    measured = scorer.measured(examples)
    assert measured.shape == (12, examples.shape[1] + 2)
    found = scorer.score(measured[:6], measured[6:])
    pairs = zip(examples[:6], examples[6:], strict=True)
    expected = [written_out(method, a, b, COHORT) for a, b in pairs]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 2**31))
def test_every_pair_scores_the_same_alone_and_in_a_matrix(method: Method, seed: int) -> None:
    examples, _ = blobs(5, 2, seed=seed)
    scorer = Normalised(Cosine(), method, COHORT)
    measured = scorer.measured(examples)
    matrix = scorer.score_matrix(measured, measured)
    i, j = np.divmod(np.arange(100), 10)
    np.testing.assert_allclose(matrix.ravel(), scorer.score(measured[i], measured[j]), atol=1e-4)
    symmetric = np.allclose(matrix, matrix.T, atol=1e-4)
    assert symmetric == (method in ("s", "adaptive_s"))


def test_z_of_one_side_is_t_of_the_other() -> None:
    examples, _ = blobs(5, 2)
    z, t = (Normalised(Cosine(), method, COHORT) for method in ("z", "t"))
    measured = z.measured(examples)
    np.testing.assert_allclose(
        z.score_matrix(measured, measured), t.score_matrix(measured, measured).T
    )


def test_an_input_that_is_like_everybody_scores_lower() -> None:
    middle = COHORT.mean(axis=0)
    common = (middle / np.linalg.norm(middle)).astype(np.float32)
    rare = -common
    examples = np.stack([common, common, rare, rare])
    scorer = Normalised(Cosine(), "s", COHORT)
    measured = scorer.measured(examples)
    alike = scorer.score(measured[[0, 2]], measured[[1, 3]])  # both pairs have a cosine of 1
    assert alike[0] < alike[1]


def test_a_cohort_whose_scores_are_all_equal_divides_by_no_zero() -> None:
    examples, _ = blobs(3, 2)
    scorer = Normalised(Cosine(), "adaptive_s", np.repeat(COHORT[:1], 12, axis=0))
    assert np.isfinite(scorer.score(*np.split(scorer.measured(examples), 2))).all()


def test_a_cohort_has_as_many_identities_as_it_can() -> None:
    owners = np.repeat(np.arange(20), np.arange(1, 21))
    rng = np.random.default_rng(0)
    few = draw_cohort(owners, rng, most=20)
    assert sorted(owners[few]) == list(range(20))
    assert len(np.unique(owners[draw_cohort(owners, rng, most=7)])) == 7
    more = draw_cohort(owners, rng, most=39)  # 19 of the 20 have a second example
    assert np.bincount(owners[more]).tolist() == [1, *[2] * 19]
    everyone = draw_cohort(owners, rng, most=1000)
    assert everyone.tolist() == list(range(len(owners)))
    again = [draw_cohort(owners, np.random.default_rng(3), most=9).tolist() for _ in range(2)]
    assert again[0] == again[1]


def test_it_is_kept_and_another_is_refused() -> None:
    cohort = Cohort(COHORT, {"name": "people", "members": 30, "identity_hashes": []})
    of = cohort.normalisation("s")
    again = Cohort.from_bytes(cohort.to_bytes(), of, 8, where="m")
    np.testing.assert_array_equal(again.embeddings, COHORT)
    for data, word in (
        (Cohort(COHORT[::-1], {}).to_bytes(), "Got another"),
        (b"nothing", "must hold embeddings"),
        (cohort.to_bytes()[:-9], "must hold embeddings"),
    ):
        with pytest.raises(BundleError, match=word):
            Cohort.from_bytes(data, of, 8, where="m")
    with pytest.raises(BundleError, match="Got another"):
        Cohort.from_bytes(cohort.to_bytes(), of, 9, where="m")
