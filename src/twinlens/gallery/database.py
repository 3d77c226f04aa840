"""The SQLite file of a gallery: opening, locking, and errors that say what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from twinlens.errors import GalleryError

WAIT_S = 30.0
"""How long a writer waits for another one."""
CACHE_KIB = 32 * 1024


def require_file(path: Path) -> None:
    """Check that there is a file, and something in it.

    Raises:
        GalleryError: there is not.
    """
    if not path.is_file():
        raise GalleryError(
            f"{path.parent} must be a gallery. Got no {path.name} in it. Correct the path, or "
            "make one: twinlens gallery create."
        )
    if not path.stat().st_size:
        raise GalleryError(
            f"{path} must be the store of a gallery. Got an empty file. Restore it from a "
            "copy, or import what was exported."
        )


def connect(path: Path, *, wait_s: float = WAIT_S) -> sqlite3.Connection:
    """A connection whose commits survive a power cut, and whose deletions overwrite.

    Raises:
        GalleryError: it is no gallery, is damaged, or cannot be read.
    """
    with explained(path):
        # threads take turns: `Gallery` holds a lock around each use
        connection = sqlite3.connect(
            path, timeout=wait_s, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def explained(path: Path) -> Generator[None, None, None]:
    """Turn what SQLite raises into one error that says what to do.

    Raises:
        GalleryError: always in place of an error of SQLite.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise GalleryError(_told(path, error)) from error


def _told(path: Path, error: sqlite3.Error) -> str:
    name = str(getattr(error, "sqlite_errorname", ""))
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return (
            f"{path} must be free to be written to. Got a lock that another process has held for "
            "too long. Wait until it is done, or stop it; nothing of this was stored."
        )
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return (
            f"{path} must have room to grow. Got: {error}. Free some space and try again; nothing "
            "of this was stored, and nothing that was stored before is lost."
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return f"{path} must be writable. Got: {error}. Change its permissions or the path."
    return (
        f"{path} must be an undamaged store of a gallery. Got: {error}. Restore it from a copy, or "
        "import what was exported."
    )


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Generator[None, None, None]:
    """Read what one moment holds, whatever others write meanwhile."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


@contextmanager
def transaction(
    connection: sqlite3.Connection, *, wait_s: float | None = None
) -> Generator[None, None, None]:
    """Write all of a block or nothing of it; other writers wait.

    Args:
        connection: in autocommit mode.
        wait_s: how long to wait for another writer, if not as long as the connection does.
    """
    with _waiting(connection, wait_s):
        connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk has rolled it back already
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _waiting(connection: sqlite3.Connection, wait_s: float | None) -> Generator[None, None, None]:
    """Wait for locks this long, if given, and then as before."""
    (usual_ms,) = connection.execute("PRAGMA busy_timeout").fetchone()
    if wait_s is not None:
        connection.execute(f"PRAGMA busy_timeout = {int(1000 * wait_s)}")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA busy_timeout = {usual_ms}")


def empty_log(connection: sqlite3.Connection, *, wait_s: float) -> bool:
    """Move the write-ahead log into the file and cut it to nothing, so that it keeps no trace.

    Returns:
        Whether it could be done: not while another process reads what is older.
    """
    with _waiting(connection, wait_s):
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy
