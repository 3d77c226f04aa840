"""The mark beside the file of a gallery: which entry of its log was reported last.

SQLite reads a write-ahead log as far as its checksums agree and says nothing of the rest. What was
committed behind a damaged page, or in a part that is gone, would be missing without a word. So each
commit is followed by a mark in a file of its own, and a store that does not hold the entry which
the mark names has lost what was reported. A kill between the two leaves a mark that lags behind.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import zlib
from dataclasses import dataclass
from pathlib import Path

from twinlens.atomic import WriteError, write_bytes
from twinlens.errors import GalleryError
from twinlens.gallery import log
from twinlens.gallery.database import transaction

_SUFFIX = "-reported"
_LENGTH = 63


@dataclass(frozen=True, slots=True)
class Reported:
    """An entry of the log: its number, and its hash over all entries up to it."""

    number: int
    mark: bytes


def file_of(store: Path) -> Path:
    """Where the mark of a store lies."""
    return store.with_name(store.name + _SUFFIX)


def read(store: Path) -> Reported | None:
    """What was reported last; None where no mark says so.

    Read it before the store, which another process may add to meanwhile.

    Raises:
        GalleryError: the file cannot be read.
    """
    try:
        return _parsed(file_of(store).read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise GalleryError(
            f"{file_of(store)} must be a file that can be read. Got: {error.strerror}. Change its "
            "permissions."
        ) from error


def is_damaged(store: Path) -> bool:
    """Whether there is a mark that says nothing, as other bytes are in it than were written."""
    file = file_of(store)
    return file.exists() and read(store) is None


def write(store: Path, entry: Reported, *, back: bool = False) -> None:
    """Write a mark in place, unless a later one is there.

    It is on its way to the disk then, and not waited for: that would double what a commit takes.

    Args:
        store: file of the gallery, which holds the entry.
        entry: that is reported.
        back: even where a later one is there.

    Raises:
        WriteError: it cannot be written.
    """
    file = file_of(store)
    try:
        mode = stat.S_IMODE(store.stat().st_mode)
        with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, mode), "r+b", buffering=0) as opened:
            fcntl.flock(opened, fcntl.LOCK_EX)  # of two writers, the later may come first
            before = _parsed(opened.read())
            if back or before is None or before.number < entry.number:
                opened.truncate(_LENGTH)
                os.pwrite(opened.fileno(), _line(entry), 0)
                if hasattr(os, "posix_fadvise"):  # Linux: begins to write what is to be dropped
                    os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    except OSError as error:
        raise WriteError(
            f"{file} must be writable. Got: {error.strerror}. Change its permissions."
        ) from error


def is_held(db: sqlite3.Connection, last: Reported) -> bool:
    """Whether a store holds an entry that was reported."""
    row = db.execute("SELECT mark FROM log WHERE number = ?", (last.number,)).fetchone()
    return row == (last.mark,)


def loss(db: sqlite3.Connection, store: Path, last: Reported, *, keep_wal: bool) -> GalleryError:
    """The error of a store that does not hold what was reported last.

    Args:
        db: the store, open.
        store: its file.
        last: that was reported.
        keep_wal: whether to copy the write-ahead log, which SQLite deletes when it is closed.

    Raises:
        WriteError: the copy cannot be written.
    """
    wal, kept = store.with_name(store.name + "-wal"), _damaged(store)
    if keep_wal and wal.exists() and wal.stat().st_size and not kept.exists():
        write_bytes(kept, wal.read_bytes())
    lost = last.number - log.last(db)[0]
    got = (
        f"a log that ends {lost:,} {'entry' if lost == 1 else 'entries'} before number "
        f"{last.number:,}, which was reported"
        if lost > 0
        else f"another entry {last.number:,} of the log than the one that was reported"
    )
    return GalleryError(
        f"{store} must hold what was reported as stored. Got {got}: its write-ahead log was "
        "damaged or cut off, or an older copy was put in its place. Restore the whole folder from "
        "a copy, or go on with what is there: twinlens gallery rebuild --accept-loss."
    )


def accept(db: sqlite3.Connection, store: Path, last: Reported) -> None:
    """Go on with what a store holds, and log that it lacks what was reported last.

    Raises:
        WriteError: the mark cannot be written.
    """
    with transaction(db):
        there, _ = log.last(db)
        log.append(db, "accept", {"reported": last.number, "there": there})
    write(store, Reported(*log.last(db)), back=True)
    erase(store)


def erase(store: Path) -> None:
    """Leave nothing of a damaged write-ahead log that was kept: it holds templates."""
    _damaged(store).unlink(missing_ok=True)


def _damaged(store: Path) -> Path:
    """Where a write-ahead log is kept that was found wanting."""
    return store.with_name(store.name + "-wal.damaged")


def _line(entry: Reported) -> bytes:
    """Number, hash and CRC-32: so short that no disk writes it in part."""
    text = f"{entry.number:020} {entry.mark.hex()}".encode()
    return text + f" {zlib.crc32(text):08x}\n".encode()


def _parsed(line: bytes) -> Reported | None:
    try:
        number, mark, _ = line.decode("ascii").split()
        entry = Reported(int(number), bytes.fromhex(mark))
    except ValueError:
        return None
    return entry if _line(entry) == line else None
