"""Kills at random moments: does a gallery hold what it reported, and nothing else?

A process adds, removes, rebuilds and goes over to another model at random, and says what it is
about to do and, once that has returned, that it is done. It is killed with SIGKILL at a random
moment of one of these, each in its turn, and the gallery is opened again, each time, and held to
what was said.

* `lost_items`: reported as added (and not as removed), and not there.
* `ghost_items`: there, though never added or reported as removed.
* `broken_batches`: kills after which an unfinished batch is there in part.
* `failed_checks`: kills after which `verify` finds anything, a template is of another model than
  the gallery, or an item does not find itself.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import ROOT
from benchmarks.record import Metric, Options, Result
from twinlens.gallery import Entry, Gallery, Migration, Space, index
from twinlens.types import FloatArray

KILLS, QUICK_KILLS = 200, 5
DIM = 32
SPACES = (Space("f" * 16, DIM, "inner_product"), Space("e" * 16, DIM - 8, "inner_product"))
"""Of two models, between which it goes over."""
EXACT_VALUES = 1000 * DIM
"""So that the graph is killed at work, too."""
LARGEST_BATCH = 300
MOST_ITEMS = 4000
LATEST_S = {"add": 0.02, "remove": 0.1, "rebuild": 0.4, "migrate": 0.4}
"""What is killed, and how long after its start at the latest: about as long as it takes."""
SAMPLE = 50


@dataclass(slots=True)
class Tally:
    """What came of the kills."""

    lost: int = 0
    ghosts: int = 0
    broken: int = 0
    failed: int = 0
    interrupted: dict[str, int] = field(default_factory=dict)


def run(options: Options) -> Result:
    """Kill again and again, on one gallery that grows and shrinks."""
    kills = QUICK_KILLS if options.quick else KILLS
    tally = Tally()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "gallery"
        Gallery.create(folder, SPACES[0], log_searches=False).close()
        there: set[int] = set()
        for seed in range(kills):
            there = judge(folder, there, killed(folder, seed), tally)
    metrics = tuple(
        Metric(key, count, "count", "lower", goal=0)
        for key, count in (
            ("lost_items", tally.lost),
            ("ghost_items", tally.ghosts),
            ("broken_batches", tally.broken),
            ("failed_checks", tally.failed),
        )
    )
    details = {"kills": kills, "interrupted": tally.interrupted}
    return Result(metrics, details=details, notes=(f"{kills} kills.",))


def killed(folder: Path, seed: int) -> list[str]:
    """Start a worker and kill it at the action whose turn it is. Returns what it said."""
    target = list(LATEST_S)[seed % len(LATEST_S)]
    worker = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.crash", str(folder), str(seed)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert worker.stdout is not None
    said = ""
    for line in worker.stdout:
        said += line
        if line.startswith(target):
            break
    time.sleep(np.random.default_rng(seed).uniform(0, LATEST_S[target]))
    worker.kill()
    said += worker.communicate()[0]
    return said.split("\n")[:-1]  # a line that was cut short by the kill says nothing


def judge(folder: Path, before: set[int], said: Sequence[str], tally: Tally) -> set[int]:
    """Hold a gallery to what was said. Returns what is there."""
    sure, unfinished = set(before), "start"
    for line in said:
        if line == "done":
            sure, unfinished = after(sure, unfinished), "idle"
        else:
            unfinished = line
    maybe = after(sure, unfinished)
    with Gallery.open(folder) as gallery:
        found = {int(item.entry.content) for item in gallery.items(gallery.ids())}
        tally.lost += len((sure & maybe) - found)
        tally.ghosts += len(found - (sure | maybe))
        tally.broken += found not in (sure, maybe)
        some = sorted(found)[:: max(1, len(found) // SAMPLE)]
        templates = vectors(some, gallery.space)
        hits = gallery.search(templates, 1)
        itself = [int(row[0].item.entry.content) for row in hits] == some
        known = gallery.known([str(number) for number in some])
        stored = gallery.vectors([known[str(number)] for number in some])
        agree = gallery.space in SPACES and np.array_equal(stored, templates)
        tally.failed += bool(gallery.verify().problems) or not (itself and agree)
    action = unfinished.split()[0]
    tally.interrupted[action] = tally.interrupted.get(action, 0) + 1
    return found


def after(there: set[int], operation: str) -> set[int]:
    """What is there after "add FIRST LAST", "remove A B ..." or anything else."""
    action, *words = operation.split()
    numbers = [int(word) for word in words]
    if action == "add":
        return there | set(range(numbers[0], numbers[1]))
    return there - set(numbers) if action == "remove" else there


def vectors(numbers: Sequence[int], space: Space) -> FloatArray:
    """Templates, each a function of its number and the model. [n, dim] float32."""
    drawn = [np.random.default_rng(number).normal(size=space.dim) for number in numbers]
    table = np.array(drawn, np.float32).reshape(-1, space.dim)
    return table / np.linalg.norm(table, axis=1, keepdims=True)


def work(folder: Path, seed: int) -> None:
    """Add, remove, rebuild, migrate and open anew until killed."""
    index.EXACT_VALUES = EXACT_VALUES
    rng = np.random.default_rng(seed)
    gallery = Gallery.open(folder)
    number = 1 + max((entry.details["items"][-1] for entry in _adds(gallery)), default=0)
    while True:
        action: Any = rng.choice(["add", "add", "remove", "rebuild", "migrate", "open"])
        ids = gallery.ids()
        if action == "add" and len(ids) < MOST_ITEMS:
            batch = range(number, number + int(rng.integers(1, LARGEST_BATCH)))
            templates = vectors(batch, gallery.space)
            entries = [Entry(str(n), f"who {n // 3}") for n in batch]
            say("add", batch.start, batch.stop)
            gallery.add(templates, entries)
            number = batch.stop
        elif action == "remove":
            chosen = rng.permutation(ids)[: int(rng.integers(0, LARGEST_BATCH))].tolist()
            say("remove", *[item.entry.content for item in gallery.items(chosen)])
            gallery.remove(chosen)
        elif action == "rebuild":
            say("rebuild")
            gallery.rebuild()
        elif action == "migrate":
            say("migrate")
            migrate(folder, SPACES[gallery.space == SPACES[0]])
            gallery.close()
            gallery = Gallery.open(folder)
        else:
            say("open")
            gallery.close()
            gallery = Gallery.open(folder)
        say("done")


def migrate(folder: Path, space: Space) -> None:
    """Take the gallery over to another model, some items at a time."""
    with Migration(folder, space) as migration:
        while items := migration.waiting(after=0, most=LARGEST_BATCH):
            numbers = [int(item.entry.content) for item in items]
            migration.bring([item.id for item in items], vectors(numbers, space))
        migration.finish()


def _adds(gallery: Gallery) -> list[Any]:
    return [entry for entry in gallery.log() if entry.action == "add"]


def say(*words: object) -> None:
    """Tell the parent, at once."""
    print(*words, flush=True)


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]))
