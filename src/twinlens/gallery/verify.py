"""Whether a gallery is what it says: its file, its index against it, its search against all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twinlens.atomic import unfinished_files
from twinlens.gallery import cache_file
from twinlens.gallery.cache_file import Cached
from twinlens.gallery.store import Store
from twinlens.types import IntArray

NEAREST = 10
"""Items that a search is asked for, to see how many of them it finds."""
_SAMPLE = 200


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found.

    Attributes:
        items: how many there are.
        problems: in words; empty when all is well.
        recall: share of the ten most alike that a search finds, on a sample of the items; None
            where every search compares with all.
    """

    items: int
    problems: tuple[str, ...]
    recall: float | None


def verify(store: Store, cached: Cached, folder: Path) -> Verified:
    """Check all of a gallery, inside a snapshot of it.

    Args:
        store: the truth.
        cached: the index in memory, of the same state.
        folder: of the gallery.

    Raises:
        GalleryError: a template is damaged.
    """
    problems = store.problems()
    problems += _differences(store, cached, "the index")
    on_disk = cache_file.load(folder / cache_file.NAME, store.space, store.cipher)
    if on_disk is not None and on_disk.head == cached.head:
        problems += _differences(store, on_disk, "the index on disk")
    index = cached.index
    recall = None
    if index.kind == "graph":
        recall = index.recall(index.vectors(np.sort(sample(index.ids))), NEAREST)
    return Verified(len(index), tuple(problems), recall)


def sample(ids: IntArray) -> IntArray:
    """Items whose templates are searched for; always the same of the same gallery."""
    return np.random.default_rng(1).permutation(ids)[:_SAMPLE]


def verify_removed(store: Store, item: int, folder: Path) -> list[str]:
    """What is left of an item that was removed, in words; empty when nothing is.

    Moves the write-ahead log into the file, where removed rows are overwritten, so it must not run
    inside a transaction.
    """
    change = store.removal_of(item)
    if change is None:
        return [still_there(item) if store.there([item]) else never_was(item)]
    left: list[str] = []
    on_disk = cache_file.load(folder / cache_file.NAME, store.space, store.cipher)
    if on_disk is not None and on_disk.head.change < change:
        left.append("the index on disk is older than the removal; rebuild it")
    left += [
        f"{file.name}, which may hold it, is left of an index that was not written to its end "
        "(unless another process writes it now); rebuild the index"
        for file in unfinished_files(folder / cache_file.NAME)
    ]
    if store.read_only is not None:
        left += [
            f"{file.name} may hold it, and nothing can be written here"
            for file in sorted(folder.glob(f"{store.path.name}-wal*"))
            if file.stat().st_size
        ]
    elif not store.erase():
        left.append("another process still reads an older state; end it and verify again")
    return left


def still_there(item: int) -> str:
    """That it was not removed."""
    return f"item {item} is still there"


def never_was(item: int) -> str:
    """That no item had its number."""
    return f"item {item} never was there"


def _differences(store: Store, cached: Cached, name: str) -> list[str]:
    """Where an index does not hold the very templates of the store."""
    stored = store.ids()
    if not np.array_equal(stored, cached.index.ids):
        return [f"{name} holds other items than the store"]
    for ids, vectors in store.vectors():
        if not np.array_equal(cached.index.vectors(ids), vectors):
            return [f"{name} holds other templates than the store"]
    return []
