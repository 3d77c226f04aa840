"""A gallery in a Milvus, which several machines share.

All of it is there: items, templates, the model's space and the log.

What Milvus gives: a request is written whole or not at all, and each reading sees what was written
before it. What it does not give is made up for here, as far as can be:

* One writer at a time: writers take turns through claims that they leave in the log's collection.
  One that is held up for half a minute in the middle of a request loses its turn.
* Batches of several requests: what a batch stored counts once its entry of the log is written. What
  is left of a batch that died before is hidden from readers and taken away by the next writer; a
  removal that died is done by the next writer. An `add` that failed can be repeated.
* Erasure: what was removed is not found any more, but Milvus keeps its bytes until it compacts its
  files and drops the old ones. So `Removed.erased` is None.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import numpy as np

from twinlens.errors import GalleryError
from twinlens.gallery.changes import hashed, told_apart
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
from twinlens.gallery.interface import (
    AnyGallery,
    numbers,
    require_items,
    require_keys,
    require_model,
)
from twinlens.gallery.log import LogEntry
from twinlens.gallery.milvus.checks import problems, recall
from twinlens.gallery.milvus.items import Items, row_of, text_of
from twinlens.gallery.milvus.journal import WAIT_S, Head, Journal, Turn
from twinlens.gallery.milvus.tables import AT_ONCE, MOST, Milvus, Table, one_of
from twinlens.gallery.verify import Verified, never_was, still_there
from twinlens.types import IntArray


class MilvusGallery(AnyGallery):
    """Open with `create` or `open`; use it as a context manager. Safe from several threads.

    Attributes:
        place: where it is, for messages.
    """

    def __init__(self, milvus: Milvus, collection: str, *, wait_s: float = WAIT_S) -> None:
        self.place = f"the collection {collection} of {milvus.uri}"
        self._milvus = milvus
        self._journal = Journal(Table(milvus, _log_of(collection), "number"), self.place)
        self._head = self._journal.head()
        self._items = Items(Table(milvus, collection, "id"), self._head.space)
        self._wait_s = wait_s
        self._lock = threading.RLock()
        self._templates: tuple[int, dict[str, list[int]]] = (0, {})

    @classmethod
    def create(
        cls,
        uri: str,
        collection: str,
        space: Space,
        *,
        log_searches: bool = True,
        token: str | None = None,
    ) -> MilvusGallery:
        """Make an empty gallery.

        Args:
            uri: "http://host:port", or a file of Milvus Lite, which ends in ".db".
            collection: its name; letters, digits and underscores.
            space: of the model whose embeddings it is for.
            log_searches: whether each search is logged, too, for which searches take turns.
            token: "user:password" or a key, where the server asks for one.

        Raises:
            GalleryError: only the model's own comparator can compare, a collection of that name is
                there, the package is missing, or the server does not answer.
        """
        if space.similarity == "comparator":
            raise GalleryError(
                "A gallery in Milvus must be of a model with the comparator cosine or euclidean. "
                "Got one with a comparator of its own, which no index can stand in for. Keep it "
                "in a folder."
            )
        milvus = Milvus(uri, token)
        made = [collection, _log_of(collection)]
        with _closed_if_it_fails(milvus):
            if any(map(milvus.has, made)):
                raise GalleryError(
                    f"The collection {collection} must be new. Got one that is at {uri} already. "
                    "Choose another name."
                )
            try:
                milvus.make_items(collection, space)
                milvus.make_log(_log_of(collection))
                table = Table(milvus, _log_of(collection), "number")
                head = Head(space, log_searches)
                Journal(table, uri).append(head, "create", [{"model": space.fingerprint}])
                return cls(milvus, collection)
            except BaseException:
                for name in made:
                    with suppress(GalleryError):  # what went wrong first is told
                        milvus.drop(name)
                raise

    @classmethod
    def open(
        cls,
        uri: str,
        collection: str,
        *,
        fingerprint: str | None = None,
        token: str | None = None,
        wait_s: float = WAIT_S,
    ) -> MilvusGallery:
        """Open a gallery that exists.

        Args:
            uri: "http://host:port", or a file of Milvus Lite, which ends in ".db".
            collection: its name.
            fingerprint: of the model that it is to be used with; a gallery of another is refused.
            token: "user:password" or a key, where the server asks for one.
            wait_s: how long to wait for other writers.

        Raises:
            GalleryError: it is missing or of another model, the package is missing, or the server
                does not answer.
        """
        milvus = Milvus(uri, token)
        with _closed_if_it_fails(milvus):
            if not (milvus.has(collection) and milvus.has(_log_of(collection))):
                raise GalleryError(
                    f"{uri} must have the collections {collection} and {_log_of(collection)} of a "
                    "gallery. Got none. Correct the name, or make one: twinlens gallery create."
                )
            gallery = cls(milvus, collection, wait_s=wait_s)
            require_model(gallery.place, gallery.space, fingerprint)
        return gallery

    def __len__(self) -> int:
        return self._items.table.count(f"id <= {self._read_head().given}")

    @property
    def space(self) -> Space:
        """Of the model whose embeddings it holds."""
        return self._head.space

    def close(self) -> None:
        """Hang up."""
        self._milvus.close()

    def add(self, vectors: Vectors, entries: Sequence[Entry]) -> Added:
        """Enrol a batch: all of it or nothing; see `AnyGallery.add`.

        After an error it can be repeated: what was stored nevertheless is known then.
        """
        vectors = self._matched(vectors, entries)
        texts = [text_of(entry) for entry in entries]
        with self._writing() as (head, turn):
            fresh, known = told_apart(entries, self._owners([e.content for e in entries], turn))
            if not fresh:
                return Added((), tuple(known))
            ids = range(head.given + 1, head.given + 1 + len(fresh))
            rows = [
                row_of(item, entry, texts[place], vectors[place])
                for item, (place, entry) in zip(ids, fresh, strict=True)
            ]
            for start in range(0, len(rows), AT_ONCE):
                turn.renew()
                self._items.table.put(rows[start : start + AT_ONCE])
            turn.renew()
            self._log_added(head, [entry for _, entry in fresh])
        return Added(tuple(ids), tuple(known))

    def remove(self, ids: Sequence[int]) -> Removed:
        """Remove items: all of them or none.

        They are not found any more. When their bytes leave its disks is up to Milvus.

        Raises:
            GalleryError: one is not there, or the server does not answer.
        """
        chosen = sorted(set(numbers(self.place, ids, "Items to be removed").tolist()))
        with self._writing() as (head, turn):
            found = {item.id: item for item in self._items.among(chosen)}
            require_items(self.place, set(chosen) - found.keys(), "Items to be removed")
            details: list[dict[str, Any]] = []
            for start in range(0, len(chosen), AT_ONCE):
                part = chosen[start : start + AT_ONCE]
                names = {found[item].entry.identity for item in part} - {None}
                details.append({"items": part, "identities": hashed(sorted(map(str, names)))})
            turn.renew()
            head = replace(head, leaving=len(details))
            self._finished(self._journal.append(head, "remove", details), turn)
        return Removed(tuple(chosen), erased=None)

    def search(
        self, queries: Vectors, k: int = 10, *, where: Where | None = None
    ) -> list[tuple[Hit, ...]]:
        """The items most alike each query, best first; see `AnyGallery.search`.

        `k` is 16,384 at most.
        """
        queries = self._asked(queries, k)
        if k > MOST:
            raise GalleryError(f"k must be at most {MOST:,} in Milvus. Got {k:,}.")
        if where:
            require_keys(where, self._read_head().keys)
        hits = self._hits(queries, k, where)
        self._record_search(hits)
        return hits

    def ids(self, *, identity: str | None = None, where: Where | None = None) -> IntArray:
        """Numbers of the items that are of an identity and have all of these texts, ascending.

        Raises:
            GalleryError: no item ever had metadata of that name.
        """
        head = self._read_head()
        require_keys(where, head.keys)
        return self._items.ids(head.given, identity=identity, where=where)

    def items(self, ids: Sequence[int] | IntArray) -> list[Item]:
        """Items by their numbers, ascending; those that are not there are left out."""
        given = self._read_head().given
        wanted = sorted({int(item) for item in ids})
        return self._items.among([item for item in wanted if 0 < item <= given])

    def vectors(self, ids: Sequence[int] | IntArray) -> Vectors:
        """Templates of items. [n] -> [n, dim].

        Raises:
            GalleryError: one is not there.
        """
        wanted: list[int] = numbers(self.place, ids).tolist()
        found = self._items.vectors(wanted)
        require_items(self.place, set(wanted) - found.keys())
        return np.array([found[i] for i in wanted], np.float32).reshape(-1, self.space.dim)

    def known(self, contents: Sequence[str]) -> dict[str, int]:
        """Content -> number of its item, of those that are enrolled."""
        given = self._read_head().given
        found = self._items.of_contents(contents)
        return {item.entry.content: item.id for item in found if item.id <= given}

    def log(self, *, newest: int | None = None) -> list[LogEntry]:
        """Who was enrolled, removed and searched, and when: all, or the newest, in order."""
        return [
            LogEntry(number, at, by, action, json.loads(details))
            for number, at, by, action, details, _ in self._journal.rows(
                self._read_head(), newest=newest
            )
        ]

    def stats(self) -> Stats:
        """How much there is. How much of its disks it takes, Milvus does not tell."""
        head = self._read_head()
        counts = self._items.counts(head.given)
        loose = counts.pop("", 0)
        return Stats(
            space=self.space,
            items=sum(counts.values()) + loose,
            identities=len(counts),
            without_identity=loose,
            templates=tuple(sorted(Counter(counts.values()).items())),
            index="graph",
            store_bytes=None,
            index_bytes=None,
            changes=head.entries,
            encrypted=False,
            waiting=None,
        )

    def refresh(self) -> None:
        """Nothing is to be done: Milvus looks after its index."""

    def verify(self) -> Verified:
        """Check that the items are those of the log, the log itself, and how much a search finds.

        Reads all templates.
        """
        head = self._read_head()
        ids = self.ids()
        found = problems(self._journal.rows(head), ids)
        share = recall(self._items.table, self.space, head.given, ids)
        return Verified(len(ids), tuple(found), share)

    def verify_removed(self, item: int) -> list[str]:
        """Whether an item that was removed is there still, in words; empty when it is not.

        What Milvus keeps on its disks until it compacts them cannot be looked at.
        """
        if not 0 < item <= self._read_head().given:
            return [never_was(item)]
        return [still_there(item)] if self._items.among([item]) else []

    def _nearest(
        self, probes: Vectors, candidates: int, where: Where | None
    ) -> tuple[list[int], list[tuple[Hit, ...]]]:
        probes = self._asked(probes, candidates)
        head = self._read_head()
        require_keys(where, head.keys)
        templates = self._templates_of(head, where)
        depth = candidates * max(templates, default=1)
        found = self._hits(probes, min(depth, MOST), where)
        self._record_search(found)
        return templates, found

    def _hits(self, queries: Vectors, k: int, where: Where | None) -> list[tuple[Hit, ...]]:
        """What a search finds, without what is left of a batch that was not finished."""
        if not len(queries):
            return []
        found = self._items.hits(queries, k, where=where)
        greatest = max((hit.item.id for answer in found for hit in answer), default=0)
        if greatest > self._head.given and greatest > (last := self._read_head().given):
            return self._items.hits(queries, k, where=where, last=last)
        return found

    def _record_search(self, hits: Sequence[Sequence[Hit]]) -> None:
        """Log what was asked, if this gallery logs searches."""
        if not self._head.logs_searches:
            return
        best = [row[0].item.id if row else None for row in hits]
        parts = [best[start : start + AT_ONCE] for start in range(0, len(best), AT_ONCE)]
        with self._writing() as (head, _):
            details = [{"queries": len(part), "best": part} for part in parts]
            self._journal.append(head, "search", details)

    @contextmanager
    def _writing(self) -> Generator[tuple[Head, Turn], None, None]:
        """A block that has its turn, after what others left unfinished was put right."""
        with self._lock, self._journal.turn(wait_s=self._wait_s) as turn:
            head = self._finished(self._read_head(), turn)
            unfinished = f"id > {head.given}"
            if self._items.table.rows(unfinished, [], most=1):
                self._items.table.delete(unfinished)
            yield head, turn

    def _finished(self, head: Head, turn: Turn) -> Head:
        """Delete the items whose removal is logged, if there are any."""
        for row in self._journal.rows(head, newest=head.leaving):
            turn.renew()
            self._items.table.delete(one_of("id", json.loads(row[4])["items"]))
        if head.leaving:
            head = replace(head, leaving=0)
            self._journal.keep(head)
        return head

    def _log_added(self, head: Head, entries: Sequence[Entry]) -> None:
        """Make the items that were stored last count."""
        details: list[dict[str, Any]] = []
        for start in range(0, len(entries), AT_ONCE):
            part = entries[start : start + AT_ONCE]
            first = head.given + start + 1
            names = sorted({entry.identity for entry in part if entry.identity is not None})
            items = [first, first + len(part) - 1]
            details.append({"items": items, "identities": hashed(names)})
        keys = {*head.keys, *(key for entry in entries for key in entry.metadata)}
        head = replace(head, given=head.given + len(entries), keys=tuple(sorted(keys)))
        self._head = self._journal.append(head, "add", details)

    def _read_head(self) -> Head:
        self._head = self._journal.head()
        return self._head

    def _owners(self, contents: Sequence[str], turn: Turn) -> dict[str, str | None]:
        """Content -> identity, of those that are enrolled."""
        owners: dict[str, str | None] = {}
        for start in range(0, len(contents), AT_ONCE):
            turn.renew()
            for item in self._items.of_contents(contents[start : start + AT_ONCE]):
                owners[item.entry.content] = item.entry.identity
        return owners

    def _templates_of(self, head: Head, where: Where | None) -> list[int]:
        """How many templates each identity has; those of one state are counted once."""
        asked = json.dumps(sorted((where or {}).items()))
        with self._lock:
            if self._templates[0] != head.changed:
                self._templates = (head.changed, {})
            known = self._templates[1]
            if asked not in known:
                counts = self._items.counts(head.given, where)
                known[asked] = [1] * counts.pop("", 0) + sorted(counts.values())
            return known[asked]


@contextmanager
def _closed_if_it_fails(milvus: Milvus) -> Generator[None, None, None]:
    try:
        yield
    except BaseException:
        milvus.close()
        raise


def _log_of(collection: str) -> str:
    return f"{collection}_log"
