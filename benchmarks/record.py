"""What a benchmark measured, and the file that keeps it."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy import stats

from benchmarks.data import DataFolder
from twinlens.atomic import write_bytes

RESULTS = Path(__file__).parent / "results"
SHARES = ("accuracy", "rate")
"""Units whose values lie in 0..1, and so do their intervals."""
PACKAGES = (
    "twinlens",
    "torch",
    "numpy",
    "pillow",
    "scikit-learn",
    "pytorch-metric-learning",
    "faiss-cpu",
    "lancedb",
    "milvus-lite",
)


@dataclass(frozen=True, slots=True)
class Anchor:
    """A published figure, or a peer's figure from the same run, to read a metric against."""

    value: float
    source: str


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure.

    Attributes:
        key: stable name.
        value: in `unit`.
        unit: "accuracy", "images/s", "MB", "ratio", "s" ...
        direction: which way is better.
        low, high: its interval; see `method`.
        method: how the interval was made.
        goal: what it must reach.
        beyond: what would be remarkable.
        anchors: to read it against.
    """

    key: str
    value: float
    unit: str
    direction: Literal["higher", "lower"] = "higher"
    low: float | None = None
    high: float | None = None
    method: str | None = None
    goal: float | None = None
    beyond: float | None = None
    anchors: tuple[Anchor, ...] = ()

    @property
    def reached(self) -> bool | None:
        """Whether the value is at its goal or better; None without a goal."""
        return None if self.goal is None else self.at_least(self.goal)

    def at_least(self, level: float) -> bool:
        """Whether the value is as good as `level` or better; NaN never is."""
        return self.value >= level if self.direction == "higher" else self.value <= level


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks of a benchmark.

    Attributes:
        data: where the data sets lie.
        seeds: how many repetitions; None = as many as the benchmark's goal asks for.
        quick: a short run that proves that the benchmark works; its figures mean little.
        parts: which parts of the benchmark to run, by their names; () = all.
    """

    data: DataFolder
    seeds: int | None = None
    quick: bool = False
    parts: tuple[str, ...] = ()

    def wants(self, part: str) -> bool:
        """Whether a part is to be run."""
        return not self.parts or part in self.parts

    @property
    def folder(self) -> Path:
        """Where what took long is kept: beside the results, or, of a quick run, in the cache."""
        return self.data.cache if self.quick else RESULTS

    def seed_range(self, usual: int) -> tuple[int, ...]:
        """The seeds to run: 0, 1, ...; `usual` many unless told otherwise, one when quick."""
        return tuple(range(self.seeds or (1 if self.quick else usual)))


@dataclass(frozen=True, slots=True)
class Result:
    """What a benchmark found.

    Attributes:
        metrics: each key once.
        seeds: that were run.
        details: what else is worth keeping, as plain JSON values: per-seed figures, settings.
        notes: sentences for the reader of the table.
    """

    metrics: tuple[Metric, ...]
    seeds: tuple[int, ...] = (0,)
    details: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it ran, as far as it bears on a figure; nothing that names the machine."""

    cpu: str
    cores: int
    memory_gb: float


@dataclass(frozen=True, slots=True)
class Record:
    """A result with all that it takes to trust or repeat it: the content of a result file."""

    name: str
    commit: str
    quick: bool
    wall_s: float
    machine: Machine
    versions: Mapping[str, str]
    result: Result


def over_seeds(key: str, values: Sequence[float], *, unit: str, **rest: Any) -> Metric:
    """A metric that is the mean over seeds, with Student's 95 % interval of that mean.

    Args:
        key: of the metric.
        values: one a seed; a single one gets no interval.
        unit: of the values.
        rest: further fields of `Metric` (goal, beyond, anchors, direction).

    >>> metric = over_seeds("accuracy", [0.9, 0.92, 0.94], unit="accuracy", goal=0.9)
    >>> round(metric.value, 3), round(metric.low, 3), metric.reached
    (0.92, 0.87, True)
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return Metric(key, mean, unit, **rest)
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = float(stats.t.ppf(0.975, len(values) - 1)) * error
    low, high = mean - half, mean + half
    if unit in SHARES:
        low, high = max(low, 0.0), min(high, 1.0)
    method = f"t interval of the mean of {len(values)} seeds"
    return Metric(key, mean, unit, low=low, high=high, method=method, **rest)


def record(name: str, result: Result, *, quick: bool, wall_s: float) -> Record:
    """A result with commit, machine and versions of now."""
    return Record(name, commit(), quick, round(wall_s, 1), machine(), versions(), result)


def save(made: Record, folder: Path = RESULTS) -> Path:
    """Write a record as JSON, whole or not at all, and return where."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{made.name}.json"
    text = json.dumps(dataclasses.asdict(made), indent=2, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())
    return path


def keep(path: Path, content: object) -> None:
    """Write plain JSON values, whole or not at all, into a folder that is made when missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, f"{json.dumps(content, indent=1, allow_nan=False)}\n".encode())


def load(path: Path) -> Record:
    """Read a record that `save` wrote."""
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    found: dict[str, Any] = table.pop("result")
    result = Result(
        tuple(metric_of(metric) for metric in found["metrics"]),
        tuple(found["seeds"]),
        found["details"],
        tuple(found["notes"]),
    )
    return Record(machine=Machine(**table.pop("machine")), result=result, **table)


@cache
def commit() -> str:
    """The commit that runs; "+changes" follows where code differs from it.

    Asked once, when a benchmark starts: what is committed while it runs is not what runs.
    """
    root = Path(__file__).parent.parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        head = git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", "--", "src", "benchmarks", ":!benchmarks/results")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}+changes" if changed else head


def machine() -> Machine:
    """This machine's processor, usable cores and memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Machine(_cpu_model(), len(os.sched_getaffinity(0)), round(memory, 1))


def versions() -> dict[str, str]:
    """Python and the packages that a figure depends on, where installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def metric_of(table: dict[str, Any]) -> Metric:
    """A metric from plain JSON values."""
    anchors = tuple(Anchor(**anchor) for anchor in table.pop("anchors"))
    return Metric(anchors=anchors, **table)
