"""The decode cache: each file is decoded once, and never held in memory with all the others."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from twinlens.data.array_file import Array, ArrayFile, FileState, Record, clear_errors
from twinlens.data.duplicates import content_hash
from twinlens.data.problems import listed
from twinlens.errors import DataError
from twinlens.modalities.base import Modality
from twinlens.types import Batch, IntArray

RESIDENT_BYTES = 128 * 2**20
"""Bound on the mapped pages that a store keeps in memory."""
_READ_AROUND = 2**16
"""What the system maps around a touched page, in bytes."""
_CHUNK = 256
"""Files between two reports of progress."""
_COMMIT_BYTES = 32 * 2**20
_COMMIT_FILES = 4096
_THREADS = 4
_WORTH_A_THREAD = 8192
"""Mean size of a file, in bytes, above which decoding it leaves the interpreter lock alone long
enough for threads to help. Below it (Omniglot: 200 bytes) they cost a fifth of the speed."""

Progress = Callable[[int, int], None]


def default_cache_folder() -> Path:
    """`twinlens` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twinlens"


class ArrayStore:
    """Decoded examples on disk, read by position through a memory map.

    Arrays of one shape are gathered by a single vectorised index into the map; others are padded
    by the modality. Pages that reading maps into memory count as the process's own, so once they
    may exceed `RESIDENT_BYTES` they are handed back to the system, which still keeps them in its
    page cache while there is room. A larger store therefore needs no more memory.

    Args:
        path: file of arrays.
        records: where each example lies.
        modality: pads arrays of different shapes.
    """

    def __init__(self, path: Path, records: Sequence[Record], modality: Modality) -> None:
        self._modality = modality
        self._layouts = list({record.layout: None for record in records})
        number = {layout: i for i, layout in enumerate(self._layouts)}
        self._layout_of = np.array([number[r.layout] for r in records], np.int64)  # [n]
        self._places = np.array([r.place for r in records], np.int64)  # [n]
        self._map = _map(path, max((r.place + r.layout.bytes for r in records), default=0))
        self._table = self._as_table()
        self._touched = 0

    def __len__(self) -> int:
        return len(self._places)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """[channels, *axes] of each example."""
        return [self._layouts[number].shape for number in self._layout_of]

    def gather(self, positions: IntArray) -> Batch:
        """The examples at these positions as one batch, copied out of the file.

        Args:
            positions: [batch] int64; may repeat.
        """
        if self._table is not None:
            layout = self._layouts[0]
            rows = self._places[positions] // layout.bytes
            taken = np.take(self._table, rows, axis=0)  # [batch, bytes]
            values = taken.view(layout.dtype).reshape(len(rows), *layout.shape)
            batch = Batch(values)
        else:
            batch = self._modality.collate([self._array(int(position)) for position in positions])
        self._release(len(positions) * _READ_AROUND + batch.values.nbytes)
        return batch

    def _array(self, position: int) -> Array:
        layout = self._layouts[self._layout_of[position]]
        count = layout.bytes // np.dtype(layout.dtype).itemsize
        place = int(self._places[position])
        return np.frombuffer(self._map, layout.dtype, count, place).reshape(layout.shape)

    def _as_table(self) -> Array | None:
        """The file as [records, bytes], when all examples have one layout and lie in its grid."""
        if len(self._layouts) != 1:
            return None
        size = self._layouts[0].bytes
        if np.any(self._places % size):
            return None
        return np.frombuffer(self._map, np.uint8, len(self._map) // size * size).reshape(-1, size)

    def _release(self, touched: int) -> None:
        """Hand mapped pages back once there may be too many of them."""
        self._touched += touched
        if self._touched < RESIDENT_BYTES or len(self._map) <= RESIDENT_BYTES:
            return
        self._touched = 0
        if isinstance(self._map, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)


def open_store(
    refs: Sequence[str],
    modality: Modality,
    *,
    fingerprint: str,
    folder: Path,
    content: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> ArrayStore:
    """Decode what the cache does not hold yet, and open all of it.

    Without `content`, a file whose path, size and time of change are known is not read. A changed
    one is hashed; if its content is known under any name, it is not decoded.

    Args:
        refs: files, what `modality.load` takes.
        modality: loads and prepares them.
        fingerprint: of what the modality does to a file; another one has its own cache.
        folder: of all caches.
        content: ref -> content hash of every file, by a caller who has read them all: then nothing
            rests on what a file's time of change says.
        progress: told of (decoded, to be decoded).

    Raises:
        DataError: files cannot be read (names all of them), or the cache cannot be written.
    """
    paths = [os.path.abspath(ref) for ref in refs]  # noqa: PTH100 — a Path each is slow
    keys = None if content is None else {p: content[r] for p, r in zip(paths, refs, strict=True)}
    with ArrayFile(folder / fingerprint[:32]) as arrays:
        states, unreadable = _states(dict.fromkeys(paths))
        records = arrays.lookup(states, keys)
        pending = [state for state in states if state.path not in records]
        unreadable += _ingest(pending, arrays, modality, progress)
        if unreadable:
            raise DataError(listed(unreadable, "The data"))
        records |= arrays.lookup(pending)
        with clear_errors(folder):
            return ArrayStore(arrays.data, [records[path] for path in paths], modality)


def _states(paths: dict[str, None]) -> tuple[list[FileState], list[str]]:
    """The state of each file, and a message for each that has none."""
    states: list[FileState] = []
    missing: list[str] = []
    for path in paths:
        try:
            status = os.stat(path)  # noqa: PTH116 — a Path each is slow
        except OSError as error:
            missing.append(f"{path} must be a readable file. Got: {error.strerror}. Correct it.")
        else:
            states.append(FileState(path, status.st_size, status.st_mtime_ns))
    return states, missing


def _ingest(
    pending: Sequence[FileState],
    arrays: ArrayFile,
    modality: Modality,
    progress: Progress | None,
) -> list[str]:
    """Decode files into the cache, batch by batch. Returns a message for each unreadable one."""
    unreadable: list[str] = []
    batch: dict[str, Array] = {}
    files: list[tuple[FileState, str]] = []
    done = 0
    with ExitStack() as stack:
        threads = _threads(pending, stack)
        for chunk in _chunks(pending):
            keyed = _hashed(chunk, threads, unreadable)
            fresh = _fresh(keyed, arrays, batch)
            batch |= _decoded(fresh, modality, threads, unreadable)
            whole = batch.keys() | arrays.known([key for _, key in keyed])
            files += [(state, key) for state, key in keyed if key in whole]
            size = sum(array.nbytes for array in batch.values())
            if size >= _COMMIT_BYTES or len(files) >= _COMMIT_FILES:
                arrays.append(batch, files)
                batch, files = {}, []
            done += len(chunk)
            if progress is not None:
                progress(done, len(pending))
    if files:
        arrays.append(batch, files)
    return unreadable


def _threads(pending: Sequence[FileState], stack: ExitStack) -> Executor | None:
    """Threads to decode in, or None when the files are so small that one is faster."""
    mean = sum(state.size for state in pending) / max(1, len(pending))
    count = min(_THREADS, os.cpu_count() or 1)
    if mean < _WORTH_A_THREAD or count == 1:
        return None
    return stack.enter_context(ThreadPoolExecutor(count))


def _chunks(pending: Sequence[FileState]) -> Iterator[Sequence[FileState]]:
    for start in range(0, len(pending), _CHUNK):
        yield pending[start : start + _CHUNK]


def _hashed(
    chunk: Sequence[FileState], threads: Executor | None, unreadable: list[str]
) -> list[tuple[FileState, str]]:
    """Each readable file with its content key."""

    def attempt(state: FileState) -> str | DataError:
        try:
            return content_hash(state.path)
        except DataError as error:
            return error

    found = (threads.map if threads else map)(attempt, chunk)
    keyed: list[tuple[FileState, str]] = []
    for state, result in zip(chunk, found, strict=True):
        if isinstance(result, DataError):
            unreadable.append(str(result))
        else:
            keyed.append((state, result))
    return keyed


def _fresh(
    keyed: Sequence[tuple[FileState, str]], arrays: ArrayFile, batch: dict[str, Array]
) -> dict[str, list[str]]:
    """Content key -> its files, for contents that are neither stored nor about to be."""
    known = arrays.known([key for _, key in keyed]) | batch.keys()
    fresh: dict[str, list[str]] = {}
    for state, key in keyed:
        if key not in known:
            fresh.setdefault(key, []).append(state.path)
    return fresh


def _decoded(
    fresh: dict[str, list[str]],
    modality: Modality,
    threads: Executor | None,
    unreadable: list[str],
) -> dict[str, Array]:
    """The prepared array of each content, decoded from the first of its files."""

    def attempt(paths: list[str]) -> Array | DataError:
        try:
            return np.ascontiguousarray(modality.prepare(modality.load(paths[0])))
        except DataError as error:
            return error

    found = (threads.map if threads else map)(attempt, fresh.values())
    arrays: dict[str, Array] = {}
    for (key, paths), result in zip(fresh.items(), found, strict=True):
        if isinstance(result, DataError):
            unreadable.append(str(result))
            unreadable += [f"{path} has the same bytes as {paths[0]}." for path in paths[1:]]
        else:
            arrays[key] = result
    return arrays


def _map(path: Path, size: int) -> mmap.mmap | bytes:
    """The first `size` bytes of a file, mapped; an empty file cannot be."""
    if not size:
        return b""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
