"""Decoded arrays on disk: an append-only file of bytes and an SQLite index over it.

    folder/arrays.bin     the arrays, one after another, without headers
    folder/index.sqlite   record: content key -> place, shape, dtype
                          file: path, size and time of change -> content key

A batch of arrays is appended and synced before the index that names it is committed. Whatever
moment a process dies at, the index therefore names only what is whole; bytes behind the last
committed array are overwritten by the next writer. SQLite's lock makes a second writer wait.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import numpy.typing as npt

from twinlens.errors import DataError

Array = npt.NDArray[np.generic]

VERSION = 1
"""Of the layout and of how files are decoded; another version on disk is rebuilt."""
LOCK_TIMEOUT_S = 600.0
_AT_ONCE = 500
_LOCK = "lock.sqlite"
_SCHEMA = """
CREATE TABLE record (
    key TEXT PRIMARY KEY, place INTEGER NOT NULL, bytes INTEGER NOT NULL,
    shape TEXT NOT NULL, dtype TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE file (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, changed_ns INTEGER NOT NULL, key TEXT NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells, without reading it, whether a file is still the one that was read."""

    path: str
    size: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Shape and dtype of an array in the file."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def bytes(self) -> int:
        """Size of the array."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class Record:
    """Where an array lies in the file, in bytes from its start."""

    place: int
    layout: Layout


class ArrayFile:
    """The arrays of one modality setting, by path and by content.

    Damage and other versions are noticed when it is opened; it then starts anew, empty. Use it
    as a context manager.

    Args:
        folder: made when it is missing.

    Raises:
        DataError: the folder cannot be written, or its disk is full.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "arrays.bin"
        self._layouts: dict[tuple[str, str], Layout] = {}
        with clear_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with _locked(folder):
                if not self._is_sound():
                    self._start_anew()
            self._index = _connect(self._index_path)

    @property
    def _index_path(self) -> Path:
        return self.folder / "index.sqlite"

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._index.close()

    def lookup(
        self, states: Sequence[FileState], content: Mapping[str, str] | None = None
    ) -> dict[str, Record]:
        """Path -> record, for every file that is known and has not changed since.

        Args:
            states: of the files.
            content: path -> content key, where it is known; else what the states tell is believed.
        """
        found: dict[str, Record] = {}
        for start in range(0, len(states), _AT_ONCE):
            asked = {state.path: state for state in states[start : start + _AT_ONCE]}
            query = (
                "SELECT path, key, size, changed_ns, place, shape, dtype FROM file JOIN record "
                f"USING (key) WHERE path IN ({_marks(asked)})"
            )
            rows = self._fetch(query, list(asked))
            for path, key, size, changed_ns, place, shape, dtype in rows:
                unchanged = asked[path] == FileState(path, size, changed_ns)
                if unchanged and (content is None or content[path] == key):
                    found[path] = Record(place, self._layout(shape, dtype))
        return found

    def known(self, keys: Sequence[str]) -> set[str]:
        """Those of the content keys that have an array."""
        found: set[str] = set()
        for start in range(0, len(keys), _AT_ONCE):
            asked = keys[start : start + _AT_ONCE]
            rows = self._fetch(f"SELECT key FROM record WHERE key IN ({_marks(asked)})", asked)
            found.update(key for (key,) in rows)
        return found

    def append(self, arrays: Mapping[str, Array], files: Sequence[tuple[FileState, str]]) -> None:
        """Store arrays by content key, and which files have which content; all or nothing.

        Raises:
            DataError: the disk is full or fails; nothing of this batch is kept.
        """
        with clear_errors(self.folder):
            self._index.execute("BEGIN IMMEDIATE")
            end = _end(self._index)
            try:
                present = self.known(list(arrays))
                self._write({k: v for k, v in arrays.items() if k not in present}, end)
                self._index.executemany(
                    "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?)",
                    [(state.path, state.size, state.changed_ns, key) for state, key in files],
                )
                self._index.execute("COMMIT")
            except BaseException:
                os.truncate(self.data, end)  # before the lock goes: a full disk gets its room back
                if self._index.in_transaction:
                    self._index.execute("ROLLBACK")
                raise

    def _write(self, arrays: Mapping[str, Array], end: int) -> None:
        """Append arrays at `end`, sync them, and name them in the open transaction."""
        rows: list[tuple[str, int, int, str, str]] = []
        place = end
        for key, array in arrays.items():
            shape = " ".join(map(str, array.shape))
            rows.append((key, place, array.nbytes, shape, array.dtype.str))
            place += array.nbytes
        buffer = memoryview(b"".join(array.tobytes() for array in arrays.values()))
        file = os.open(self.data, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            while buffer:
                written = os.pwrite(file, buffer, place - len(buffer))
                buffer = buffer[written:]
            os.fsync(file)
        finally:
            os.close(file)
        self._index.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?)", rows)

    def _fetch(self, query: str, values: Sequence[str]) -> list[tuple[Any, ...]]:
        with clear_errors(self.folder):
            return self._index.execute(query, values).fetchall()

    def _layout(self, shape: str, dtype: str) -> Layout:
        """One object for each layout, of which there are few."""
        known = self._layouts.get((shape, dtype))
        if known is None:
            known = Layout(tuple(map(int, shape.split())), dtype)
            self._layouts[shape, dtype] = known
        return known

    def _is_sound(self) -> bool:
        """Whether the folder holds an undamaged index of this version with all of its data."""
        if not self._index_path.exists():
            return False
        try:
            with closing(_connect(self._index_path)) as index:
                if index.execute("PRAGMA user_version").fetchone() != (VERSION,):
                    return False
                if index.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                    return False
                return self.data.exists() and self.data.stat().st_size >= _end(index)
        except sqlite3.OperationalError:
            raise  # locked, unreadable or full: nothing that building it anew would mend
        except sqlite3.DatabaseError:
            return False

    def _start_anew(self) -> None:
        """Put the old files aside, as others may be reading them, and make empty ones."""
        old = Path(mkdtemp(prefix="old-", dir=self.folder))
        for path in self.folder.iterdir():
            if path != old and not path.name.startswith(_LOCK):
                path.rename(old / path.name)
        shutil.rmtree(old)
        self.data.touch()
        with closing(_connect(self._index_path)) as index:
            index.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")


@contextmanager
def clear_errors(folder: Path) -> Generator[None, None, None]:
    """Turn failures of the disk into one error that says what to do.

    Raises:
        DataError: the folder cannot be made or written, its disk is full, or it stays locked.
    """
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DataError(
            f"The cache of decoded data must be a writable folder with room. Got {folder}: "
            f"{reason}. Set data.cache to another folder or free some space."
        ) from error


@contextmanager
def _locked(folder: Path) -> Generator[None, None, None]:
    """Hold the folder against other processes; let go by the system if this one dies."""
    with closing(_connect(folder / _LOCK)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        yield


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=LOCK_TIMEOUT_S, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _end(index: sqlite3.Connection) -> int:
    """Where the next array goes: behind the last committed one."""
    return index.execute("SELECT coalesce(max(place + bytes), 0) FROM record").fetchone()[0]


def _marks(values: Mapping[str, object] | Sequence[str]) -> str:
    return ",".join("?" * len(values))
