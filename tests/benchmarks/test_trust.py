"""Trials of promises: what is dealt into halves is never torn, and what they find."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import trust
from benchmarks.data import DataFolder
from benchmarks.record import Options
from benchmarks.texts import TextPairs
from benchmarks.trust_subjects import Scored, scored_pairs
from texts import train_small
from twinlens.bundle import Bundle
from twinlens.evaluation.suite import linked
from twinlens.types import Compared

QUESTIONS, CANDIDATES = 120, 6


@pytest.fixture
def scored() -> Scored:
    """Questions with candidates of which the first is right and scores a little higher."""
    rng = np.random.default_rng(0)
    left = np.repeat(np.arange(QUESTIONS), CANDIDATES)
    right = QUESTIONS + np.arange(len(left))
    same = np.arange(len(left)) % CANDIDATES == 0
    return Scored("made", linked(rng.normal(size=len(left)) + 2 * same, same, left, right))


def test_a_half_has_all_of_a_question_or_nothing(scored: Scored) -> None:
    assert scored.units == QUESTIONS
    order = np.random.default_rng(0).permutation(scored.units).tolist()
    halves = [scored.compare(order[:60], 0), scored.compare(order[60:], 0)]
    assert [len(half) for half in halves] == [60 * CANDIDATES] * 2
    assert not set(halves[0].left.tolist()) & set(halves[1].left.tolist())


def test_a_comparison_across_the_halves_is_in_neither() -> None:
    sides = np.array([0, 0, 1]), np.array([0, 1, 1])
    every = Compared(np.arange(3.0), np.array([True, False, True]), *sides, 2, "identity", 2)
    scored = Scored("made", every)
    assert [scored.compare([unit], 0).scores.tolist() for unit in (0, 1)] == [[0.0], [2.0]]


def test_a_promise_is_tried_or_refused(scored: Scored, tmp_path: Path) -> None:
    options = Options(DataFolder(tmp_path, tmp_path / "cache"), quick=True)
    part = trust.tried("made", scored, options)
    values = {metric.key: metric.value for metric in part.metrics}
    # 60 questions are no ground for 1 %: that takes 600
    assert (values["refused_made_at_10_percent"], values["refused_made"]) == (0, 1)
    assert 0 <= values["fmr_promise_held_made_at_10_percent"] <= 1
    assert part.details["few_refused"] == part.details["few_asked"] == trust.QUICK_TRIALS
    assert trust.tried("made", scored, options) == part  # from what was kept


def test_the_map_of_all_tells_what_halves_that_differ_cost(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    unit, same = np.repeat(np.arange(12), 60), np.tile([True, False], 360)
    scores = 2 * same + rng.normal(size=12)[unit] + rng.normal(size=len(unit))  # each has its own
    made = Scored("made", Compared(scores, same, unit, unit, 12, "identity", 12))
    part = trust.tried("made", made, Options(DataFolder(tmp_path, tmp_path / "cache"), quick=True))
    found = {metric.key: metric for metric in part.metrics}
    for key in ("cllr_over_min_cllr_made", "ece_made"):
        of_all = found[key].anchors[0]
        assert of_all.source == trust.MAP_OF_ALL
        assert of_all.value < found[key].value


@pytest.mark.parametrize(("count", "low", "high"), [(200, 0.03, 0.12), (200_000, 0.001, 0.01)])
def test_chance_makes_a_calibration_error_of_few_comparisons(
    count: int, low: float, high: float
) -> None:
    rng = np.random.default_rng(0)
    llr = rng.normal(scale=2, size=count)
    assert low < trust.ece_of_chance(llr, rng.random(count) < 0.3, seed=0) < high


def test_given_pairs_are_scored_once_and_linked_by_their_texts(tmp_path: Path) -> None:
    bundle = Bundle.load(train_small(tmp_path))
    left = tuple(f"{letter} {number}" for letter in "abcdefghijkl" for number in (1, 1, 2))
    right = tuple(f"{letter} {number}" for letter in "abcdefghijkl" for number in (2, 3, 1))
    pairs = TextPairs(left, right, np.tile([1.0, 0, 1], 12))
    scored = scored_pairs(bundle, pairs)
    assert (len(scored.every), scored.units, scored.every.unit) == (24, 12, "component")
