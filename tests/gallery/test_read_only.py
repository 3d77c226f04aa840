"""Where nothing can be written a gallery is read: another account, a disk that is full."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from galleries import SPACE, entries, filled, vectors
from twinlens.errors import GalleryError
from twinlens.gallery import Gallery, Migration, Space, cache_file, export_gallery
from twinlens.gallery.store import NAME

TESTS = Path(__file__).parents[1]
NOBODY = 65534
READ = """
import os, sys
from pathlib import Path
import numpy as np
from galleries import contents, entries, vectors
from twinlens.errors import GalleryError
from twinlens.gallery import Gallery, export_gallery

def refused(what, word):
    try:
        what()
    except GalleryError as error:
        assert word in str(error) and "\\n" not in str(error), error
    else:
        raise AssertionError("it must be refused")

folder, out, account, count, is_closed = sys.argv[1:]
np.linalg.norm(vectors([0])); contents; entries
if os.getuid() == 0:
    os.setgroups([]); os.setgid(int(account)); os.setuid(int(account))
before = sorted(path.name for path in Path(folder).iterdir())
with Gallery.open(folder) as gallery:
    assert gallery.read_only is not None
    assert contents(gallery) == set(range(int(count)))
    assert int(gallery.search(vectors([7]), 1)[0][0].item.entry.content) == 7
    assert gallery.verify().problems == ()
    assert gallery.stats().items == int(count)
    assert gallery.verify_removed(1) == ["item 1 is still there"]
    assert gallery.log()[-1].action == "add"
    assert export_gallery(gallery, Path(out)) == int(count)
    refused(lambda: gallery.add(vectors([999]), entries([999])), "nothing was stored")
    refused(lambda: gallery.remove([1]), "must be writable to be changed")
    refused(gallery.rebuild, "must be writable to be changed")
    print(gallery.read_only)
if is_closed == "1":
    assert sorted(path.name for path in Path(folder).iterdir()) == before
"""


def read_as_another(folder: Path, out: Path, count: int, *, is_closed: bool = True) -> str:
    """All that can be done without writing, by an account that may only read. -> why it may not."""
    given = [folder, out, str(NOBODY), str(count), str(int(is_closed))]
    done = subprocess.run(
        [sys.executable, "-c", READ, *given],
        env={**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every account may look into."""
    with tempfile.TemporaryDirectory(prefix="twinlens-shared-") as place:
        Path(place).chmod(0o755)
        (Path(place) / "out").mkdir()
        (Path(place) / "out").chmod(0o777)
        yield Path(place)


def closed_to(folder: Path, mode: int) -> None:
    """Let others only read."""
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(mode)


