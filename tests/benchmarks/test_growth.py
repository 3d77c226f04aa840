"""The picture of how things grow."""

from __future__ import annotations

from pathlib import Path

from benchmarks.growth import draw_growth, points
from benchmarks.record import Metric, Result, record


def test_points_are_taken_by_size_and_drawn_the_same_each_time(tmp_path: Path) -> None:
    metrics = (
        Metric("search_ms_at_10000", 0.5, "ms"),
        Metric("search_ms_at_1000", 0.2, "ms"),
        Metric("search_ms", 9.0, "ms"),
    )
    records = [record("gallery", Result(metrics), quick=False, wall_s=1.0)]
    assert points(records, "gallery", "search_ms") == [(1000, 0.2), (10000, 0.5)]
    assert points(records, "duplicates", "search_ms") == []
    first = draw_growth(records, tmp_path).read_bytes()
    assert b"<svg" in first
    assert draw_growth(records, tmp_path).read_bytes() == first
