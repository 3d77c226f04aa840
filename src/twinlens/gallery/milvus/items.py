"""The items of a gallery in Milvus, as rows of its collection and back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from twinlens.gallery import log
from twinlens.gallery.entries import Entry, Hit, Item, Space, Vectors, Where
from twinlens.gallery.milvus.tables import (
    AT_ONCE,
    Row,
    Table,
    digest,
    labelled,
    one_of,
    require_storable,
)
from twinlens.types import IntArray


class Items:
    """What one collection holds.

    Args:
        table: the collection.
        space: of the model.
    """

    def __init__(self, table: Table, space: Space) -> None:
        self.table = table
        self._space = space

    def among(self, ids: Sequence[int]) -> list[Item]:
        """Those of these numbers that are there, ascending."""
        rows = self.table.among(ids, ["entry"])
        return sorted((_item(row["id"], row["entry"]) for row in rows), key=lambda item: item.id)

    def of_contents(self, contents: Sequence[str]) -> list[Item]:
        """Those of these contents that are there."""
        found: list[Item] = []
        for start in range(0, len(contents), AT_ONCE):
            part = [digest(content) for content in contents[start : start + AT_ONCE]]
            rows = self.table.rows(one_of("content", part), ["entry"])
            found += [_item(row["id"], row["entry"]) for row in rows]
        return found

    def ids(
        self, last: int, *, identity: str | None = None, where: Where | None = None
    ) -> IntArray:
        """Numbers up to one of the items that are of an identity and have all of these texts."""
        also = labelled(where)
        if identity is not None:
            also.append(one_of("identity", [digest(identity)]))
        parts = self.table.between(0, last, [], also=also)
        return np.array([row["id"] for part in parts for row in part], np.int64)

    def counts(self, last: int, where: Where | None = None) -> Counter[str]:
        """Templates of each identity, by its hash; under "" the items without one."""
        counts: Counter[str] = Counter()
        for part in self.table.between(0, last, ["identity"], also=labelled(where)):
            counts.update(row["identity"] for row in part)
        return counts

    def vectors(self, ids: Sequence[int]) -> dict[int, Sequence[float]]:
        """Number -> template, of those that are there."""
        rows = self.table.among(sorted(set(ids)), ["vector"])
        return {row["id"]: row["vector"] for row in rows}

    def hits(
        self, queries: Vectors, k: int, *, where: Where | None, last: int | None = None
    ) -> list[tuple[Hit, ...]]:
        """The k most alike each query, best first; equal ones by number.

        Args:
            queries: embeddings, [n, dim].
            k: at most.
            where: only among items that have all of these texts.
            last: only among items up to this number.
        """
        wanted = labelled(where) + ([] if last is None else [f"id <= {last}"])
        return [
            tuple(
                sorted(
                    (Hit(_item(number, text), self._score(far)) for number, far, text in answer),
                    key=lambda hit: (-hit.score, hit.item.id),
                )
            )
            for answer in self.table.search(queries, k, " and ".join(wanted))
        ]

    def _score(self, measured: float) -> float:
        """What Milvus measures as a score: of squared distances, minus the root."""
        if self._space.similarity == "inner_product":
            return float(measured)
        return -(max(float(measured), 0.0) ** 0.5)


def text_of(entry: Entry) -> str:
    """What is known of an item, as it is stored.

    Raises:
        GalleryError: it is too long for Milvus.
    """
    facts = [entry.content, entry.identity, entry.source, dict(entry.metadata), log.now()]
    text = json.dumps(facts, ensure_ascii=False)
    require_storable(entry.source or entry.content, text, len(entry.metadata))
    return text


def row_of(number: int, entry: Entry, text: str, vector: Any) -> Row:
    """An item as it is stored.

    Args:
        number: of the item.
        entry: what is known of it.
        text: the same, by `text_of`.
        vector: its template, [dim].
    """
    return {
        "id": number,
        "vector": vector,
        "content": digest(entry.content),
        "identity": "" if entry.identity is None else digest(entry.identity),
        "labels": [digest(key, value) for key, value in entry.metadata.items()],
        "entry": text,
    }


def _item(number: int, text: str) -> Item:
    content, identity, source, metadata, added = json.loads(text)
    return Item(number, Entry(content, identity, source, metadata), added)
