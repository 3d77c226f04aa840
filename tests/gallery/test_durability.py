"""What a gallery said is stored is there: after `kill -9`, a full disk, or beside others."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from galleries import SPACE, contents, entries, filled, vectors
from twinlens.atomic import WriteError, unfinished_files
from twinlens.gallery import Gallery, Migration, Space, cache_file

TESTS = Path(__file__).parents[1]
WORKER = Path(__file__).with_name("worker.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}


def python(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it in a process of its own, to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def worker(folder: Path, seed: int, deadline: int, operations: int = 30) -> tuple[int, list[str]]:
    """Run it. -> (exit code, what it said)."""
    done = python(WORKER, folder, str(seed), str(deadline), str(operations))
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode, done.stdout.splitlines()


def held_to(gallery: Gallery, before: set[int], said: list[str]) -> None:
    """Check that a gallery holds what was reported, with the unfinished operation whole or not."""
    expected = set(before)
    unfinished: list[str] = []
    for line in said:
        if line != "done":
            unfinished = line.split()
            continue
        expected = after(expected, unfinished)
        unfinished = []
    found = contents(gallery)
    assert found in (expected, after(expected, unfinished))
    assert gallery.verify().problems == ()
    some = sorted(found)[:20]
    for number, row in zip(some, gallery.search(vectors(some), 1), strict=True):
        assert int(row[0].item.entry.content) == number


def after(there: set[int], operation: list[str]) -> set[int]:
    """What is there after an operation."""
    action, *numbers = operation or ["nothing"]
    named = set(map(int, numbers))
    return there | named if action == "add" else there - named if action == "remove" else there


def test_kills_at_any_moment_lose_nothing_and_leave_no_ghosts(tmp_path: Path) -> None:
    filled(tmp_path / "g", 40).close()
    before = set(range(40))
    rng = np.random.default_rng(0)
    killed = 0
    for seed in range(8):
        code, said = worker(tmp_path / "g", seed, int(rng.integers(2_000, 20_000)))
        killed += code != 0
        with Gallery.open(tmp_path / "g") as gallery:
            held_to(gallery, before, said)
            before = contents(gallery)
    assert killed >= 6


def killed_while_it_writes_the_index(folder: Path) -> Path:
    """The temporary file, full of templates, that a `kill -9` leaves."""
    code = """
import os, signal, sys
from twinlens.gallery import Gallery, index

write = index.Index.write
def then_dies(self, file):
    write(self, file)
    file._file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
index.Index.write = then_dies
Gallery.open(sys.argv[1]).rebuild()
"""
    done = python("-c", code, folder)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (left,) = unfinished_files(folder / cache_file.NAME)
    return left


@pytest.mark.parametrize("then", ["remove", "migrate"])
def test_templates_that_a_kill_left_go_when_theirs_must(tmp_path: Path, then: str) -> None:
    folder = tmp_path / "g"
    filled(folder, 40).close()
    secret = vectors([3])[0].astype("<f4").tobytes()
    left = killed_while_it_writes_the_index(folder)
    assert secret in left.read_bytes()
    if then == "remove":
        with Gallery.open(folder) as gallery:
            assert gallery.remove([4]).erased
            assert gallery.verify_removed(4) == []
    else:
        with Migration(folder, Space("other", SPACE.dim, SPACE.similarity)) as migration:
            assert migration.finish(without=range(1, 41))
    assert not left.exists()
    assert not any(secret in part.read_bytes() for part in folder.iterdir())


def test_what_a_kill_left_is_told_until_it_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "g"
    with filled(folder, 40) as gallery:
        gallery.remove([4])
    left = killed_while_it_writes_the_index(folder)
    with Gallery.open(folder) as gallery:
        (problem,) = gallery.verify_removed(4)
        assert left.name in problem
        assert "rebuild the index" in problem
        gallery.rebuild()
        assert gallery.verify_removed(4) == []
    assert not left.exists()


@pytest.fixture(params=["limit", "disk"])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder in which files cannot grow for long; a real disk where one may be mounted."""
    if request.param == "limit":
        yield tmp_path
        return
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def test_a_full_disk_loses_nothing(small: Path) -> None:
    filled(small / "g", 40).close()
    code = """
import resource, signal, sys
from pathlib import Path
from galleries import entries, vectors
from twinlens.errors import GalleryError
from twinlens.gallery import Gallery

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
with Gallery.open(sys.argv[1]) as gallery:
    start = 40
    try:
        while True:
            numbers = range(start, start + 50)
            gallery.add(vectors(numbers), entries(numbers))
            start += 50
            print(start, flush=True)
    except GalleryError as error:
        assert "must have room to grow" in str(error), error
    assert int(gallery.search(vectors([start - 1]), 1)[0][0].item.entry.content) == start - 1
"""
    done = python("-c", code, small / "g")
    assert done.returncode == 0, done.stderr
    stored = [int(line) for line in done.stdout.splitlines()]
    assert len(stored) > 2
    with Gallery.open(small / "g") as gallery:
        assert contents(gallery) == set(range(stored[-1]))
        assert gallery.verify().problems == ()
        gallery.remove(list(range(1, 30)))  # which takes room, too, and gives some back
        assert gallery.verify().problems == ()


