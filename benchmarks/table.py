"""All recorded results against goals and anchors, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.catalogue import BENCHMARKS
from benchmarks.record import RESULTS, Metric, Record, load
from twinlens.atomic import write_bytes
from twinlens.errors import DataError

HEADER = (
    "| benchmark | metric | value | 95 % interval | goal | reached | anchors |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)


START, END = "<!-- results -->", "<!-- /results -->"
"""What encloses the table on a page that shows it."""


def insert(page: Path, table: str) -> None:
    """Put the table between the marks of a page.

    Raises:
        DataError: the page has no such marks.
    """
    text = page.read_text(encoding="utf-8")
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise DataError(f"{page} must hold {START} and {END}. Got no such marks. Add them.")
    write_bytes(page, f"{before}{START}\n{table}\n{END}{after}".encode())


def saved(folder: Path = RESULTS) -> list[Record]:
    """Every record in a folder, in the catalogue's order."""
    order = list(BENCHMARKS)
    records = [load(path) for path in sorted(folder.glob("*.json"))]
    return sorted(records, key=lambda r: order.index(r.name) if r.name in order else len(order))


def markdown(records: Sequence[Record]) -> str:
    """One row a metric, then how each benchmark was run."""
    rows = [row(record.name, metric) for record in records for metric in record.result.metrics]
    return "\n".join([*HEADER, *rows, "", *map(provenance, records)])


def row(name: str, metric: Metric) -> str:
    """A metric as a row of the table."""
    cells = (
        f"`{name}`",
        f"`{metric.key}`",
        f"**{number(metric.value)}** {metric.unit}",
        interval(metric),
        goals(metric),
        verdict(metric),
        "; ".join(f"{number(anchor.value)} {anchor.source}" for anchor in metric.anchors),
    )
    return f"| {' | '.join(cells)} |"


def interval(metric: Metric) -> str:
    """Low to high, or nothing."""
    if metric.low is None or metric.high is None:
        return ""
    return f"{number(metric.low)} to {number(metric.high)}"


def goals(metric: Metric) -> str:
    """The goal and, in brackets, what lies beyond it."""
    sign = "≥" if metric.direction == "higher" else "≤"
    if metric.goal is None:
        return ""
    beyond = "" if metric.beyond is None else f" ({sign} {number(metric.beyond)})"
    return f"{sign} {number(metric.goal)}{beyond}"


def verdict(metric: Metric) -> str:
    """Whether the goal was reached, in a word."""
    if metric.beyond is not None and metric.at_least(metric.beyond):
        return "beyond"
    return {True: "yes", False: "**no**", None: ""}[metric.reached]


def provenance(record: Record) -> str:
    """How a benchmark was run, in one line."""
    machine = record.machine
    quick = " **A quick run: its figures mean little.**" if record.quick else ""
    notes = "".join(f" {note}" for note in record.result.notes)
    return (
        f"- `{record.name}`: {len(record.result.seeds)} seeds in {record.wall_s:,.0f} s on "
        f"{machine.cores} cores ({machine.cpu}, {machine.memory_gb:g} GB), torch "
        f"{record.versions['torch']}, commit {record.commit[:12]}.{quick}{notes}"
    )


def number(value: float) -> str:
    """As many digits as matter: three decimals under ten, none from a hundred on.

    >>> number(0.97312), number(12.345), number(1481.6), number(4)
    ('0.973', '12.3', '1,482', '4')
    """
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
