"""The decode cache: decoded once, right after any kill, small in memory."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from twinlens.data import cache
from twinlens.data.array_file import ArrayFile, Layout, Record
from twinlens.data.cache import ArrayStore, default_cache_folder, open_store
from twinlens.errors import DataError
from twinlens.modalities import Image


class Watched(Image):
    """An image modality that remembers what it decoded."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"size": 8, "colour": "grey", **settings})
        self.decoded: list[str] = []

    def load(self, ref: str) -> Any:
        self.decoded.append(ref)
        return super().load(ref)


def draw(path: Path, seed: int, height: int = 10, width: int = 10) -> str:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    Pillow.fromarray(pixels).save(path)
    return str(path)


@pytest.fixture
def refs(tmp_path: Path) -> list[str]:
    return [draw(tmp_path / f"{i:02d}.png", i) for i in range(20)]


def opened(refs: list[str], tmp_path: Path, modality: Watched | None = None) -> ArrayStore:
    return open_store(refs, modality or Watched(), fingerprint="print", folder=tmp_path / "cache")


def expected(refs: list[str], **settings: Any) -> list[np.ndarray]:
    modality = Watched(**settings)
    return [modality.prepare(modality.load(ref)) for ref in refs]


def assert_whole(store: ArrayStore, refs: list[str]) -> None:
    np.testing.assert_array_equal(
        store.gather(np.arange(len(refs))).values, np.stack(expected(refs))
    )


def test_gather_gives_the_prepared_arrays_in_the_order_asked_for(
    refs: list[str], tmp_path: Path
) -> None:
    store = opened(refs, tmp_path)
    assert len(store) == 20 and store.shapes == [(1, 8, 8)] * 20
    positions = np.array([19, 0, 0, 7])
    batch = store.gather(positions)
    assert batch.mask is None and batch.values.dtype == np.uint8
    want = expected(refs)
    for row, position in zip(batch.values, positions, strict=True):
        np.testing.assert_array_equal(row, want[position])
    batch.values[:] = 0  # a copy: nothing reaches the file
    assert_whole(store, refs)


def test_any_order_of_references_reads_the_same_cache(refs: list[str], tmp_path: Path) -> None:
    opened(refs, tmp_path)
    modality = Watched()
    some = [refs[5], refs[2], refs[5]]
    assert_whole(opened(some, tmp_path, modality), some)
    assert modality.decoded == []


def test_arrays_of_different_sizes_are_padded_and_masked(tmp_path: Path) -> None:
    refs = [draw(tmp_path / f"{i}.png", i, height=3 + i, width=9 - i) for i in range(4)]
    store = opened(refs, tmp_path, Watched(fit="native"))
    want = expected(refs, fit="native")
    assert store.shapes == [array.shape for array in want]
    batch = store.gather(np.array([3, 1]))
    assert batch.values.shape == (2, 1, 6, 8) and batch.mask is not None
    np.testing.assert_array_equal(batch.values[0, :, :, :6], want[3])
    assert batch.mask[1].sum() == want[1].size
    assert store.gather(np.array([2, 2])).mask is None


def test_nothing_is_decoded_twice(refs: list[str], tmp_path: Path) -> None:
    first, second = Watched(), Watched()
    opened(refs[:15], tmp_path, first)
    opened(refs, tmp_path, second)
    assert first.decoded == refs[:15]
    assert second.decoded == refs[15:]


