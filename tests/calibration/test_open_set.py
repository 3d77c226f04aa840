"""Thresholds for "nobody": small cases by hand, and promises that come true on made-up people."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from twinlens.calibration import IdentificationPoint, IdentificationRefusal, OpenSet
from twinlens.calibration.open_set import from_pairs
from twinlens.calibration.operating import OperatingPoint
from twinlens.errors import EvidenceError
from twinlens.types import FloatArray, IntArray, Interval


def people(count: int, rng: np.random.Generator, *, examples: int = 4, dim: int = 24) -> FloatArray:
    """Embeddings [count, examples, dim] of people of whom some resemble many."""
    centres = rng.normal(size=(count, dim)) + rng.beta(1, 6, size=(count, 1)) * 1.5
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    spread = rng.uniform(0.4, 0.8, size=(count, 1, 1)) / np.sqrt(dim)
    found = centres[:, None] + spread * rng.normal(size=(count, examples, dim))
    return found / np.linalg.norm(found, axis=2, keepdims=True)


def best_scores(of: FloatArray, templates: int) -> tuple[FloatArray, IntArray]:
    """Best score of each probe with each person's templates, and whose the probe is."""
    probes = of[:, templates:].reshape(-1, of.shape[2])
    enrolled = of[:, :templates].reshape(-1, of.shape[2])
    best = (probes @ enrolled.T).reshape(len(probes), len(of), templates).max(axis=2)
    return best, np.repeat(np.arange(len(of)), of.shape[1] - templates)


def rate(strangers: FloatArray, enrolled: FloatArray, templates: int, threshold: float) -> float:
    """Share of strangers' first pictures that reach it with anybody."""
    scores = strangers[:, 0] @ enrolled[:, :templates].reshape(-1, enrolled.shape[2]).T
    return float(np.mean(scores.max(axis=1) >= threshold))


def fitted(count: int = 200, templates: int = 1, seed: int = 0) -> OpenSet:
    of = people(count, np.random.default_rng(seed))
    return OpenSet.fit(*best_scores(of, templates), templates=templates)


def test_the_rate_is_the_mean_over_all_galleries_of_a_size() -> None:
    rng = np.random.default_rng(3)
    best, owner = rng.normal(size=(12, 12)), np.arange(12)
    found = OpenSet.fit(best, owner, templates=1)
    assert [curve.size for curve in found.curves] == [1, 2, 5, 10, 11]
    for curve in found.curves:
        for threshold, rate in list(zip(found.thresholds, curve.rates, strict=True))[::5]:
            errors = [
                np.mean(
                    [
                        max(best[stranger, list(gallery)]) >= threshold
                        for gallery in itertools.combinations(
                            [other for other in range(12) if other != stranger], curve.size
                        )
                    ]
                )
                for stranger in range(12)
            ]
            assert rate == pytest.approx(np.mean(errors))


def test_rates_rise_with_the_gallery_and_fall_with_the_threshold() -> None:
    found = fitted()
    rates = np.array([curve.rates for curve in found.curves])
    assert (np.diff(rates, axis=0) >= -1e-12).all()
    assert (np.diff(rates, axis=1) >= -1e-12).all()
    assert (np.diff(found.thresholds) < 0).all()


@pytest.mark.parametrize(
    ("calibrated", "enrolled", "templates", "fpir"),
    [(200, 100, 1, 0.1), (150, 300, 1, 0.25), (120, 40, 2, 0.12)],
)
def test_the_promise_holds_on_strangers_and_galleries_never_seen(
    calibrated: int, enrolled: int, templates: int, fpir: float
) -> None:
    held: list[bool] = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        of = people(calibrated, rng)
        point = OpenSet.fit(*best_scores(of, templates), templates=templates).point(
            [templates] * enrolled, fpir, 0.95
        )
        if isinstance(point, IdentificationPoint):
            gallery, strangers = people(enrolled, rng), people(calibrated, rng)
            held.append(rate(strangers, gallery, templates, point.threshold) <= fpir)
    assert len(held) >= 20
    assert np.mean(held) >= 0.93  # 0.95 less what so few trials cannot tell


def test_the_promise_is_made_and_holds_where_a_few_are_taken_for_many() -> None:
    def wolves(rng: np.random.Generator, count: int) -> FloatArray:
        of = people(count, rng)
        of = of + rng.exponential(0.25, size=(count, 1, 1)) / np.sqrt(of.shape[2])
        return of / np.linalg.norm(of, axis=2, keepdims=True)

    held: list[bool] = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        found = OpenSet.fit(*best_scores(wolves(rng, 200), 1), templates=1)
        point = found.point([1] * 20, 0.05, 0.95)
        assert isinstance(point, IdentificationPoint)
        gallery, strangers = wolves(rng, 20), wolves(rng, 200)
        held.append(rate(strangers, gallery, 1, point.threshold) <= 0.05)
    assert np.mean(held) >= 0.9  # 0.95 less what so few trials cannot tell


