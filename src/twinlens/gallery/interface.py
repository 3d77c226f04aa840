"""What every gallery can do, wherever it keeps its templates, and what is the same for all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from twinlens.calibration import Calibration
from twinlens.errors import DataError, GalleryError, nearest
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
from twinlens.gallery.identification import Identification, decide
from twinlens.gallery.log import LogEntry
from twinlens.gallery.verify import Verified
from twinlens.types import IntArray


class AnyGallery(ABC):
    """A gallery, open; use it as a context manager."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def space(self) -> Space:
        """Of the model whose embeddings it holds."""

    @property
    def read_only(self) -> str | None:
        """Why nothing can be written to it, in words; None where it can."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Let go of what it is kept in."""

    @abstractmethod
    def add(self, vectors: Vectors, entries: Sequence[Entry]) -> Added:
        """Enrol a batch: all of it or nothing.

        What is there by its content already, under the same identity, is not stored again.

        Args:
            vectors: embeddings as the model projects them, [n, dim].
            entries: what is known of each, [n].

        Raises:
            DataError: shapes do not fit or a number is not finite.
            GalleryError: the same content under two identities, or it cannot be stored.
        """

    @abstractmethod
    def remove(self, ids: Sequence[int]) -> Removed:
        """Remove items.

        Raises:
            GalleryError: one is not there, and none is removed; or it cannot be written to.
        """

    @abstractmethod
    def search(
        self, queries: Vectors, k: int = 10, *, where: Where | None = None
    ) -> list[tuple[Hit, ...]]:
        """The items most alike each query, best first.

        Args:
            queries: embeddings, [n, dim].
            k: items for each; fewer where the gallery has fewer.
            where: only among items that have all of these texts in their metadata.

        Raises:
            DataError: shapes do not fit or a number is not finite.
            GalleryError: no item has such metadata, or the gallery cannot be read.
        """

    def identify(
        self,
        probes: Vectors,
        calibration: Calibration,
        *,
        fpir: float = 0.01,
        candidates: int = 3,
        where: Where | None = None,
    ) -> list[Identification]:
        """Who each probe is, or nobody, as the best template of an identity decides.

        An item without an identity counts as one of its own.

        Args:
            probes: embeddings, [n, dim].
            calibration: of the same model.
            fpir: share of strangers who may be taken for somebody, to be promised for as many
                identities as are searched.
            candidates: best identities to tell of.
            where: only among items that have all of these texts in their metadata.

        Raises:
            GalleryError: the calibration is of another model; and see `search`.
        """
        if calibration.fingerprint != self.space.fingerprint:
            raise GalleryError(
                f"A calibration must be of the model {self.space.fingerprint}. Got one of "
                f"{calibration.fingerprint}. Use the model that the gallery was made with."
            )
        templates, found = self._nearest(probes, candidates, where)
        rule = calibration.stranger_threshold(templates, fpir=fpir) if templates else None
        return [
            decide(_best_of_each(hits)[:candidates], rule, len(templates), filtered=bool(where))
            for hits in found
        ]

    @abstractmethod
    def ids(self, *, identity: str | None = None, where: Where | None = None) -> IntArray:
        """Numbers of the items that are of an identity and have all of these texts, ascending.

        Raises:
            GalleryError: no item has metadata of that name.
        """

    @abstractmethod
    def items(self, ids: Sequence[int] | IntArray) -> list[Item]:
        """Items by their numbers, ascending; those that are not there are left out."""

    @abstractmethod
    def vectors(self, ids: Sequence[int] | IntArray) -> Vectors:
        """Templates of items. [n] -> [n, dim].

        Raises:
            GalleryError: one is not there.
        """

    @abstractmethod
    def known(self, contents: Sequence[str]) -> dict[str, int]:
        """Content -> number of its item, of those that are enrolled."""

    @abstractmethod
    def log(self, *, newest: int | None = None) -> list[LogEntry]:
        """Who was enrolled, removed and searched, and when: all, or the newest, in order."""

    @abstractmethod
    def stats(self) -> Stats:
        """How much there is, and how it is searched."""

    @abstractmethod
    def refresh(self) -> None:
        """Bring the index up to the store, as the next search would."""

    @abstractmethod
    def verify(self) -> Verified:
        """Check the store and its log, and how much a search finds."""

    @abstractmethod
    def verify_removed(self, item: int) -> list[str]:
        """What is left of an item that was removed, in words; empty when nothing is."""

    @abstractmethod
    def _nearest(
        self, probes: Vectors, candidates: int, where: Where | None
    ) -> tuple[list[int], list[tuple[Hit, ...]]]:
        """How many templates each identity has, and enough hits of each probe to name the best
        identities. The search is logged, if this gallery logs searches.
        """

    def _matched(self, vectors: Vectors, entries: Sequence[Entry]) -> Vectors:
        """Embeddings to be enrolled, once it is known that they fit."""
        vectors = self._fitting(vectors)
        if len(vectors) != len(entries):
            raise DataError(
                f"There must be an entry for each embedding. Got {len(entries)} for {len(vectors)}."
            )
        return vectors

    def _asked(self, queries: Vectors, k: int) -> Vectors:
        """Embeddings to search for, once it is known that they fit."""
        queries = self._fitting(queries)
        if k < 1:
            raise GalleryError(f"k must be at least 1. Got {k}.")
        return queries

    def _fitting(self, vectors: Vectors) -> Vectors:
        vectors = np.asarray(vectors, np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self.space.dim:
            raise DataError(
                f"Embeddings must have the shape [n, {self.space.dim}]. "
                f"Got {list(vectors.shape)}. Embed with the model of the gallery."
            )
        if not np.isfinite(vectors).all():
            raise DataError("Every embedding must be finite. Got NaN or infinity. Clean the input.")
        return vectors


def require_model(place: Path | str, space: Space, fingerprint: str | None) -> None:
    """Check that a gallery is of a model, where one is named.

    Raises:
        GalleryError: it is of another one.
    """
    if fingerprint is not None and fingerprint != space.fingerprint:
        raise GalleryError(
            f"{place} must hold embeddings of the model {fingerprint}. Got those of "
            f"{space.fingerprint}. Use that model, or make a gallery with this one."
        )


def require_items(place: Path | str, missing: Collection[int], what: str = "Items") -> None:
    """Check that no item is missing.

    Args:
        place: of the gallery.
        missing: numbers of those that were asked for and are not there.
        what: they were to be.

    Raises:
        GalleryError: one is.
    """
    if missing:
        raise GalleryError(
            f"{what} must be in {place}. Got {min(missing)}"
            f"{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}, which none is. See "
            "twinlens gallery list."
        )


def numbers(place: Path | str, ids: Sequence[int] | IntArray, what: str = "Items") -> IntArray:
    """Numbers of items as an array. [n]

    Raises:
        GalleryError: one is beyond what any item can have; see `require_items`.
    """
    try:
        return np.asarray(ids, np.int64)
    except OverflowError:
        require_items(place, [item for item in ids if not can_be(item)], what)
        raise


def can_be(item: int) -> bool:
    """Whether an item may have this number."""
    return 0 < item < 2**63


def require_keys(where: Where | None, keys: Iterable[str]) -> None:
    """Check that a filter names metadata that there is.

    Raises:
        GalleryError: it does not.
    """
    keys = set(keys)
    unknown = sorted(set(where or ()) - keys)
    if unknown:
        raise GalleryError(
            f"A filter must name metadata of the gallery. Got {unknown[0]!r}. "
            f"{nearest(unknown[0], keys)}"
        )


def _best_of_each(hits: Sequence[Hit]) -> list[Hit]:
    """The first hit of each identity; each item without one for itself."""
    first: dict[str | int, Hit] = {}
    for hit in hits:
        first.setdefault(hit.item.entry.identity or hit.item.id, hit)
    return list(first.values())