def test_a_known_file_is_not_even_read(
    refs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(refs, tmp_path)

    def never(path: str) -> str:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr(cache, "content_hash", never)
    assert_whole(opened(refs, tmp_path), refs)


def test_equal_content_is_decoded_once(refs: list[str], tmp_path: Path) -> None:
    copies = [shutil.copy(refs[0], tmp_path / f"copy{i}.png") for i in range(3)]
    together, later = Watched(), Watched()
    opened([refs[0], *copies[:2]], tmp_path, together)
    store = opened([str(copies[2])], tmp_path, later)
    assert len(together.decoded) == 1 and later.decoded == []
    assert_whole(store, [refs[0]])


def test_a_touched_file_is_hashed_but_not_decoded(refs: list[str], tmp_path: Path) -> None:
    opened(refs, tmp_path)
    os.utime(refs[3], ns=(1, 1))
    modality = Watched()
    assert_whole(opened(refs, tmp_path, modality), refs)
    assert modality.decoded == []


def test_a_changed_file_is_decoded_anew(refs: list[str], tmp_path: Path) -> None:
    opened(refs, tmp_path)
    draw(Path(refs[3]), 99)
    os.utime(refs[3], ns=(1, 1))
    modality = Watched()
    assert_whole(opened(refs, tmp_path, modality), refs)
    assert modality.decoded == [refs[3]]


def test_another_fingerprint_has_its_own_arrays(refs: list[str], tmp_path: Path) -> None:
    opened(refs, tmp_path)
    small = Watched(size=4)
    store = open_store(refs, small, fingerprint="other", folder=tmp_path / "cache")
    assert store.shapes[0] == (1, 4, 4) and len(small.decoded) == 20


def test_progress_ends_at_the_number_of_files_to_decode(refs: list[str], tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    for _ in range(2):
        open_store(
            refs,
            Watched(),
            fingerprint="print",
            folder=tmp_path,
            progress=lambda done, total: told.append((done, total)),
        )
    assert told == [(20, 20)]


@pytest.mark.parametrize("files_a_commit", [1, 1000])
@pytest.mark.parametrize("worth_a_thread", [0, 10**9])
def test_batches_and_threads_change_nothing(
    files_a_commit: int,
    worth_a_thread: int,
    refs: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cache, "_CHUNK", 3)
    monkeypatch.setattr(cache, "_COMMIT_FILES", files_a_commit)
    monkeypatch.setattr(cache, "_WORTH_A_THREAD", worth_a_thread)
    twins = [*refs, shutil.copy(refs[19], tmp_path / "twin.png")]
    assert_whole(opened(twins, tmp_path), twins)
    assert_whole(opened(twins, tmp_path), twins)


def test_all_unreadable_files_are_named_and_the_others_kept(
    refs: list[str], tmp_path: Path
) -> None:
    Path(refs[2]).write_bytes(b"")
    Path(refs[5]).write_bytes(b"no picture")
    Path(refs[7]).unlink()
    shutil.copy(refs[5], tmp_path / "copy.png")
    with pytest.raises(DataError, match="Got 4:") as error:
        opened([*refs, str(tmp_path / "copy.png")], tmp_path)
    assert all(Path(refs[i]).name in str(error.value) for i in (2, 5, 7))
    assert "copy.png has the same bytes" in str(error.value)
    rest = [ref for i, ref in enumerate(refs) if i not in (2, 5, 7)]
    modality = Watched()
    assert_whole(opened(rest, tmp_path, modality), rest)
    assert modality.decoded == []


def test_an_empty_store_opens(tmp_path: Path) -> None:
    store = opened([], tmp_path)
    assert len(store) == 0 and store.shapes == []


# Kills and damage

_SCRIPT = """
import os, signal, sys
from pathlib import Path
from twinlens.data import array_file, cache
from twinlens.modalities import Image

cache._CHUNK = cache._COMMIT_FILES = 4
folder, action, *refs = sys.argv[1:]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if action == "between":
    progress = lambda done, total: die() if done == 12 else None
elif action == "uncommitted":  # the data is on disk, the index does not know
    write, calls = array_file.ArrayFile._write, []
    def dying(self, arrays, end):
        write(self, arrays, end)
        calls.append(end)
        if len(calls) == 3:
            die()
    array_file.ArrayFile._write = dying
    progress = None
else:
    progress = None
modality = Image(size=8, colour="grey")
cache.open_store(refs, modality, fingerprint="print", folder=Path(folder), progress=progress)
"""


def start(action: str, refs: list[str], tmp_path: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _SCRIPT, str(tmp_path / "cache"), action, *refs]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})


@pytest.mark.parametrize(("action", "kept"), [("between", 12), ("uncommitted", 8)])
def test_a_kill_loses_only_what_was_not_committed(
    action: str, kept: int, refs: list[str], tmp_path: Path
) -> None:
    assert start(action, refs, tmp_path).wait() == -signal.SIGKILL
    modality = Watched()
    assert_whole(opened(refs, tmp_path, modality), refs)
    assert modality.decoded == refs[kept:]


def test_two_processes_fill_one_cache(refs: list[str], tmp_path: Path) -> None:
    both = [start("finish", refs, tmp_path), start("finish", refs[::-1], tmp_path)]
    assert [process.wait() for process in both] == [0, 0]
    modality = Watched()
    assert_whole(opened(refs, tmp_path, modality), refs)
    assert modality.decoded == []
    assert (tmp_path / "cache" / "print" / "arrays.bin").stat().st_size == 20 * 64


def _garbage_index(folder: Path) -> None:
    (folder / "index.sqlite").write_bytes(b"garbage" * 1000)


def _empty_index(folder: Path) -> None:
    (folder / "index.sqlite").write_bytes(b"")


def _damaged_index(folder: Path) -> None:
    content = bytearray((folder / "index.sqlite").read_bytes())
    content[4096:] = bytes(len(content) - 4096)
    (folder / "index.sqlite").write_bytes(bytes(content))


def _other_version(folder: Path) -> None:
    index = sqlite3.connect(folder / "index.sqlite")
    index.execute("PRAGMA user_version = 999")
    index.close()


def _short_data(folder: Path) -> None:
    os.truncate(folder / "arrays.bin", 100)


def _no_data(folder: Path) -> None:
    (folder / "arrays.bin").unlink()


def _no_index(folder: Path) -> None:
    (folder / "index.sqlite").unlink()


