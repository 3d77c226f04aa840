"""A durable collection of templates: enrolled, removed and searched, through any fault.

    folder/gallery.sqlite   the truth
    folder/index.cache      what searches fast; made again whenever it is missing, stale or damaged

Beside the truth lie SQLite's own files, and the mark of what was reported last (`reported`).

What `add` and `remove` returned from is on the disk. One process writes at a time, any number read
beside it, each a state that was whole.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from twinlens.atomic import WriteError, new_folder
from twinlens.errors import GalleryError
from twinlens.gallery import cache_file
from twinlens.gallery.cipher import Cipher
from twinlens.gallery.database import WAIT_S
from twinlens.gallery.entries import (
    Added,
    Entry,
    Hit,
    Item,
    Removed,
    Space,
    Stats,
    Vectors,
    Where,
)
from twinlens.gallery.index import Found
from twinlens.gallery.interface import (
    AnyGallery,
    can_be,
    numbers,
    require_items,
    require_keys,
    require_model,
)
from twinlens.gallery.live_index import LiveIndex, Progress
from twinlens.gallery.log import LogEntry
from twinlens.gallery.store import NAME, Store
from twinlens.gallery.verify import Verified, never_was, verify, verify_removed
from twinlens.types import IntArray, Scorer

_KEPT_ITEMS = 4096
"""Items of earlier answers kept in memory."""


class Gallery(AnyGallery):
    """Open with `create` or `open`; use it as a context manager. Safe from several threads."""

    def __init__(
        self, path: Path, store: Store, scorer: Scorer | None, progress: Progress | None
    ) -> None:
        self.path = path
        self.store = store
        self._scorer = scorer
        self._index = LiveIndex(store, path, progress)
        self._lock = threading.RLock()
        self._items: dict[int, Item] = {}

    @classmethod
    def create(
        cls,
        path: Path | str,
        space: Space,
        *,
        log_searches: bool = True,
        scorer: Scorer | None = None,
        cipher: Cipher | None = None,
    ) -> Gallery:
        """Make an empty gallery.

        Args:
            path: folder, which must be new or empty.
            space: of the model whose embeddings it is for.
            log_searches: whether each search is logged, too, which takes a write to the disk.
            scorer: the model, where only its own comparator can compare.
            cipher: encrypts templates and index with its key; it takes the same to open it.
                Identities, sources and metadata are not encrypted.

        Raises:
            WriteError: something is at `path`, or it cannot be written to.
        """
        with new_folder(Path(path)) as folder:
            Store.create(folder / NAME, space, logs_searches=log_searches, cipher=cipher)
        return cls.open(path, scorer=scorer, cipher=cipher)

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        fingerprint: str | None = None,
        scorer: Scorer | None = None,
        wait_s: float = WAIT_S,
        progress: Progress | None = None,
        cipher: Cipher | None = None,
        accept_loss: bool = False,
    ) -> Gallery:
        """Open a gallery that exists: to be read only where it cannot be written to.

        Args:
            path: folder.
            fingerprint: of the model that it is to be used with; a gallery of another is refused.
            scorer: the model, where only its own comparator can compare.
            wait_s: how long to wait for another writer.
            progress: told of (templates taken up, all) while the index is made.
            cipher: with its key, where it is encrypted.
            accept_loss: go on, and log it, where changes are missing that were reported.

        Raises:
            GalleryError: it is missing, damaged, or of another model or key; or changes are missing
                that were reported.
        """
        path = Path(path)
        store = Store(path / NAME, wait_s=wait_s, cipher=cipher, accept_loss=accept_loss)
        try:
            require_model(path, store.space, fingerprint)
        except GalleryError:
            store.close()
            raise
        return cls(path, store, scorer, progress)

    def __len__(self) -> int:
        with self._reading():
            return self.store.count()

    @property
    def space(self) -> Space:
        """Of the model whose embeddings it holds."""
        return self.store.space

    @property
    def read_only(self) -> str | None:
        """Why nothing can be written to it, in words; None where it can."""
        return None if self.store.read_only is None else self.store.read_only.why

    def close(self) -> None:
        """Keep the index, where that saves time, and let go of the file."""
        with self._lock:
            try:
                self._keep_index()
            finally:
                self.store.close()

    def _keep_index(self) -> None:
        """What cannot be kept, on a full disk or while another process writes, is made again."""
        with suppress(WriteError, GalleryError, sqlite3.OperationalError):
            self._index.keep()

    def add(self, vectors: Vectors, entries: Sequence[Entry]) -> Added:
        """Enrol a batch: all of it or nothing.

        What is there by its content already, under the same identity, is not stored again.

        Args:
            vectors: embeddings as the model projects them, [n, dim].
            entries: what is known of each, [n].

        Raises:
            DataError: shapes do not fit or a number is not finite.
            GalleryError: the same content under two identities, a full disk, or another writer
                that does not come to an end.
        """
        vectors = self._matched(vectors, entries)
        with self._lock, self.store.explained(), self.store.transaction():
            return self.store.add(entries, vectors)

    def remove(self, ids: Sequence[int]) -> Removed:
        """Remove items: all of them or none. Nothing of them is left in any file of the gallery.

        Raises:
            GalleryError: one is not there, the disk is full, or another writer does not come to an
                end.
        """
        chosen = sorted(set(ids))
        with self._lock, self.store.explained():
            with suppress(GalleryError):  # a damaged template must not keep others from removal
                self._index.now()
            with self.store.transaction():
                missing = set(chosen) - self.store.there(chosen)
                require_items(self.path, missing, "Items to be removed")
                self.store.remove(chosen)
                self._index.delete_file()  # first, as it must not outlive what it holds
            self._items.clear()
            erased = self.store.erase()
            self._keep_index()
        return Removed(tuple(chosen), erased)

    def search(
        self, queries: Vectors, k: int = 10, *, where: Where | None = None
    ) -> list[tuple[Hit, ...]]:
        """The items most alike each query, best first; see `AnyGallery.search`.

        Raises:
            GalleryError: besides, searches are to be logged, and nothing can be written.
        """
        self._require_log()
        with self._reading():
            hits = self._hits(queries, k, where)
        self._record_search(hits)
        return hits

    def ids(self, *, identity: str | None = None, where: Where | None = None) -> IntArray:
        """Numbers of the items that are of an identity and have all of these texts, ascending.

        Raises:
            GalleryError: no item has metadata of that name.
        """
        with self._reading():
            return self._ids(identity, where)

    def items(self, ids: Sequence[int] | IntArray) -> list[Item]:
        """Items by their numbers, ascending; those that are not there are left out."""
        with self._reading():
            found = self.store.items([int(item) for item in ids])
        return [found[item] for item in sorted(found)]

    def vectors(self, ids: Sequence[int] | IntArray) -> Vectors:
        """Templates of items. [n] -> [n, dim].

        Raises:
            GalleryError: one is not there.
        """
        wanted = numbers(self.path, ids)
        with self._reading():
            index = self._index.now().index
            require_items(self.path, np.setdiff1d(wanted, index.ids).tolist())
            return index.vectors(wanted)

    def known(self, contents: Sequence[str]) -> dict[str, int]:
        """Content -> number of its item, of those that are enrolled."""
        with self._reading():
            return self.store.content_of(contents)

    def log(self, *, newest: int | None = None) -> list[LogEntry]:
        """Who was enrolled, removed and searched, and when: all, or the newest, in order."""
        with self._reading():
            return self.store.log(newest=newest)

    def stats(self) -> Stats:
        """How much there is, and how it is searched."""
        with self._reading():
            index = self._index.now().index
            identities, loose, templates = self.store.counts()
            log = self.store.log(newest=1)
            follows = self.store.successor.space() is not None
            waiting = self.store.successor.missing() if follows else None
        cache = self.path / cache_file.NAME
        parts = self.path.glob(f"{NAME}*")
        return Stats(
            space=self.space,
            items=len(index),
            identities=identities,
            without_identity=loose,
            templates=templates,
            index=index.kind,
            store_bytes=sum(part.stat().st_size for part in parts),
            index_bytes=cache.stat().st_size if cache.exists() else 0,
            changes=log[0].number,
            encrypted=self.store.cipher is not None,
            waiting=waiting,
        )

    def refresh(self) -> None:
        """Bring the index up to the store, as the next search would.

        Raises:
            GalleryError: a template is damaged.
        """
        with self._reading():
            self._index.now()

    def rebuild(self) -> int:
        """Make the index anew from the store, and keep it. Returns how many templates it holds.

        Raises:
            GalleryError: a template is damaged, or another writer does not come to an end.
            WriteError: the disk is full.
        """
        with self._lock, self.store.explained():
            return self._index.rebuild()

    def verify(self) -> Verified:
        """Check the store, that the index holds the same, and how much a search finds.

        Raises:
            GalleryError: a template is damaged.
        """
        with self._reading():
            return verify(self.store, self._index.now(), self.path)

    def verify_removed(self, item: int) -> list[str]:
        """What is left of an item that was removed, in words; empty when nothing is."""
        if not can_be(item):
            return [never_was(item)]
        with self._lock, self.store.explained():
            return verify_removed(self.store, item, self.path)

    @contextmanager
    def _reading(self) -> Generator[None, None, None]:
        """A block that sees one state of the store."""
        with self._lock, self.store.explained(), self.store.snapshot():
            yield

    def _ids(self, identity: str | None, where: Where | None) -> IntArray:
        require_keys(where, self.store.keys())
        return self.store.ids(identity=identity, where=where)

    def _nearest(
        self, probes: Vectors, candidates: int, where: Where | None
    ) -> tuple[list[int], list[tuple[Hit, ...]]]:
        self._require_log()
        with self._reading():
            templates = self.store.templates(self._ids(None, where) if where else None)
            found = self._hits(probes, candidates * max(templates, default=1), where)
        self._record_search(found)
        return templates, found

    def _hits(self, queries: Vectors, k: int, where: Where | None) -> list[tuple[Hit, ...]]:
        found = self._found(queries, k, where)
        rows: list[list[int]] = found.ids.tolist()
        items = self._taken({item for row in rows for item in row if item >= 0})
        return [
            tuple(Hit(items[i], s) for i, s in zip(row, scores, strict=True) if i >= 0)
            for row, scores in zip(rows, found.scores.tolist(), strict=True)
        ]

    def _require_log(self) -> None:
        """Refuse a search that is to be logged and cannot be."""
        if self.store.logs_searches and self.read_only is not None:
            raise GalleryError(
                f"A search in {self.path} must be logged, as it was made to log each. Got a "
                f"gallery that cannot be written to: {self.read_only}. Make it writable, or export "
                "it and import that into one that is made with --no-log-searches."
            )

    def _record_search(self, hits: Sequence[Sequence[Hit]]) -> None:
        """Log what was asked, if this gallery logs searches."""
        if self.store.logs_searches:
            best = [row[0].item.id if row else None for row in hits]
            with self._lock, self.store.explained(), self.store.transaction():
                self.store.record("search", {"queries": len(best), "best": best})

    def _found(self, queries: Vectors, k: int, where: Where | None) -> Found:
        queries = self._asked(queries, k)
        if self.space.similarity == "comparator" and self._scorer is None:
            raise GalleryError(
                f"{self.path} must be searched with its model, whose comparator no index can stand "
                f"in for. Got none. Open it with the scorer of {self.space.fingerprint}."
            )
        index = self._index.now().index
        if where:
            return index.search_among(queries, k, self._ids(None, where), self._scorer)
        return index.search(queries, k, self._scorer)

    def _taken(self, ids: Collection[int]) -> dict[int, Item]:
        """Items by number; those of earlier answers are not read again."""
        missing = [item for item in ids if item not in self._items]
        if missing:
            if len(self._items) + len(missing) > _KEPT_ITEMS:
                self._items = {item: self._items[item] for item in ids if item in self._items}
            self._items |= self.store.items(missing)
        return self._items
