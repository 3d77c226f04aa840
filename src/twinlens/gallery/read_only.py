"""Opening the file of a gallery where nothing can be written: to be read, and no more.

SQLite writes to read: a file of locks lies beside a write-ahead log. Where it cannot be made, and
no log holds changes, the file is read without locks, and held to have stayed as it was.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from twinlens.errors import GalleryError
from twinlens.gallery.database import CACHE_KIB, connect, explained

_Stamp = tuple[int, int, int, int]
"""File, its size and its last change, and the size of its write-ahead log."""
_NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN")


@dataclass(frozen=True, slots=True)
class ReadOnly:
    """Why nothing can be written.

    Attributes:
        why: in words.
        stamp: of the file when it was opened, where it is read without locks.
    """

    why: str
    stamp: _Stamp | None

    def require_unchanged(self, path: Path) -> None:
        """Check that what was read without locks is what the file still holds.

        Raises:
            GalleryError: another process has written to it meanwhile.
        """
        if self.stamp is not None and _stamp(path) != self.stamp:
            raise GalleryError(
                f"{path} must stay as it is while it is read where no locks can be made "
                f"({self.why}). Got a change by another process. Open it again."
            )


def open_file(path: Path, *, wait_s: float) -> tuple[sqlite3.Connection, ReadOnly | None]:
    """A connection that can write, or else one that can read and why it can do no more.

    Raises:
        GalleryError: it is no gallery, is damaged, or cannot be read.
    """
    why = _why(path)
    if why is None:
        try:
            return connect(path, wait_s=wait_s), None
        except GalleryError as error:
            name = str(getattr(error.__cause__, "sqlite_errorname", ""))
            if not name.startswith(_NO_ROOM):
                raise
            why = f"{path.parent} has no room: {error.__cause__}"
    with explained(path):
        return _open_to_read(path, why, wait_s)


def _why(path: Path) -> str | None:
    for place in (path.parent, path):
        if not os.access(place, os.W_OK):
            return f"{place} may not be written to"
    return None


def _open_to_read(path: Path, why: str, wait_s: float) -> tuple[sqlite3.Connection, ReadOnly]:
    stamp = _stamp(path)
    try:
        return _reader(path, "mode=ro", wait_s), ReadOnly(why, None)
    except sqlite3.OperationalError as error:
        if not error.sqlite_errorname.startswith((*_NO_ROOM, "SQLITE_READONLY")):
            raise
        if stamp[-1]:
            raise GalleryError(
                f"{path} must be where it can be written to, as its write-ahead log holds what is "
                f"not in it yet. Got: {why}. Copy the folder to such a place."
            ) from error
    return _reader(path, "mode=ro&immutable=1", wait_s), ReadOnly(why, stamp)


def _reader(path: Path, options: str, wait_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}",
        uri=True,
        timeout=wait_s,
        isolation_level=None,
        check_same_thread=False,  # threads take turns
    )
    try:
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        with closing(connection.execute("SELECT 1 FROM sqlite_master")) as rows:
            rows.fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _stamp(path: Path) -> _Stamp:
    facts = path.stat()
    log = path.with_name(path.name + "-wal")
    size = log.stat().st_size if log.exists() else 0
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, size
