"""A plan is carried out whole or not begun, and undone; nothing is lost at any moment."""

from __future__ import annotations

import csv
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest

from twinlens.data.duplicates import content_hash
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
        Step(n, action, path, kind, "", "", "", 1, 1, 0.0, 3, content_hash(str(folder / path)))
        for n, action, path, kind in rows
    ]  # fmt: skip
    write_plan(tmp_path / "plan.csv", steps)
    return tmp_path / "plan.csv"


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.lstrip(".").startswith(JOURNAL)
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


def test_a_plan_of_before_is_carried_out(folder: Path, plan: Path, tmp_path: Path) -> None:
    with plan.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with plan.open("w", newline="") as file:
        old = [name for name in rows[0] if name != "told_by"]
        assert len(old) == len(rows[0]) - 1
        writer = csv.DictWriter(file, old, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    assert apply_plan(plan, folder, tmp_path / "moved") == 2
    assert files(tmp_path / "moved") == {"b/a.png": b"one", "b/c.png": b"two"}


class Interruption:
    """Stops what it wraps before one of its calls, counted together."""

    def __init__(self, moment: int) -> None:
        self.left = moment

    def of(self, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return real(*arguments, **options)

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
        patched.setattr(os, "link", stop.of(os.link))
        patched.setattr(Path, "unlink", stop.of(os.unlink))
        apply_plan(plan, folder, tmp_path / "moved")
    there = {**files(folder), **files(tmp_path / "moved")}
    assert there == FILES
    if goes_on:
        apply_plan(plan, folder, tmp_path / "moved")
        assert files(tmp_path / "moved") == {"b/a.png": b"one", "b/c.png": b"two"}
        assert files(folder) == {"a.png": b"one", "d.png": b"three"}
    undo(folder, tmp_path / "moved")
    assert files(folder) == FILES


NAMES = ["b/c.png", 'b/a "good", one.png', "b/two\nlines.png", "b/été.png"]


@pytest.mark.parametrize("name", NAMES)
def test_a_row_that_a_power_cut_tore_holds_nothing_up(
    name: str, folder: Path, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = tmp_path / "moved"
    (folder / "b/c.png").rename(folder / name)
    edited(plan, 3, path=name)
    before = files(folder)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(os, "link", Interruption(1).of(os.link))
        apply_plan(plan, folder, to)
    whole = (to / JOURNAL).read_bytes()
    first = whole.index(b"b/a.png") + len(b"b/a.png\r\n")
    for place in (folder, to):
        shutil.copytree(place, tmp_path / f"{place.name} as left")
    for end, zeros, goes_on in product(range(first, len(whole)), (False, True), (False, True)):
        for place in (folder, to):
            shutil.rmtree(place)
            shutil.copytree(tmp_path / f"{place.name} as left", place)
        tail = bytes(len(whole) - end) if zeros else b""  # as some disks leave it
        (to / JOURNAL).write_bytes(whole[:end] + tail)
        if goes_on:
            assert apply_plan(plan, folder, to) == 1
        assert undo(folder, to) == 1 + goes_on
        assert files(folder) == before
        assert files(to) == {}


def test_a_last_row_without_its_end_counts_where_its_file_moved(
    folder: Path, plan: Path, tmp_path: Path
) -> None:
    to = tmp_path / "moved"
    apply_plan(plan, folder, to)
    journal = (to / JOURNAL).read_bytes()
    assert journal.endswith(b"b/c.png\r\n")
    (to / JOURNAL).write_bytes(journal[:-2])  # as an editor saves it
    assert apply_plan(plan, folder, to) == 0
    (to / JOURNAL).write_bytes(journal[:-2])
    assert undo(folder, to) == 2
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


@pytest.mark.parametrize("begun", [True, False])
def test_what_is_kept_is_checked_before_anything_moves(
    begun: bool, folder: Path, plan: Path, tmp_path: Path
) -> None:
    to = tmp_path / "moved"
    if begun:  # one of the two clusters: the other is still to be moved
        edited(plan, 3, action="keep")
        apply_plan(plan, folder, to)
        edited(plan, 3, action="move")
    (folder / "d.png").write_bytes(b"changed")
    if not begun:
        (folder / "a.png").unlink()
    before = files(folder)
    with pytest.raises(DataError) as error:
        apply_plan(plan, folder, to)
    assert f"{folder / 'd.png'}, which is to be kept, must be as it was" in str(error.value)
    assert (f"{folder / 'a.png'}, which is to be kept," in str(error.value)) is not begun
    assert files(folder) == before
    assert to.exists() is begun


def test_what_was_kept_may_change_after_its_copies_moved(
    folder: Path, plan: Path, tmp_path: Path
) -> None:
    apply_plan(plan, folder, tmp_path / "moved")
    (folder / "a.png").write_bytes(b"changed")
    assert apply_plan(plan, folder, tmp_path / "moved") == 0


def test_another_collection_is_refused(
    folder: Path, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to, other = tmp_path / "moved", tmp_path / "other"
    shutil.copytree(folder, other)
    monkeypatch.chdir(tmp_path)
    apply_plan(plan, Path("photos"), to)
    before = files(to)
    for refused in (lambda: undo(other, to), lambda: apply_plan(plan, other, to)):
        with pytest.raises(DataError, match=f"out of {other}. Got what was .* of {folder}. Name"):
            refused()
    assert files(other) == FILES
    assert files(to) == before
    folder.rename(tmp_path / "renamed")
    with pytest.raises(DataError, match="first row"):
        undo(tmp_path / "renamed", to)
    journal = (to / JOURNAL).read_text()
    (to / JOURNAL).write_text(journal.replace(str(folder), str(tmp_path / "renamed"), 1))
    assert undo(tmp_path / "renamed", to) == 2
    assert files(tmp_path / "renamed") == FILES


def test_a_journal_that_names_no_collection_is_undone(
    folder: Path, plan: Path, tmp_path: Path
) -> None:
    to = tmp_path / "moved"
    apply_plan(plan, folder, to)
    rows = (to / JOURNAL).read_text().splitlines(keepends=True)
    (to / JOURNAL).write_text("".join(rows[1:]))
    assert (to / JOURNAL).read_text().split() == ["b/a.png", "b/c.png"]
    assert apply_plan(plan, folder, to) == 0
    assert undo(folder, to) == 2
    assert files(folder) == FILES


def test_a_plan_may_have_the_mark_that_excel_puts_first(
    folder: Path, plan: Path, tmp_path: Path
) -> None:
    plan.write_bytes(b"\xef\xbb\xbf" + plan.read_bytes())
    assert apply_plan(plan, folder, tmp_path / "moved") == 2


def test_a_folder_that_leads_back_to_the_collection_is_refused(
    folder: Path, plan: Path, tmp_path: Path
) -> None:
    to = tmp_path / "moved"
    to.mkdir()
    (to / "b").symlink_to(folder / "b")
    with pytest.raises(DataError, match="must be free"):
        apply_plan(plan, folder, to)
    (to / JOURNAL).write_text("b/a.png\nb/c.png\n")
    with pytest.raises(DataError, match="must be free"):
        apply_plan(plan, folder, to)
    with pytest.raises(DataError, match="must be free"):
        undo(folder, to)
    assert files(folder) == FILES


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other file system at /dev/shm")
    with tempfile.TemporaryDirectory(dir=memory) as place:
        yield Path(place)


def test_copies_move_to_another_disk_and_back(folder: Path, plan: Path, other_disk: Path) -> None:
    to = other_disk / "moved"
    os.utime(folder / "b" / "a.png", ns=(10**18, 10**18))
    assert apply_plan(plan, folder, to) == 2
    assert files(folder) == {"a.png": b"one", "d.png": b"three"}
    assert files(to) == {"b/a.png": b"one", "b/c.png": b"two"}
    assert apply_plan(plan, folder, to) == 0
    assert undo(folder, to) == 2
    assert files(folder) == FILES
    assert files(to) == {}
    assert (folder / "b" / "a.png").stat().st_mtime_ns == 10**18  # the oldest counts as original


@pytest.mark.parametrize("then", ["apply", "undo", "apply after undo"])
@pytest.mark.parametrize("moment", range(26))
def test_where_files_have_one_name_each_it_goes_on_or_is_undone(
    moment: int,
    then: str,
    folder: Path,
    plan: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_link(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    to = tmp_path / "moved"
    monkeypatch.setattr(os, "link", no_link)

    def cut_short(run: Callable[[], object]) -> None:
        stop = Interruption(moment)
        with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
            for name in ("open", "close"):
                patched.setattr(os, name, stop.of(getattr(os, name)))
            for name in ("unlink", "replace"):
                patched.setattr(Path, name, stop.of(getattr(Path, name)))
            patched.setattr(shutil, "copyfileobj", stop.of(shutil.copyfileobj))
            run()
        for name, data in FILES.items():
            assert data in (files(folder).get(name), files(to).get(name))

    if then == "apply after undo":
        apply_plan(plan, folder, to)
        cut_short(lambda: undo(folder, to))
    else:
        cut_short(lambda: apply_plan(plan, folder, to))
    if then == "undo":
        if (to / JOURNAL).is_file():
            undo(folder, to)
            assert files(to) == {}
        assert files(folder) == FILES
        return
    apply_plan(plan, folder, to)
    assert files(folder) == {"a.png": b"one", "d.png": b"three"}
    assert files(to) == {"b/a.png": b"one", "b/c.png": b"two"}
    undo(folder, to)
    assert files(folder) == FILES
    assert files(to) == {}
