"""The tables of a gallery, version by version."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from twinlens.errors import GalleryError
from twinlens.gallery.changes import item_checksum

APPLICATION = 0x7717E45
"""Tells a gallery from any other SQLite file."""

_VERSION_1 = """
CREATE TABLE gallery (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    fingerprint TEXT NOT NULL,
    dim INTEGER NOT NULL,
    similarity TEXT NOT NULL,
    logs_searches INTEGER NOT NULL,
    change INTEGER NOT NULL  -- number of the last entry of the log that added or removed
);
CREATE TABLE identity (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE item (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- of which none is ever given twice
    identity INTEGER REFERENCES identity,
    content TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    metadata TEXT NOT NULL,  -- JSON: name -> text
    added TEXT NOT NULL
);
CREATE INDEX item_of_identity ON item (identity);
CREATE TABLE template (
    item INTEGER PRIMARY KEY REFERENCES item,
    vector BLOB NOT NULL,  -- float32, little-endian
    checksum INTEGER NOT NULL  -- CRC-32: SQLite itself does not notice a changed byte
);
CREATE TABLE label (  -- the metadata again, to be found by it
    key TEXT NOT NULL, value TEXT NOT NULL, item INTEGER NOT NULL REFERENCES item,
    PRIMARY KEY (key, value, item)
) WITHOUT ROWID;
CREATE TABLE removed (item INTEGER PRIMARY KEY, change INTEGER NOT NULL);
CREATE INDEX removed_by_change ON removed (change);
CREATE TABLE log (
    number INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    by TEXT NOT NULL,
    action TEXT NOT NULL,
    details TEXT NOT NULL,  -- JSON
    mark BLOB NOT NULL  -- hash of this entry and of the mark before it
);
CREATE TRIGGER log_is_not_changed BEFORE UPDATE ON log
    BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
CREATE TRIGGER log_is_not_cut BEFORE DELETE ON log
    BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
"""

_VERSION_2 = """
ALTER TABLE gallery ADD COLUMN key_check BLOB;  -- NULL: templates are not encrypted
CREATE TABLE successor (  -- the model whose templates are to replace those of now
    one INTEGER PRIMARY KEY CHECK (one = 1),
    fingerprint TEXT NOT NULL,
    dim INTEGER NOT NULL,
    similarity TEXT NOT NULL
);
CREATE TABLE successor_template (
    item INTEGER PRIMARY KEY REFERENCES item ON DELETE CASCADE,
    vector BLOB NOT NULL,
    checksum INTEGER NOT NULL
);
"""

_VERSION_3 = """
ALTER TABLE item ADD COLUMN checksum INTEGER;  -- of what is known of it, its identity's name, too
UPDATE item SET checksum = item_checksum(
    id, (SELECT name FROM identity WHERE identity.id = item.identity),
    content, source, metadata, added
);
"""

MIGRATIONS: tuple[str, ...] = (_VERSION_1, _VERSION_2, _VERSION_3)
"""What leads from each version to the next; the first makes an empty file a gallery."""


def make(connection: sqlite3.Connection, path: Path) -> None:
    """Give an empty file the tables of the newest version."""
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    migrate(connection, path)


def migrate(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[str] = MIGRATIONS
) -> None:
    """Bring a file to the newest version, each step whole or not at all.

    Args:
        connection: in autocommit mode.
        path: of the file, for messages.
        migrations: all steps there are.

    Raises:
        GalleryError: the file is of a newer version, or something else.
    """
    version = version_of(connection, path, newest=len(migrations))
    connection.create_function("item_checksum", -1, item_checksum, deterministic=True)
    for number in range(version, len(migrations)):
        connection.executescript(
            f"BEGIN IMMEDIATE; {migrations[number]} PRAGMA user_version = {number + 1}; COMMIT;"
        )


def version_of(connection: sqlite3.Connection, path: Path, *, newest: int = len(MIGRATIONS)) -> int:
    """The version of a file.

    Raises:
        GalleryError: the file is of a newer version, or something else.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION:
        raise GalleryError(
            f"{path} must be the store of a gallery. Got another SQLite file. Correct the path."
        )
    if version > newest:
        raise GalleryError(
            f"{path} must be of version {newest} or older. Got {version}: it was written "
            "by a newer twinlens. Use that one."
        )
    return version
