"""The log of a gallery: who was enrolled, removed and searched, and when. It only ever grows.

Each entry carries a hash over itself and the entry before it, so that an entry which is changed or
left out later breaks the chain. Names are logged as hashes and items by number: what is removed
from the gallery must not live on in its log.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Action = Literal["create", "add", "remove", "search", "migrate", "accept"]
FIRST_MARK = bytes(16)
Row = tuple[int, str, str, str, str, bytes]
"""Number, when, by whom, action, details as JSON, mark."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One thing that was done.

    Attributes:
        number: counts from 1.
        at: UTC, ISO 8601.
        by: name of the account.
        action: what was done.
        details: to which items, how many, hashes of identities.
    """

    number: int
    at: str
    by: str
    action: str
    details: Mapping[str, Any]


def append(connection: sqlite3.Connection, action: Action, details: Mapping[str, Any]) -> int:
    """Add an entry, inside the transaction that is open. Returns its number."""
    number, before = last(connection)
    row = row_after(number, before, action, details)
    connection.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)", row)
    return number + 1


def last(connection: sqlite3.Connection) -> tuple[int, bytes]:
    """Number and mark of the last entry."""
    row = connection.execute("SELECT number, mark FROM log ORDER BY number DESC LIMIT 1")
    return row.fetchone() or (0, FIRST_MARK)


def row_after(number: int, before: bytes, action: Action, details: Mapping[str, Any]) -> Row:
    """The entry that follows one of this number and mark, of now and of this account."""
    row = (number + 1, now(), _account(), action, json.dumps(details, separators=(",", ":")))
    return (*row, _mark(before, row))


def entries(connection: sqlite3.Connection, *, newest: int | None = None) -> list[LogEntry]:
    """The entries in order: all, or as many of the newest."""
    limit = -1 if newest is None else newest
    rows = connection.execute(
        "SELECT number, at, by, action, details FROM log ORDER BY number DESC LIMIT ?", (limit,)
    ).fetchall()
    return [
        LogEntry(number, at, by, action, json.loads(details))
        for number, at, by, action, details in reversed(rows)
    ]


def broken_at(connection: sqlite3.Connection) -> int | None:
    """Number of the first entry that does not follow from the one before; None when all do."""
    return first_broken(connection.execute("SELECT * FROM log ORDER BY number"))


def first_broken(rows: Iterable[Row]) -> int | None:
    """The same of rows in order."""
    before, expected = FIRST_MARK, 1
    for *row, mark in rows:
        if row[0] != expected or _mark(before, tuple(row)) != mark:
            return expected
        before, expected = mark, expected + 1
    return None


def now() -> str:
    """UTC to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _mark(before: bytes, row: tuple[Any, ...]) -> bytes:
    return hashlib.sha256(before + json.dumps(row).encode()).digest()[:16]


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        return "unknown"
