"""The decode cache: each file is decoded once, and never held in memory with all the others."""

from __future__ import annotations

import os
import weakref
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
    """Decoded examples on disk, of which a batch at a time is read into memory.

    Reading and not mapping, because the system maps up to 2 MB around a page that is touched and
    counts all of it as the process's own; what was read stays in its page cache all the same while
    there is room. A larger store therefore needs no more memory.

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
        self._path = path
        self._file = path.open("rb", buffering=0)
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return len(self._places)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """[channels, *axes] of each example."""
        return [self._layouts[number].shape for number in self._layout_of]

    def gather(self, positions: IntArray) -> Batch:
        """The examples at these positions as one batch. Not for several threads at once.

        Arrays of one shape are read straight into the batch; others are padded by the modality.

        Args:
            positions: [batch] int64; may repeat.

        Raises:
            DataError: the file was cut off or cannot be read.
        """
        numbers = self._layout_of[positions]
        if len(self._layouts) == 1:
            layout = self._layouts[0]
            values = np.empty((len(positions), *layout.shape), layout.dtype)
            for value, place in zip(values, self._places[positions].tolist(), strict=True):
                self._read(place, value)
            return Batch(values)
        arrays = [np.empty(self._layouts[n].shape, self._layouts[n].dtype) for n in numbers]
        for array, place in zip(arrays, self._places[positions].tolist(), strict=True):
            self._read(place, array)
        return self._modality.collate(arrays)

    def _read(self, place: int, into: Array) -> None:
        try:
            self._file.seek(place)
            count = self._file.readinto(into.data)
        except OSError as error:
            raise DataError(
                f"{self._path} must be readable. Got: {error.strerror}. Try again."
            ) from error
        if count != into.nbytes:
            raise DataError(
                f"{self._path} must hold all that was decoded. Got a file that was cut off. "
                "Delete it: it is made anew."
            )


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