@pytest.fixture
def killed(shared: Path) -> Path:
    """A gallery of 40 things whose writer was killed, and part of it is in the write-ahead log."""
    with filled(shared / "g", 20):
        pass
    code = """
import os, signal, sys
from galleries import entries, vectors
from twinlens.gallery import Gallery
gallery = Gallery.open(sys.argv[1])
gallery.add(vectors(range(20, 40)), entries(range(20, 40)))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, shared / "g"],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert (shared / "g" / f"{NAME}-wal").stat().st_size
    return shared / "g"


@pytest.mark.parametrize("mode", [0o555, 0o777])
def test_who_may_only_read_reads(shared: Path, mode: int) -> None:
    filled(shared / "g", 40).close()
    closed_to(shared / "g", mode)
    why = read_as_another(shared / "g", shared / "out" / "a", 40, is_closed=mode == 0o555)
    assert "may not be written to" in why
    shutil.rmtree(shared / "out" / "a")
    (shared / "g").chmod(0o755)
    for path in (shared / "g").iterdir():
        path.chmod(0o644)
    with Gallery.open(shared / "g") as gallery:
        assert gallery.read_only is None
        gallery.remove([1])
        assert gallery.verify().problems == ()
        assert gallery.verify_removed(1) == []


def test_who_may_only_read_sees_what_a_write_ahead_log_holds(killed: Path) -> None:
    closed_to(killed, 0o555)
    why = read_as_another(killed, killed.parent / "out" / "a", 40)
    assert "may not be written to" in why


def test_a_write_ahead_log_that_cannot_be_read_is_never_passed_over(killed: Path) -> None:
    (killed / f"{NAME}-shm").unlink()
    closed_to(killed, 0o555)
    if os.getuid():
        with pytest.raises(GalleryError, match="write-ahead log holds what is not in it yet"):
            Gallery.open(killed)
        return
    with pytest.raises(AssertionError, match="write-ahead log holds what is not in it yet"):
        read_as_another(killed, killed.parent / "out" / "a", 40)


@pytest.mark.skipif(os.getuid() != 0, reason="it takes two accounts")
def test_who_may_only_read_reads_beside_a_writer(shared: Path) -> None:
    with filled(shared / "g", 40):
        for path in (shared / "g").iterdir():
            path.chmod(0o644)
        (shared / "g").chmod(0o755)
        why = read_as_another(shared / "g", shared / "out" / "a", 40)
        assert "may not be written to" in why


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """A small disk at `tmp_path`, and what mounts it anew with other options."""

    def mount(options: str) -> int:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", tmp_path]
        return subprocess.run(command, capture_output=True, check=False).returncode

    if mount("size=2m"):
        pytest.skip("a disk cannot be mounted here")
    yield lambda options: None if mount(f"remount,{options}") == 0 else pytest.fail(options)
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


def test_a_disk_that_is_read_only_is_read(
    tmp_path: Path, shared: Path, disk: Callable[[str], None]
) -> None:
    filled(tmp_path / "g", 40).close()
    with filled(tmp_path / "logging", 5, log_searches=True) as gallery:
        assert gallery.search(vectors([1]), 1)
        gallery.remove([5])
        assert gallery.search(vectors([1]), 1)
    with filled(tmp_path / "open", 20) as gallery:
        gallery.remove([5])
        gallery.add(vectors([20]), entries([20]))
        shutil.copytree(tmp_path / "open", tmp_path / "killed")
    disk("ro")
    with Gallery.open(tmp_path / "killed") as gallery:
        (left,) = gallery.verify_removed(5)
        assert left == f"{NAME}-wal may hold it, and nothing can be written here"
    with Gallery.open(tmp_path / "g") as gallery:
        assert "may not be written to" in (gallery.read_only or "")
        assert int(gallery.search(vectors([7]), 1)[0][0].item.entry.content) == 7
        with pytest.raises(GalleryError, match="may not be written to"):
            gallery.remove([1])
    with pytest.raises(GalleryError, match="may not be written to"):
        Migration(tmp_path / "g", Space("other", SPACE.dim, SPACE.similarity))
    with Gallery.open(tmp_path / "logging") as gallery:  # who was searched is always known
        with pytest.raises(GalleryError, match=r"must be logged.*--no-log-searches"):
            gallery.search(vectors([1]), 1)
        assert gallery.verify_removed(5) == []
        assert [entry.action for entry in gallery.log(newest=2)] == ["remove", "search"]
        assert export_gallery(gallery, shared / "out" / "b") == 4


@pytest.mark.parametrize("spare", [0, 4096, 8192])
def test_a_disk_that_is_full_is_read_and_loses_nothing(
    tmp_path: Path, shared: Path, disk: Callable[[str], None], spare: int
) -> None:
    filled(tmp_path / "g", 40).close()
    (tmp_path / "g" / cache_file.NAME).unlink(missing_ok=True)
    full(tmp_path / "rest", spare)
    with Gallery.open(tmp_path / "g") as gallery:
        assert "has no room" in (gallery.read_only or "")
        assert [row[0].item.entry.content for row in gallery.search(vectors(range(40)), 1)] == [
            str(number) for number in range(40)
        ]
        assert gallery.verify().problems == ()
        assert export_gallery(gallery, shared / "out" / "a") == 40
        with pytest.raises(GalleryError, match="nothing was stored"):
            gallery.remove([1])
    (tmp_path / "rest").unlink()
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.read_only is None
        gallery.remove([1])
        assert len(gallery) == 39
        assert gallery.verify().problems == ()


def full(path: Path, spare: int) -> None:
    """Fill a disk but for so many bytes."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(file.tell() - spare)


def test_without_locks_a_change_meanwhile_is_told(
    tmp_path: Path, disk: Callable[[str], None]
) -> None:
    filled(tmp_path / "g", 40).close()
    full(tmp_path / "rest", 0)
    with Gallery.open(tmp_path / "g") as reader:
        assert len(reader) == 40
        (tmp_path / "rest").unlink()
        with Gallery.open(tmp_path / "g") as writer:
            writer.remove([8])
            with pytest.raises(GalleryError, match="change by another process. Open it again"):
                reader.search(vectors([7]), 1)
        with pytest.raises(GalleryError, match="change by another process. Open it again"):
            reader.search(vectors([7]), 1)
    with Gallery.open(tmp_path / "g") as reader:
        assert np.isin(8, reader.ids()).item() is False
