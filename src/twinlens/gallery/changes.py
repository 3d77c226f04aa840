"""What adds to and removes from the tables of a gallery, inside a transaction that is open."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from twinlens.data.duplicates import identity_hash
from twinlens.data.problems import listed
from twinlens.errors import GalleryError
from twinlens.gallery import log
from twinlens.gallery.cipher import Cipher
from twinlens.gallery.entries import Added, Entry, Vectors

VECTOR = np.dtype("<f4")
"""How a number of a template is stored."""
ITEMS = (
    "SELECT item.id, name, content, source, metadata, added, checksum FROM item "
    "LEFT JOIN identity ON identity.id = item.identity"
)
"""Rows of items as `is_as_stored` takes them."""


def add(
    db: sqlite3.Connection, entries: Sequence[Entry], vectors: Vectors, cipher: Cipher | None
) -> Added:
    """Store what is not there yet. [n], [n, dim].

    Raises:
        GalleryError: the same content is there, or comes twice, as two identities; names all.
    """
    rows = db.execute(
        "SELECT content, name FROM item LEFT JOIN identity ON identity.id = item.identity "
        "WHERE content IN (SELECT value FROM json_each(?))",
        (json.dumps([entry.content for entry in entries]),),
    )
    fresh, known = told_apart(entries, dict(rows))
    if not fresh:
        return Added((), tuple(known))
    numbers = _numbers(db, {e.identity for _, e in fresh if e.identity is not None})
    last = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'item'").fetchone()
    first = 1 if last is None else int(last[0]) + 1
    ids = range(first, first + len(fresh))
    new = [(item, entry) for item, (_, entry) in zip(ids, fresh, strict=True)]
    added = log.now()
    db.executemany(
        "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, ?)",
        [_item_row(item, e, numbers, added) for item, e in new],
    )
    rows = np.asarray(vectors)
    store_templates(db, "template", ids, rows[[place for place, _ in fresh]], cipher)
    db.executemany(
        "INSERT INTO label VALUES (?, ?, ?)",
        [(key, value, item) for item, e in new for key, value in e.metadata.items()],
    )
    changed(db, "add", {"items": [ids[0], ids[-1]], "identities": hashed(numbers)})
    return Added(tuple(ids), tuple(known))


def _item_row(
    item: int, entry: Entry, numbers: Mapping[str, int], added: str
) -> tuple[int, int | None, str, str, str, str, int]:
    name = entry.identity
    metadata = json.dumps(dict(entry.metadata), ensure_ascii=False)
    facts = entry.content, entry.source, metadata, added
    number = None if name is None else numbers[name]
    return (item, number, *facts, item_checksum(item, name, *facts))


def item_checksum(
    item: int, name: str | None, content: str, source: str, metadata: str, added: str
) -> int:
    """CRC-32 of what is known of an item; each text but the last after its length."""
    length = -1 if name is None else len(name)
    lengths = f"{item},{length},{len(content)},{len(source)},{len(metadata)}"
    return zlib.crc32(f"{lengths},{name or ''}{content}{source}{metadata}{added}".encode())


def is_as_stored(row: Sequence[Any]) -> bool:
    """Whether a row of an item has its checksum, the last value of it."""
    return item_checksum(*row[:-1]) == row[-1]


def store_templates(
    db: sqlite3.Connection,
    table: str,
    ids: Sequence[int],
    vectors: Vectors,
    cipher: Cipher | None,
) -> None:
    """Write templates with their checksums, sealed where there is a key. [n], [n, dim]."""
    blobs = [row.tobytes() for row in np.ascontiguousarray(vectors, VECTOR)]
    if cipher is not None:
        blobs = [
            cipher.seal(blob, template_label(item)) for item, blob in zip(ids, blobs, strict=True)
        ]
    db.executemany(
        f"INSERT INTO {table} VALUES (?, ?, ?)",
        [(item, blob, zlib.crc32(blob)) for item, blob in zip(ids, blobs, strict=True)],
    )


def template_label(item: int) -> str:
    """What the sealed template of an item is bound to."""
    return f"template {item}"


def remove(db: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Remove items that are there, and identities that have none left."""
    rows = db.execute(
        "SELECT DISTINCT name FROM item JOIN identity ON identity.id = item.identity "
        "WHERE item.id IN (SELECT value FROM json_each(?))",
        (json.dumps(ids),),
    )
    names: list[str] = [name for (name,) in rows]
    change = changed(db, "remove", {"items": list(ids), "identities": hashed(names)})
    each = [(item,) for item in ids]
    for table, column in (("template", "item"), ("label", "item"), ("item", "id")):
        db.executemany(f"DELETE FROM {table} WHERE {column} = ?", each)
    db.executemany("INSERT INTO removed VALUES (?, ?)", [(item, change) for item in ids])
    db.execute(
        "DELETE FROM identity WHERE name IN (SELECT value FROM json_each(?)) "
        "AND NOT EXISTS (SELECT 1 FROM item WHERE item.identity = identity.id)",
        (json.dumps(names),),
    )


def changed(db: sqlite3.Connection, action: log.Action, details: Mapping[str, Any]) -> int:
    """Log a change of the items. Returns its number."""
    change = log.append(db, action, details)
    db.execute("UPDATE gallery SET change = ?", (change,))
    return change


def told_apart(
    entries: Sequence[Entry], owners: Mapping[str, str | None]
) -> tuple[list[tuple[int, Entry]], list[Entry]]:
    """Which entries are new, with their places, and which are known by content.

    Args:
        entries: to be enrolled.
        owners: content -> identity, of those of their contents that are enrolled.

    Raises:
        GalleryError: the same content is there, or comes twice, as two identities; names all.
    """
    owner = dict(owners)
    fresh: list[tuple[int, Entry]] = []
    known: list[Entry] = []
    conflicts: list[str] = []
    for place, entry in enumerate(entries):
        if entry.content not in owner:
            owner[entry.content] = entry.identity
            fresh.append((place, entry))
        elif owner[entry.content] == entry.identity:
            known.append(entry)
        else:
            conflicts.append(
                f"{entry.source or entry.content} must be of one identity. Got "
                f"{_named(entry.identity)}, but the same content is enrolled as "
                f"{_named(owner[entry.content])}. Correct it, or remove the other first."
            )
    if conflicts:
        raise GalleryError(listed(conflicts, "The batch"))
    return fresh, known


def _numbers(db: sqlite3.Connection, names: set[str]) -> dict[str, int]:
    """Number of each identity, of which new ones are made."""
    given = json.dumps(sorted(names))
    db.execute("INSERT OR IGNORE INTO identity (name) SELECT value FROM json_each(?)", (given,))
    rows = db.execute(
        "SELECT name, id FROM identity WHERE name IN (SELECT value FROM json_each(?))", (given,)
    )
    return dict(rows)


def hashed(names: Iterable[str]) -> list[str]:
    """How the log names identities."""
    return [identity_hash(name) for name in names]


def _named(identity: str | None) -> str:
    return "no identity" if identity is None else repr(identity)
