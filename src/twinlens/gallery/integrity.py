"""What is wrong with the file of a gallery, in words: its pages, its rows, the chain of its log."""

from __future__ import annotations

import sqlite3

from twinlens.gallery import log
from twinlens.gallery.changes import ITEMS, is_as_stored

_TOLD = 5
_LABELS = "SELECT key, value, item FROM label"
_METADATA = "SELECT key, value, item.id FROM item, json_each(metadata)"


def problems(db: sqlite3.Connection) -> list[str]:
    """All that is found, some of each kind; empty when all is well."""
    found = [text for (text,) in db.execute(f"PRAGMA integrity_check({_TOLD})")]
    told = [] if found == ["ok"] else [f"pages: {text}" for text in found]
    for table, row, parent, _ in db.execute("PRAGMA foreign_key_check").fetchmany(_TOLD):
        told.append(f"row {row} of {table} points to nothing in {parent}")
    (bare,) = db.execute(
        "SELECT count(*) FROM item WHERE id NOT IN (SELECT item FROM template)"
    ).fetchone()
    if bare:
        told.append(f"{bare} items have no template")
    told += _changed_items(db)
    if any(
        db.execute(f"{left} EXCEPT {right}").fetchone()
        for left, right in ((_LABELS, _METADATA), (_METADATA, _LABELS))
    ):
        told.append("items are filtered by other metadata than they have")
    broken = log.broken_at(db)
    if broken is not None:
        told.append(f"entry {broken} of the log does not follow from the one before")
    return told


def _changed_items(db: sqlite3.Connection) -> list[str]:
    changed = [row[0] for row in db.execute(ITEMS) if not is_as_stored(row)]
    told = [
        f"the identity, content, source or metadata of item {item} is not what was stored"
        for item in changed[:_TOLD]
    ]
    more = len(changed) - len(told)
    return [*told, f"and so of {more:,} more items"] if more else told
