"""A plan is carried out whole or not begun, and undone; nothing is lost at any moment."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from twinlens.data.duplicates import content_hash
from twinlens.duplicates import plan as plans
from twinlens.duplicates.plan import JOURNAL, Step, apply_plan, undo, write_plan
from twinlens.errors import DataError

FILES = {"a.png": b"one", "b/a.png": b"one", "b/c.png": b"two", "d.png": b"three"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "photos"


@pytest.fixture
def plan(folder: Path, tmp_path: Path) -> Path:
    rows = [(1, "keep", "a.png", "best"), (1, "move", "b/a.png", "exact"),
            (2, "keep", "d.png", "best"), (2, "move", "b/c.png", "near")]  # fmt: skip
    steps = [
        Step(n, action, path, kind, "", "", 1, 1, 0.0, 3, content_hash(str(folder / path)))
        for n, action, path, kind in rows
    ]  # fmt: skip
    write_plan(tmp_path / "plan.csv", steps)
    return tmp_path / "plan.csv"


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(JOURNAL)
    }


def edited(plan: Path, number: int, **changes: str) -> None:
    with plan.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[number] |= changes
    with plan.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_copies_are_moved_and_moved_back(folder: Path, plan: Path, tmp_path: Path) -> None:
    assert apply_plan(plan, folder, tmp_path / "moved") == 2
    assert files(folder) == {"a.png": b"one", "d.png": b"three"}
    assert files(tmp_path / "moved") == {"b/a.png": b"one", "b/c.png": b"two"}
    assert apply_plan(plan, folder, tmp_path / "moved") == 0
    assert undo(folder, tmp_path / "moved") == 2
    assert files(folder) == FILES
    assert files(tmp_path / "moved") == {}


def test_a_person_may_change_the_plan(folder: Path, plan: Path, tmp_path: Path) -> None:
    edited(plan, 1, action="keep")
    assert apply_plan(plan, folder, tmp_path / "moved") == 1
    assert files(tmp_path / "moved") == {"b/c.png": b"two"}


class Interruption:
    """Stops what it wraps before one of its calls, counted together."""

    def __init__(self, moment: int) -> None:
        self.left = moment

    def of(self, real: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: object) -> None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            real(*arguments)

        return call


@pytest.mark.parametrize("moment", range(4))
@pytest.mark.parametrize("goes_on", [True, False])
def test_cut_short_it_goes_on_or_is_undone(
    moment: int,
    goes_on: bool,
    folder: Path,
    plan: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop = Interruption(moment)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(plans.os, "link", stop.of(os.link))
        patched.setattr(plans.Path, "unlink", stop.of(os.unlink))
        apply_plan(plan, folder, tmp_path / "moved")
    there = {**files(folder), **files(tmp_path / "moved")}
    assert there == FILES
    if goes_on:
        apply_plan(plan, folder, tmp_path / "moved")
        assert files(tmp_path / "moved") == {"b/a.png": b"one", "b/c.png": b"two"}
        assert files(folder) == {"a.png": b"one", "d.png": b"three"}
    undo(folder, tmp_path / "moved")
    assert files(folder) == FILES


def test_what_does_not_fit_moves_nothing(folder: Path, plan: Path, tmp_path: Path) -> None:
    to = tmp_path / "moved"

    def refused(word: str) -> None:
        before = files(folder)
        with pytest.raises(DataError, match=word):
            apply_plan(plan, folder, to)
        assert files(folder) == before
        assert not to.exists() or not files(to) or files(to) == {"b/a.png": b"other"}

    (folder / "b/c.png").write_bytes(b"changed")
    refused("as it was looked at")
    (folder / "b/c.png").write_bytes(b"two")
    edited(plan, 0, action="move")
    refused("cluster 1 must keep a file")
    edited(plan, 0, action="delete")
    refused("actions keep or move")
    edited(plan, 0, action="keep")
    edited(plan, 1, path="../outside.png")
    refused("must lie in")
    edited(plan, 1, path="b/a.png")
    (to / "b").mkdir(parents=True)
    (to / "b/a.png").write_bytes(b"other")
    refused("must be free")
    with pytest.raises(DataError, match="outside the collection"):
        apply_plan(plan, folder, folder / "moved")
    with pytest.raises(DataError, match="a plan that twinlens dedupe wrote"):
        apply_plan(tmp_path / "none.csv", folder, to)


def test_undo_writes_over_nothing(folder: Path, plan: Path, tmp_path: Path) -> None:
    apply_plan(plan, folder, tmp_path / "moved")
    (folder / "b" / "a.png").write_bytes(b"newer")
    with pytest.raises(DataError, match="must be free"):
        undo(folder, tmp_path / "moved")
    assert (folder / "b" / "a.png").read_bytes() == b"newer"
    assert files(tmp_path / "moved") == {"b/a.png": b"one", "b/c.png": b"two"}
    with pytest.raises(DataError, match="which --apply wrote"):
        undo(folder, tmp_path)
