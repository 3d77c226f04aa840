"""Whether a gallery in Milvus is what its log says, and how much a search of it finds."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from twinlens.gallery import log
from twinlens.gallery.entries import Space, Vectors
from twinlens.gallery.milvus.tables import Table
from twinlens.gallery.verify import NEAREST, sample
from twinlens.types import FloatArray, IntArray

_AT_ONCE = 1024


def problems(rows: Sequence[log.Row], ids: IntArray) -> list[str]:
    """Where items and log do not agree, in words.

    Args:
        rows: of the log, in order.
        ids: of the items that are there, ascending.
    """
    found: list[str] = []
    broken = log.first_broken(rows)
    if broken is not None:
        found.append(f"entry {broken} of the log does not follow from the one before")
    expected: set[int] = set()
    for _, _, _, action, details, _ in rows:
        items = json.loads(details).get("items", [])
        if action == "add":
            expected.update(range(items[0], items[1] + 1))
        elif action == "remove":
            expected.difference_update(items)
    there = set(ids.tolist())
    if lost := expected - there:
        found.append(f"{len(lost)} items of the log are gone, as item {min(lost)}")
    if more := there - expected:
        found.append(f"{len(more)} items are not in the log, as item {min(more)}")
    return found


def recall(table: Table, space: Space, last: int, ids: IntArray) -> float | None:
    """Share of the ten most alike that a search finds, on a sample; None without items.

    Args:
        table: of the items.
        space: that they are in.
        last: the greatest number.
        ids: of the items that are there.
    """
    drawn = sample(ids).tolist()
    if not drawn:
        return None
    queries = np.array([row["vector"] for row in table.among(drawn, ["vector"])], np.float32)
    best = np.full((len(queries), 0), 0.0)
    numbers = np.zeros((len(queries), 0), np.int64)
    for part in table.between(0, last, ["vector"], at_once=_AT_ONCE):
        vectors = np.array([row["vector"] for row in part], np.float32).reshape(-1, space.dim)
        new = np.broadcast_to([row["id"] for row in part], (len(queries), len(part)))
        best = np.concatenate([best, _scores(space, queries, vectors)], axis=1)
        numbers = np.concatenate([numbers, new], axis=1)
        order = np.argsort(-best, axis=1)[:, :NEAREST]
        best = np.take_along_axis(best, order, 1)
        numbers = np.take_along_axis(numbers, order, 1)
    answers = table.search(queries, numbers.shape[1], f"id <= {last}")
    hits = [
        len({number for number, *_ in answer} & set(exact))
        for answer, exact in zip(answers, numbers.tolist(), strict=True)
    ]
    return float(np.sum(hits) / numbers.size)


def _scores(space: Space, queries: Vectors, vectors: Vectors) -> FloatArray:
    """[queries, dim], [n, dim] -> [queries, n]."""
    if space.similarity == "inner_product":
        return queries @ vectors.T
    squares = (vectors**2).sum(axis=1) - 2 * queries @ vectors.T  # but for the query's own
    return -squares
