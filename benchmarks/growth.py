"""How galleries and searches for copies grow, as a picture of recorded results."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.data import ROOT
from benchmarks.record import Record

IMAGES = ROOT / "docs" / "images"
PANELS = (
    ("gallery", "search_ms", "one search, ms", "items enrolled"),
    ("gallery", "add_per_second", "items stored a second", "items enrolled"),
    ("duplicates", "seconds_per_1000", "search for copies, s per 1,000", "pictures"),
    ("duplicates", "peak_rss_mb", "search for copies, peak MB", "pictures"),
)
"""Benchmark, start of the keys, what it measures, what grows."""


def points(records: Sequence[Record], name: str, start: str) -> list[tuple[int, float]]:
    """(size, value) of the metrics START_at_SIZE of a benchmark, by size."""
    pattern = re.compile(rf"{start}_at_(\d+)")
    found = [
        (int(match[1]), metric.value)
        for record in records
        if record.name == name
        for metric in record.result.metrics
        if (match := pattern.fullmatch(metric.key))
    ]
    return sorted(found)


def draw_growth(records: Sequence[Record], folder: Path) -> Path:
    """Draw growth.svg into a folder. Returns its path."""
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "twinlens"  # the same records, the same bytes
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(1, len(PANELS), figsize=(4 * len(PANELS), 3.2))
    for axis, (name, start, measured, growing) in zip(axes, PANELS, strict=True):
        found = points(records, name, start)
        axis.plot([size for size, _ in found], [value for _, value in found], marker="o")
        axis.set(xscale="log", xlabel=growing, title=measured)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    figure.tight_layout()
    path = folder / "growth.svg"
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return path