def test_an_index_that_cannot_be_written_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *rest: object) -> None:
        raise WriteError(f"{path} must be writable. Got: No space left on device.")

    with monkeypatch.context() as patched:
        patched.setattr(cache_file, "save", full)
        with filled(tmp_path / "g", 40) as gallery:
            gallery.remove([1])
            with pytest.raises(WriteError):
                gallery.rebuild()
    assert not (tmp_path / "g" / cache_file.NAME).exists()
    with Gallery.open(tmp_path / "g") as gallery:
        assert contents(gallery) == set(range(1, 40))
        assert gallery.verify().problems == ()


def test_writers_take_turns_and_readers_see_whole_batches(tmp_path: Path) -> None:
    Gallery.create(tmp_path / "g", SPACE, log_searches=False).close()
    code = """
import sys
from pathlib import Path
from galleries import entries, vectors
from twinlens.gallery import Gallery

folder, first = Path(sys.argv[1]), int(sys.argv[2])
with Gallery.open(folder) as gallery:
    for start in range(first, first + 400, 20):
        gallery.add(vectors(range(start, start + 20)), entries(range(start, start + 20)))
        gallery.search(vectors([start]))
"""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path / "g", str(first)],
            env=ENVIRONMENT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for first in (0, 1000)
    ]
    looks = 0
    with Gallery.open(tmp_path / "g") as reader:
        while any(writer.poll() is None for writer in writers):
            hits = reader.search(vectors([0]), 1000)[0]
            assert len(hits) % 20 == 0
            assert len({hit.item.id for hit in hits}) == len(hits)
            looks += 1
    for writer in writers:
        _, errors = writer.communicate()
        assert writer.returncode == 0, errors
    assert looks
    with Gallery.open(tmp_path / "g") as gallery:
        assert contents(gallery) == {*range(400), *range(1000, 1400)}
        assert gallery.verify().problems == ()


def test_a_gallery_is_closed_while_another_process_writes(tmp_path: Path) -> None:
    folder = tmp_path / "g"
    gallery = filled(folder, 40)
    gallery.search(vectors([0]))  # so that there is an index to keep
    other = sqlite3.connect(gallery.store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    gallery.close()
    other.execute("ROLLBACK")
    other.close()
    with Gallery.open(folder) as gallery:
        assert len(gallery) == 40


def test_threads_share_an_open_gallery(tmp_path: Path) -> None:
    with filled(tmp_path / "g", 60) as gallery:

        def ask(number: int) -> int:
            if number >= 60:
                gallery.add(vectors([number]), entries([number]))
            return int(gallery.search(vectors([number]), 1)[0][0].item.entry.content)

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(ask, range(120))) == list(range(120))


def test_a_graph_is_searched_beside_packages_that_change_faiss(tmp_path: Path) -> None:
    filled(tmp_path / "g", 60).close()
    code = """
import sys
import faiss.contrib.torch_utils
from galleries import vectors
from twinlens.gallery import Gallery, index

index.EXACT_VALUES = 100
with Gallery.open(sys.argv[1]) as gallery:
    gallery.remove([3])
    hits = gallery.search(vectors(range(10, 60)), 1)
    assert gallery.stats().index == "graph"
    assert [int(row[0].item.entry.content) for row in hits] == list(range(10, 60))
    assert gallery.verify().problems == ()
"""
    done = python("-c", code, tmp_path / "g")
    assert done.returncode == 0, done.stderr