def test_one_threshold_for_all_sizes_would_break_the_promise() -> None:
    """What the size is there for: the same evidence read as one-to-one lets strangers in."""
    broken: list[bool] = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        found = OpenSet.fit(*best_scores(people(200, rng), 1), templates=1)
        point = found.point([1], 0.1, 0.95)
        assert isinstance(point, IdentificationPoint)
        broken.append(rate(people(200, rng), people(200, rng), 1, point.threshold) > 0.1)
    assert all(broken)


def test_a_larger_gallery_takes_a_higher_threshold_or_is_refused() -> None:
    found = fitted(300)
    last = -np.inf
    for enrolled in (1, 3, 10, 50, 200, 299):
        point = found.point([1] * enrolled, 0.1, 0.95)
        assert isinstance(point, IdentificationPoint)
        assert point.threshold >= last
        assert point.bound <= 0.1
        last = point.threshold
    refused = found.point([1] * 100_000, 0.1, 0.95)
    assert isinstance(refused, IdentificationRefusal)
    assert refused.identities_needed > 300
    assert "cannot be promised" in str(refused)


def test_a_refusal_says_what_would_do() -> None:
    refused = fitted(60).point([1] * 40, 0.05, 0.95)
    assert isinstance(refused, IdentificationRefusal)
    again = fitted(refused.identities_needed * 2).point([1] * 40, 0.05, 0.95)
    assert isinstance(again, IdentificationPoint)
    smallest = fitted(60).point([1] * 40, refused.smallest_fpir + 1e-9, 0.95)
    assert isinstance(smallest, IdentificationPoint)


def test_more_templates_than_were_calibrated_count_as_further_galleries() -> None:
    found = fitted(300)
    one = found.point([1] * 20, 0.1, 0.95)
    three = found.point([3] * 20, 0.1, 0.95)
    one_of_them = found.point([3] + [1] * 19, 0.1, 0.95)
    assert isinstance(one, IdentificationPoint)
    assert isinstance(three, IdentificationPoint)
    assert isinstance(one_of_them, IdentificationPoint)
    assert one_of_them.threshold == three.threshold  # as if all had as many
    assert one.threshold < three.threshold


def test_strangers_that_are_told_apart_still_promise_no_more_than_they_are() -> None:
    best = np.full((40, 40), -1.0) + np.random.default_rng(0).uniform(0, 0.1, (40, 40))
    np.fill_diagonal(best, 1.0)
    found = OpenSet.fit(best, np.arange(40), templates=1)
    assert isinstance(found.point([1] * 39, 0.2, 0.95), IdentificationRefusal)
    point = found.point([1] * 39, 0.3, 0.95)
    assert isinstance(point, IdentificationPoint)
    assert point.threshold > -0.91
    assert point.recognised is not None
    assert point.recognised.value == 1.0
    assert point.recognised.low < 0.95


def test_too_few_identities_are_refused() -> None:
    with pytest.raises(EvidenceError, match="at least 10 identities with 3 examples"):
        OpenSet.fit(np.eye(9), np.arange(9), templates=2)


def test_one_to_one_evidence_is_shared_among_all_templates() -> None:
    rate = Interval(0.1, 0.05, 0.2)
    points = [
        OperatingPoint(
            confidence=0.95,
            threshold=threshold,
            bound=fmr,
            measured=fmr / 2,
            identities=100,
            comparisons=4950,
            effective=400,
            fmr=fmr,
            fnmr=rate,
        )
        for fmr, threshold in ((0.01, 0.5), (0.001, 0.7))
    ]
    few = from_pairs(points, [2, 3], fpir=0.05, confidence=0.95, identities=100)
    more = from_pairs(points, [1] * 50, fpir=0.05, confidence=0.95, identities=100)
    many = from_pairs(points, [1] * 51, fpir=0.05, confidence=0.95, identities=100)
    assert isinstance(few, IdentificationPoint)
    assert isinstance(more, IdentificationPoint)
    assert (few.threshold, more.threshold) == (0.5, 0.7)
    assert isinstance(many, IdentificationRefusal)
    assert many.smallest_fpir == pytest.approx(0.051)
    none = from_pairs([], [1], fpir=0.05, confidence=0.95, identities=100)
    assert "No rate can be promised" in str(none)