@pytest.mark.parametrize(
    "damage",
    [
        _garbage_index,
        _empty_index,
        _damaged_index,
        _other_version,
        _short_data,
        _no_data,
        _no_index,
    ],
)
def test_a_damaged_cache_is_rebuilt_under_the_eyes_of_its_readers(
    damage: Callable[[Path], None], refs: list[str], tmp_path: Path
) -> None:
    reader = opened(refs, tmp_path)
    damage(tmp_path / "cache" / "print")
    modality = Watched()
    assert_whole(opened(refs, tmp_path, modality), refs)
    assert modality.decoded == refs
    if damage is not _short_data:  # which takes the data from under the reader by itself
        assert_whole(reader, refs)
    assert sorted(p.name for p in (tmp_path / "cache" / "print").iterdir()) == [
        "arrays.bin",
        "index.sqlite",
        "lock.sqlite",
    ]


def test_bytes_behind_the_last_array_are_overwritten(refs: list[str], tmp_path: Path) -> None:
    opened(refs[:5], tmp_path)
    with (tmp_path / "cache" / "print" / "arrays.bin").open("ab") as file:
        file.write(b"half an array")
    assert_whole(opened(refs, tmp_path), refs)


# Disks


def test_a_folder_that_cannot_be_made_is_named(refs: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Set data.cache") as error:
        open_store(refs, Watched(), fingerprint="print", folder=Path(refs[0]) / "cache")
    assert refs[0] in str(error.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_named(refs: list[str], tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o500)
    with pytest.raises(DataError, match="Set data.cache"):
        opened(refs, tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_is_one_clear_error_and_leaves_what_was_whole(
    refs: list[str], tmp_path: Path, small_disk: Path
) -> None:
    def grown(some: list[str], size: int) -> ArrayStore:
        modality = Watched(size=size)
        return open_store(some, modality, fingerprint="print", folder=small_disk)

    assert_whole(grown(refs[:4], 8), refs[:4])
    with pytest.raises(DataError, match=r"Set data.cache.*free some space"):
        grown(refs[4:], 128)  # 16 × 16 KiB
    assert (small_disk / "print" / "arrays.bin").stat().st_size == 4 * 64
    assert_whole(grown(refs[:6], 8), refs[:6])


# Memory


def test_reading_holds_no_more_than_a_batch(tmp_path: Path) -> None:
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("only Linux tells the pages of a process")

    def resident_bytes() -> int:
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))

    layout = Layout((3, 64, 64), "|u1")
    block = np.zeros(8 * 2**20 // layout.bytes * layout.bytes, np.uint8).tobytes()
    path = tmp_path / "arrays.bin"
    with path.open("wb") as file:  # written, since holes are not read as files are
        count = sum(file.write(block) for _ in range(16)) // layout.bytes
    store = ArrayStore(path, [Record(i * layout.bytes, layout) for i in range(count)], Watched())
    store.gather(np.arange(100))
    before = highest = resident_bytes()
    for positions in np.array_split(np.random.default_rng(0).permutation(count), 100):
        store.gather(positions)
        highest = max(highest, resident_bytes())
    assert highest - before < 32 * 2**20  # of 128


def test_a_file_that_was_cut_off_is_one_clear_error(refs: list[str], tmp_path: Path) -> None:
    store = opened(refs, tmp_path)
    (file,) = tmp_path.rglob("arrays.bin")
    os.truncate(file, 10)
    with pytest.raises(DataError, match="cut off"):
        store.gather(np.array([0, 1]))


def test_the_default_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "twinlens"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_folder() == Path.home() / ".cache" / "twinlens"


@given(
    shapes=st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=8
    ),
    dtype=st.sampled_from(["u1", "f4", "i2"]),
    commits=st.integers(1, 3),
)
@settings(max_examples=30, deadline=None)
def test_any_arrays_come_back_as_they_were(
    shapes: list[tuple[int, ...]],
    dtype: str,
    commits: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    rng = np.random.default_rng(0)
    arrays = [(rng.random(shape) * 200).astype(dtype) for shape in shapes]
    with ArrayFile(tmp_path_factory.mktemp("cache")) as file:
        states = [cache.FileState(f"{i}", i, i) for i in range(len(arrays))]
        for part in range(commits):
            mine = range(part, len(arrays), commits)
            file.append({f"{i}": arrays[i] for i in mine}, [(states[i], f"{i}") for i in mine])
        found = file.lookup(states)
        store = ArrayStore(file.data, [found[state.path] for state in states], Watched())
        for i, array in enumerate(arrays):
            np.testing.assert_array_equal(store.gather(np.array([i])).values[0], array)
        changed = cache.FileState("0", 0, 77)
        assert file.lookup([changed]) == {}


def test_the_kill_script_is_one_that_can_finish(refs: list[str], tmp_path: Path) -> None:
    assert textwrap.dedent(_SCRIPT) == _SCRIPT
    assert start("finish", refs, tmp_path).wait() == 0
