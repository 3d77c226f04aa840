"""The duplicates of a folder as one HTML page, cluster by cluster."""

from __future__ import annotations

from html import escape
from itertools import groupby
from pathlib import Path

from twinlens.atomic import write_bytes
from twinlens.duplicates.plan import Step
from twinlens.evaluation import page
from twinlens.tasks.dedupe import Duplicates
from twinlens.tasks.search_page import tile, tiles

MOST_CLUSTERS = 500
"""Shown at most: a page with more pictures does not open."""


def write_dedupe_page(path: Path, found: Duplicates, folder: Path) -> None:
    """Write each cluster with its best copy first.

    Raises:
        WriteError: `path` cannot be written.
    """
    moves = sum(step.action == "move" for step in found.steps)
    parts = [
        f"<h1>Duplicates in {escape(folder.name)}</h1>",
        page.counts(
            [
                ("pictures", f"{found.files:,}"),
                ("clusters", f"{found.clusters:,}"),
                ("copies to move", f"{moves:,}"),
            ]
        ),
        page.paragraph(f"Near copies: {found.why}. Nothing has been moved."),
    ]
    clusters = groupby(found.steps, key=lambda step: step.cluster)
    for number, steps in clusters:
        if number > MOST_CLUSTERS:
            parts.append(page.paragraph(f"And {found.clusters - MOST_CLUSTERS:,} more clusters."))
            break
        shown = "".join(_step(step, folder) for step in steps)
        parts.append(page.section(f"Cluster {number}", tiles(shown)))
    write_bytes(path, page.page(f"Duplicates in {folder.name}", parts).encode())


def _step(step: Step, folder: Path) -> str:
    by = ", by its perceptual hash" if step.told_by == "hash" else ""
    why = {"best": "the best copy", "exact": f"the same bytes as {step.joined_by}"}.get(
        step.kind, f"{step.score} like {step.joined_by}{by}"
    )
    size = f"{step.width} × {step.height}, {step.bytes / 1000:,.0f} kB"
    return tile(str(folder / step.path), f"{step.action}: {step.path}", why, size)
