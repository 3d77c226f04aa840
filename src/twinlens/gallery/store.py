"""The truth of a gallery: items, identities, templates and the log, in one SQLite file."""

from __future__ import annotations

import json
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twinlens.atomic import WriteError
from twinlens.errors import GalleryError
from twinlens.gallery import changes, integrity, log, reported
from twinlens.gallery.changes import ITEMS, VECTOR, is_as_stored, template_label
from twinlens.gallery.cipher import Cipher, require_key
from twinlens.gallery.database import (
    WAIT_S,
    connect,
    empty_log,
    explained,
    require_file,
    snapshot,
    transaction,
)
from twinlens.gallery.entries import Added, Entry, Item, Space, Vectors
from twinlens.gallery.read_only import open_file
from twinlens.gallery.reported import Reported
from twinlens.gallery.schema import MIGRATIONS, make, migrate, version_of
from twinlens.gallery.successor import Successor
from twinlens.types import IntArray

NAME = "gallery.sqlite"
_AT_ONCE = 4096
"""Templates read at once."""
_ERASE_WAIT_S = 2.0
"""How long a removal waits for readers of older states before it leaves their traces to them."""


@dataclass(frozen=True, slots=True)
class Head:
    """A state of the items: the last change of them, and the mark of that entry of the log.

    The mark tells apart two galleries, or two histories of one, that count the same changes.
    """

    change: int
    mark: bytes


EMPTY = Head(0, log.FIRST_MARK)
"""The state before the first change."""


