"""What was reported as stored and is gone is told, whatever took it; and a person may accept it."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from galleries import SPACE, contents, entries, filled, vectors
from twinlens.errors import GalleryError
from twinlens.gallery import Gallery, Migration, Space, export_gallery, import_gallery, reported
from twinlens.gallery.store import NAME

TESTS = Path(__file__).parents[1]
WAL, MARK = f"{NAME}-wal", f"{NAME}-reported"
REFUSED = "must hold what was reported as stored"


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A gallery of 40 things, of which the last 20 came one by one and are in the log only."""
    with filled(tmp_path / "whole", 20):
        pass
    with Gallery.open(tmp_path / "whole") as gallery:
        for n in range(20, 40):
            gallery.add(vectors([n]), entries([n]))
        shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    (tmp_path / "killed" / f"{NAME}-shm").unlink()
    return tmp_path / "killed"


def changed(wal: Path, place: float) -> None:
    """Change a byte at this part of the log."""
    data = bytearray(wal.read_bytes())
    data[int(place * (len(data) - 1))] ^= 1
    wal.write_bytes(data)


def cut(wal: Path, place: float) -> None:
    os.truncate(wal, int(place * (wal.stat().st_size - 1)))


@pytest.mark.parametrize("place", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("harm", [changed, cut, lambda wal, _: wal.unlink()])
def test_a_write_ahead_log_that_lost_what_was_reported_is_told(
    killed: Path, harm: Callable[[Path, float], None], place: float
) -> None:
    harm(killed / WAL, place)
    for _ in range(2):  # closing lets SQLite delete the log; the finding stays
        with pytest.raises(GalleryError, match=REFUSED) as error:
            Gallery.open(killed)
        assert "rebuild --accept-loss" in str(error.value)
        assert "\n" not in str(error.value)
    kept = killed / f"{WAL}.damaged"
    with Gallery.open(killed, accept_loss=True) as gallery:
        there = contents(gallery)
        assert set(range(20)) <= there < set(range(40))
        assert there == set(range(len(there)))  # a whole state from before
        last = gallery.log()[-1]
        assert last.action == "accept"
        assert last.details == {"reported": 22, "there": len(there) - 18}
        assert gallery.verify().problems == ()
    assert not kept.exists()
    with Gallery.open(killed) as gallery:
        assert contents(gallery) == there
        gallery.add(vectors([99]), entries([99]))
    Gallery.open(killed).close()


def test_how_much_is_missing_is_told_and_the_log_kept(killed: Path) -> None:
    data = (killed / WAL).read_bytes()
    cut(killed / WAL, 1.0)
    torn = (killed / WAL).read_bytes()
    with pytest.raises(GalleryError, match="ends 1 entry before number 22, which was reported"):
        Gallery.open(killed)
    assert (killed / f"{WAL}.damaged").read_bytes() == torn
    with pytest.raises(GalleryError, match=REFUSED):
        Migration(killed, Space("other", SPACE.dim, SPACE.similarity))
    (killed / WAL).write_bytes(data)  # put back from a copy
    with Gallery.open(killed) as gallery:
        assert contents(gallery) == set(range(40))
        gallery.remove([1])
    assert not (killed / f"{WAL}.damaged").exists()  # it holds templates


def test_a_commit_that_was_never_reported_may_be_torn(killed: Path) -> None:
    with closing(sqlite3.connect(killed.parent / "whole" / NAME)) as db:
        row = db.execute("SELECT number, mark FROM log WHERE number = 21").fetchone()
    before = reported.Reported(*row)
    reported.write(killed / NAME, before, back=True)
    with Gallery.open(killed) as gallery:  # as after a kill between commit and mark
        assert contents(gallery) == set(range(40))
        assert gallery.verify().problems == ()
        gallery.add(vectors([50]), entries([50]))
        now = reported.read(killed / NAME)
        assert now is not None
        assert now.number == 23


def test_an_older_copy_of_the_file_alone_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "g"
    filled(folder, 20).close()
    shutil.copytree(folder, tmp_path / "copy")
    with Gallery.open(folder) as gallery:
        gallery.add(vectors([20]), entries([20]))
    shutil.copy(tmp_path / "copy" / NAME, folder / NAME)
    with pytest.raises(GalleryError, match="an older copy was put in its place"):
        Gallery.open(folder)
    shutil.copytree(tmp_path / "copy", folder, dirs_exist_ok=True)
    Gallery.open(folder).close()  # the whole folder is what it was
    with Gallery.open(folder) as gallery:  # another history, as long as the first
        gallery.add(vectors([21]), entries([21]))
    other = (folder / MARK).read_bytes()
    shutil.copytree(tmp_path / "copy", folder, dirs_exist_ok=True)
    with Gallery.open(folder) as gallery:
        gallery.add(vectors([30]), entries([30]))
    (folder / MARK).write_bytes(other)
    with pytest.raises(GalleryError, match="another entry 3 of the log than the one"):
        Gallery.open(folder)


def test_a_mark_that_is_damaged_or_gone_costs_nothing_but_itself(tmp_path: Path) -> None:
    folder = tmp_path / "g"
    filled(folder, 20).close()
    whole = (folder / MARK).read_bytes()
    for content in (b"", whole[:-5], b"x" + whole, whole.replace(b"2", b"3", 1), b"\0" * 63):
        (folder / MARK).write_bytes(content)
        with Gallery.open(folder) as gallery:
            (problem,) = gallery.verify().problems
            assert f"{MARK} is damaged" in problem
    (folder / MARK).unlink()
    with Gallery.open(folder) as gallery:
        assert gallery.verify().problems == ()
        gallery.add(vectors([20]), entries([20]))
        assert gallery.verify().problems == ()
    assert (folder / MARK).exists()
    (folder / MARK).unlink()
    (folder / MARK).mkdir()
    with pytest.raises(GalleryError, match="must be a file that can be read"):
        Gallery.open(folder)


def test_searches_removals_migrations_and_imports_are_reported_too(tmp_path: Path) -> None:
    def last(folder: Path) -> int:
        entry = reported.read(folder / NAME)
        assert entry is not None
        return entry.number

    folder = tmp_path / "g"
    with filled(folder, 20, log_searches=True) as gallery:
        assert last(folder) == 2
        gallery.search(vectors([3]), 1)
        assert last(folder) == 3
        gallery.remove([1])
        assert last(folder) == 4
        gallery.rebuild()
        assert last(folder) == 4
        export_gallery(gallery, tmp_path / "out")
    with Migration(folder, Space("other", SPACE.dim, SPACE.similarity)) as migration:
        assert migration.finish(without=range(2, 21))
    assert last(folder) == 6
    with Gallery.create(tmp_path / "h", SPACE) as copy:
        assert last(tmp_path / "h") == 1
        import_gallery(copy, tmp_path / "out")
        assert last(tmp_path / "h") == 2


def test_two_writers_and_readers_never_take_one_another_for_a_loss(tmp_path: Path) -> None:
    Gallery.create(tmp_path / "g", SPACE, log_searches=False).close()
    code = """
import sys
from galleries import entries, vectors
from twinlens.gallery import Gallery

first = int(sys.argv[2])
for n in range(first, first + 30):
    with Gallery.open(sys.argv[1]) as gallery:
        gallery.add(vectors([n]), entries([n]))
"""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path / "g", str(first)],
            env={**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for first in (0, 1000)
    ]
    while any(writer.poll() is None for writer in writers):
        Gallery.open(tmp_path / "g").close()
    for writer in writers:
        _, errors = writer.communicate()
        assert writer.returncode == 0, errors
    with Gallery.open(tmp_path / "g") as gallery:
        assert len(gallery) == 60
    mark = reported.read(tmp_path / "g" / NAME)
    assert mark is not None
    assert mark.number == 61


def test_a_mark_goes_back_only_where_that_is_asked_for(tmp_path: Path) -> None:
    store = tmp_path / NAME
    store.touch(0o640)
    early, late = (reported.Reported(number, bytes([number] * 16)) for number in (4, 5))
    reported.write(store, late)
    reported.write(store, early)
    assert reported.read(store) == late
    reported.write(store, early, back=True)
    assert reported.read(store) == early
    assert (tmp_path / MARK).stat().st_mode & 0o777 == 0o640


def test_a_kill_between_commit_and_mark_is_no_loss(tmp_path: Path) -> None:
    filled(tmp_path / "g", 20).close()
    code = """
import os, signal, sys
from galleries import entries, vectors
from twinlens.gallery import Gallery, reported

reported.write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
Gallery.open(sys.argv[1]).add(vectors([20]), entries([20]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "g"],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    with Gallery.open(tmp_path / "g") as gallery:
        assert contents(gallery) == set(range(21))
        assert gallery.verify().problems == ()
