"""Metrics, intervals over seeds, and result files."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmarks.data import DataFolder
from benchmarks.record import (
    Anchor,
    Metric,
    Options,
    Record,
    Result,
    load,
    over_seeds,
    record,
    save,
)


@pytest.fixture
def made() -> Record:
    metric = Metric(
        "accuracy", 0.97, "accuracy", low=0.96, high=0.98, goal=0.95,
        anchors=(Anchor(0.955, "human"),),
    )  # fmt: skip
    result = Result((metric,), (0, 1), {"per_seed": [0.96, 0.98]}, ("A note.",))
    return record("omniglot", result, quick=False, wall_s=12.34)


@pytest.mark.parametrize(
    ("direction", "value", "reached"),
    [("higher", 0.9, True), ("higher", 0.89, False), ("lower", 0.9, True), ("lower", 0.91, False)],
)
def test_a_goal_is_reached_from_its_own_side(direction: str, value: float, reached: bool) -> None:
    metric = Metric("m", value, "ratio", direction=direction, goal=0.9)  # type: ignore[arg-type]
    assert metric.reached is reached


def test_no_goal_is_neither_reached_nor_missed() -> None:
    assert Metric("m", 1.0, "ratio").reached is None


def test_what_is_not_a_number_reaches_no_goal() -> None:
    assert Metric("m", float("nan"), "ratio", goal=0.0).reached is False


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=8))
def test_the_interval_over_seeds_is_students(values: list[float]) -> None:
    metric = over_seeds("m", values, unit="ratio")
    error = stats.sem(values)
    half = error * stats.t(len(values) - 1).ppf(0.975)
    assert metric.low is not None
    assert metric.high is not None
    np.testing.assert_allclose(
        [metric.value, metric.low, metric.high],
        [np.mean(values), np.mean(values) - half, np.mean(values) + half],
        atol=1e-9,
    )


def test_the_interval_of_a_share_stays_a_share() -> None:
    metric = over_seeds("m", [0.9825, 0.9875], unit="accuracy")
    assert metric.low is not None
    assert 0.9 < metric.low < 0.98
    assert metric.high == 1.0


def test_one_seed_has_no_interval() -> None:
    metric = over_seeds("m", [0.5], unit="ratio")
    assert (metric.value, metric.low, metric.high) == (0.5, None, None)


def test_a_record_comes_back_from_its_file(made: Record, tmp_path: Path) -> None:
    path = save(made, tmp_path / "results")
    assert path.name == "omniglot.json"
    assert load(path) == made


def test_a_record_says_how_it_was_made_but_not_where(made: Record, tmp_path: Path) -> None:
    text = save(made, tmp_path).read_text()
    table = json.loads(text)
    assert table["wall_s"] == 12.3
    assert table["machine"]["cores"] >= 1
    assert table["versions"]["torch"]
    assert socket.gethostname() not in text
    assert str(Path.cwd()) not in text


def test_a_figure_that_is_not_a_number_is_not_written(tmp_path: Path) -> None:
    bad = record("x", Result((Metric("m", float("nan"), "s"),)), quick=False, wall_s=0.0)
    with pytest.raises(ValueError, match="not JSON compliant"):
        save(bad, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_seeds_are_the_usual_ones_unless_told_otherwise(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert Options(folder).seed_range(3) == (0, 1, 2)
    assert Options(folder, quick=True).seed_range(3) == (0,)
    assert Options(folder, seeds=2, quick=True).seed_range(3) == (0, 1)