class Store:
    """One gallery's file. Not for several threads at once.

    Args:
        path: of the file.
        wait_s: how long to wait for another writer.
        cipher: with its key, where its templates are encrypted.
        accept_loss: go on where what was reported is missing.

    Raises:
        GalleryError: it is missing, damaged, of another kind or version, or of another key; or what
            was reported is missing.
    """

    def __init__(
        self,
        path: Path,
        *,
        wait_s: float = WAIT_S,
        cipher: Cipher | None = None,
        accept_loss: bool = False,
    ) -> None:
        require_file(path)
        self.path = path
        last = reported.read(path)  # first, as another process may add to the store
        self._db, self.read_only = open_file(path, wait_s=wait_s)
        try:
            with explained(path):
                self._bring_up(last, accept_loss=accept_loss)
                self.space = self._space()
                logs, check = self._db.execute(
                    "SELECT logs_searches, key_check FROM gallery"
                ).fetchone()
                require_key(path.parent, cipher, check)
        except BaseException:
            self.close()
            raise
        self.logs_searches = bool(logs)
        self.cipher = cipher
        self.successor = Successor(self._db, cipher)

    def _bring_up(self, last: Reported | None, *, accept_loss: bool) -> None:
        """To the newest version, where it holds what was reported last or need not."""
        version = version_of(self._db, self.path)
        if last is not None and not reported.is_held(self._db, last):
            if not accept_loss:
                raise reported.loss(self._db, self.path, last, keep_wal=self.read_only is None)
            self._require_writable()
            reported.accept(self._db, self.path, last)
        if version < len(MIGRATIONS):
            self._require_writable()
            migrate(self._db, self.path)

    @classmethod
    def create(
        cls, path: Path, space: Space, *, logs_searches: bool, cipher: Cipher | None = None
    ) -> None:
        """Make the file of an empty gallery."""
        with closing(connect(path)) as db, explained(path):
            make(db, path)
            with transaction(db):
                db.execute(
                    "INSERT INTO gallery VALUES (1, ?, ?, ?, ?, 1, ?)",
                    (
                        space.fingerprint,
                        space.dim,
                        space.similarity,
                        logs_searches,
                        None if cipher is None else cipher.check(),
                    ),
                )
                log.append(db, "create", {"model": space.fingerprint})
            reported.write(path, Reported(*log.last(db)))

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def explained(self) -> AbstractContextManager[None]:
        """A block in which errors of SQLite say what to do."""
        return explained(self.path)

    @contextmanager
    def snapshot(self) -> Generator[None, None, None]:
        """A block that reads what one moment holds.

        Raises:
            GalleryError: it is of another model than when it was opened, or was written to where
                it is read without locks.
        """
        try:
            with snapshot(self._db):
                self._require_same_space()
                yield
        finally:  # before any other error: it may come of the change
            if self.read_only is not None:
                self.read_only.require_unchanged(self.path)

    @contextmanager
    def transaction(self, *, wait_s: float | None = None) -> Generator[None, None, None]:
        """A block that writes all or nothing; other writers wait.

        Args:
            wait_s: how long to wait for another one, if not as long as usual.

        Raises:
            GalleryError: it is of another model than when it was opened, or open to be read only.
        """
        self._require_writable()
        with transaction(self._db, wait_s=wait_s):
            self._require_same_space()
            before = log.last(self._db)
            yield
            after = log.last(self._db)
        if after != before:
            with suppress(WriteError):  # what is stored is stored; the next mark says so, too
                reported.write(self.path, Reported(*after))

    def head(self) -> Head:
        """The state of the items now."""
        return Head(
            *self._db.execute(
                "SELECT change, mark FROM gallery JOIN log ON number = change"
            ).fetchone()
        )

    def has_been(self, head: Head) -> bool:
        """Whether this state is now's or lies before it."""
        row = self._db.execute("SELECT mark FROM log WHERE number = ?", (head.change,)).fetchone()
        return row == (head.mark,) and head.change <= self.head().change

    def count(self) -> int:
        """How many items there are."""
        return self._db.execute("SELECT count(*) FROM template").fetchone()[0]

    def add(self, entries: Sequence[Entry], vectors: Vectors) -> Added:
        """Store what is not there yet, inside the transaction that is open.

        Raises:
            GalleryError: the same content is there, or comes twice, as two identities; names all.
        """
        return changes.add(self._db, entries, vectors, self.cipher)

    def remove(self, ids: Sequence[int]) -> None:
        """Remove items that are there, inside the transaction that is open."""
        changes.remove(self._db, ids)

    def erase(self, *, wait_s: float = _ERASE_WAIT_S) -> bool:
        """Leave no trace of what was removed in the write-ahead log; False where readers hold it.

        In the file itself, removed rows are overwritten when the log is moved into it.
        """
        reported.erase(self.path)
        return empty_log(self._db, wait_s=wait_s)

    def record(self, action: log.Action, details: Mapping[str, Any]) -> None:
        """Log something that changes no item, inside the transaction that is open."""
        log.append(self._db, action, details)

    def log(self, *, newest: int | None = None) -> list[log.LogEntry]:
        """Entries of the log in order: all, or as many of the newest."""
        return log.entries(self._db, newest=newest)

    def there(self, ids: Sequence[int]) -> set[int]:
        """Which of these items are there."""
        rows = self._db.execute(
            "SELECT id FROM item WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(ids),)
        )
        return {item for (item,) in rows}

    def items(self, ids: Sequence[int]) -> dict[int, Item]:
        """Those of the items that are there, by number.

        Raises:
            GalleryError: what is known of one is not what was stored; names it.
        """
        rows = self._db.execute(
            f"{ITEMS} WHERE item.id IN (SELECT value FROM json_each(?))", (json.dumps(ids),)
        )
        return {row[0]: self._item(row) for row in rows}

    def _item(self, row: Sequence[Any]) -> Item:
        item, name, content, source, metadata, added, _ = row
        if not is_as_stored(row):
            raise GalleryError(
                f"The items in {self.path} must be as they were stored. Got another identity, "
                f"content, source or metadata of item {item}. Remove it by its number (twinlens "
                "gallery remove --id) and add it again, or restore the folder from a copy."
            )
        # most have none, and ten texts are read for each search
        known = json.loads(metadata) if metadata != "{}" else {}
        return Item(item, Entry(content, name, source, known), added)

    def ids(
        self, *, identity: str | None = None, where: Mapping[str, str] | None = None
    ) -> IntArray:
        """Numbers of the items that are of an identity and have all of these texts, ascending."""
        parts: list[str] = []
        values: list[str] = []
        if identity is not None:
            parts.append("SELECT id FROM item WHERE identity = "
                         "(SELECT id FROM identity WHERE name = ?)")  # fmt: skip
            values.append(identity)
        for key, value in (where or {}).items():
            parts.append("SELECT item FROM label WHERE key = ? AND value = ?")
            values += [key, value]
        query = " INTERSECT ".join(parts) or "SELECT item FROM template"
        rows = self._db.execute(f"{query} ORDER BY 1", values).fetchall()
        return np.array([item for (item,) in rows], np.int64)

    def keys(self) -> list[str]:
        """Names of the metadata that any item has, ascending."""
        return self._column("SELECT DISTINCT key FROM label ORDER BY key")

    def content_of(self, contents: Sequence[str]) -> dict[str, int]:
        """Content -> number, of those that are there."""
        rows = self._db.execute(
            "SELECT content, id FROM item WHERE content IN (SELECT value FROM json_each(?))",
            (json.dumps(contents),),
        )
        return dict(rows)

    def templates(self, ids: IntArray | None = None) -> list[int]:
        """How many templates each identity has; an item without one counts as its own.

        Args:
            ids: of the items that count, all when None.
        """
        among = "" if ids is None else "WHERE id IN (SELECT value FROM json_each(?)) "
        return self._column(
            f"SELECT count(*) FROM item {among}GROUP BY coalesce(identity, -id)",
            *([] if ids is None else [json.dumps(ids.tolist())]),
        )

    def vectors(self, after: int = 0) -> Iterator[tuple[IntArray, Vectors]]:
        """Numbers and templates of the items above a number, ascending, some at a time.

        Raises:
            GalleryError: the bytes of a template are not those that were stored; names the item.
        """
        rows = self._db.execute(
            "SELECT item, vector, checksum FROM template WHERE item > ? ORDER BY item", (after,)
        )
        size = self.space.dim * VECTOR.itemsize
        while part := rows.fetchmany(_AT_ONCE):
            blobs = [
                self._opened(item, blob) if zlib.crc32(blob) == checksum else None
                for item, blob, checksum in part
            ]
            for (item, *_), blob in zip(part, blobs, strict=True):
                if blob is None or len(blob) != size:
                    raise GalleryError(
                        f"The templates in {self.path} must be as they were stored. Got other "
                        f"bytes in that of item {item}. Remove it by its number (twinlens gallery "
                        "remove --id) and add it again, or restore the folder from a copy."
                    )
            joined = np.frombuffer(b"".join([blob for blob in blobs if blob is not None]), VECTOR)
            ids = np.array([item for item, _, _ in part], np.int64)
            yield ids, joined.reshape(len(part), self.space.dim)

    def _opened(self, item: int, blob: bytes) -> bytes | None:
        return blob if self.cipher is None else self.cipher.open(blob, template_label(item))

    def removed_since(self, change: int) -> IntArray:
        """Numbers of the items removed after a change, ascending."""
        rows = self._column("SELECT item FROM removed WHERE change > ? ORDER BY item", change)
        return np.array(rows, np.int64)

    def removal_of(self, item: int) -> int | None:
        """The change in which an item was removed; None when it was not."""
        row = self._db.execute("SELECT change FROM removed WHERE item = ?", (item,)).fetchone()
        return None if row is None else row[0]

    def counts(self) -> tuple[int, int, tuple[tuple[int, int], ...]]:
        """(identities, items without one, [(templates, identities with as many)])."""
        (loose,) = self._db.execute("SELECT count(*) FROM item WHERE identity IS NULL").fetchone()
        rows = self._db.execute(
            "SELECT templates, count(*) FROM (SELECT count(*) AS templates FROM item "
            "WHERE identity IS NOT NULL GROUP BY identity) GROUP BY templates ORDER BY templates"
        ).fetchall()
        return sum(number for _, number in rows), loose, tuple(rows)

    def problems(self) -> list[str]:
        """What is wrong with the file: its pages, its rows, the chain of its log, its mark."""
        found = integrity.problems(self._db)
        if reported.is_damaged(self.path):
            found.append(
                f"{reported.file_of(self.path).name} is damaged, so it does not say what was "
                "reported last; the next change writes it anew"
            )
        return found

    def _space(self) -> Space:
        row = self._db.execute("SELECT fingerprint, dim, similarity FROM gallery").fetchone()
        return Space(*row)

    def _require_writable(self) -> None:
        if self.read_only is not None:
            raise GalleryError(
                f"{self.path} must be writable to be changed. Got: {self.read_only.why}. Make it "
                "writable, make room, or copy the folder; it is open to be read only, and nothing "
                "was stored."
            )

    def _require_same_space(self) -> None:
        now = self._space()
        if now != self.space:
            raise GalleryError(
                f"{self.path.parent} must be of the model {self.space.fingerprint}. Got one that "
                f"was taken over to {now.fingerprint} meanwhile. Open it again with that model."
            )

    def _column(self, query: str, *values: str | int) -> list[Any]:
        return [value for (value,) in self._db.execute(query, values)]
