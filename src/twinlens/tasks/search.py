"""Search a gallery by one picture or several, with feedback on what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from twinlens.bundle import Bundle, Input
from twinlens.data.cache import Progress
from twinlens.errors import ConfigError
from twinlens.functional.expansion import expanded
from twinlens.gallery import AnyGallery, Hit
from twinlens.plain import to_plain
from twinlens.settings import require
from twinlens.types import FloatArray

Together = Literal["each", "mean", "union"]
LIKED, UNLIKED = 0.75, 0.25
"""Weights of the mean of what is liked and of what is not, beside the query's 1."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one question found.

    Attributes:
        queries: that it was asked with.
        hits: best first.
    """

    queries: tuple[str, ...]
    hits: tuple[Hit, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "queries": list(self.queries),
            "hits": [
                {"score": hit.score, "id": hit.item.id, **to_plain(hit.item.entry)}
                for hit in self.hits
            ],
        }


def search(
    bundle: Bundle,
    gallery: AnyGallery,
    queries: Sequence[Input],
    *,
    k: int = 10,
    skip: int = 0,
    together: Together = "each",
    where: Mapping[str, str] | None = None,
    like: Sequence[int] = (),
    unlike: Sequence[int] = (),
    expand: int = 0,
    progress: Progress | None = None,
) -> list[Found]:
    """The items most alike.

    Args:
        bundle: the model of the gallery.
        gallery: to search.
        queries: at least one.
        k: items for each question.
        skip: best ones to leave out: those of earlier pages.
        together: "each" query is a question of its own; "mean" asks once with their mean; "union"
            asks once and takes for each item the best of its scores.
        where: only among items that have all of these texts in their metadata.
        like, unlike: items of earlier answers, which draw each query towards them or away.
        expand: best items that each query is joined by for a second search, whose scores are those
            of the expanded query. 0 = one search.
        progress: told of (queries embedded, queries).

    Raises:
        ConfigError: queries are to be expanded, and embeddings cannot be averaged.
        DataError: a query cannot be read.
        GalleryError: an item to like is not there; and see `Gallery.search`.

    Source:
        Rocchio. Relevance feedback in information retrieval. The SMART retrieval system, 1971. Of
        expansion: see `functional.expansion`.
    """
    _require_averages(bundle, expand)
    vectors = bundle.embed(queries, progress=progress)
    names = tuple(str(q) if isinstance(q, (str, Path)) else "a picture in memory" for q in queries)
    if together == "mean":
        vectors = vectors.mean(axis=0, keepdims=True)
    vectors = _projected(_drawn(gallery, vectors, like, unlike), bundle)
    if expand:
        vectors = _projected(_expanded(gallery, vectors, bundle, expand, where), bundle)
    depth = skip + k
    found = gallery.search(vectors, depth, where=where)
    if together == "union":
        found = [_united(found, depth)]
    if together == "each":
        return [Found((name,), hits[skip:]) for name, hits in zip(names, found, strict=True)]
    return [Found(names, found[0][skip:])]


def _drawn(
    gallery: AnyGallery, vectors: FloatArray, like: Sequence[int], unlike: Sequence[int]
) -> FloatArray:
    """Queries moved towards the mean of some items and away from that of others."""
    for ids, weight in ((like, LIKED), (unlike, -UNLIKED)):
        if ids:
            vectors = vectors + weight * gallery.vectors(list(ids)).mean(axis=0)
    return vectors


def _require_averages(bundle: Bundle, expand: int) -> None:
    require(expand >= 0, "expand", "at least 0", expand)
    if expand and bundle.siamese.comparator.indexable is None:
        raise ConfigError(
            "A query can be expanded only where embeddings can be averaged: with the comparators "
            f"cosine and euclidean. Got {bundle.config.comparator.name}. Search without --expand."
        )


def _expanded(
    gallery: AnyGallery,
    vectors: FloatArray,
    bundle: Bundle,
    count: int,
    where: Mapping[str, str] | None,
) -> FloatArray:
    """Each query joined with the items most alike; unit vectors weigh by their scores."""
    weighed = bundle.siamese.comparator.indexable == "inner_product"
    made: list[FloatArray] = []
    for query, hits in zip(vectors, gallery.search(vectors, count, where=where), strict=True):
        items = gallery.vectors([hit.item.id for hit in hits])  # [hits, dim]
        scores = np.array([hit.score for hit in hits])
        made.append(expanded(query, items, scores if weighed else None))
    return np.stack(made)


def _projected(vectors: FloatArray, bundle: Bundle) -> FloatArray:
    """A mean of unit vectors is none: where the comparator wants unit vectors, it becomes one."""
    if bundle.siamese.comparator.indexable != "inner_product":
        return vectors.astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)


def _united(found: Sequence[Sequence[Hit]], k: int) -> tuple[Hit, ...]:
    """The best hit of each item."""
    best: dict[int, Hit] = {}
    for hit in (hit for row in found for hit in row):
        if hit.item.id not in best or hit.score > best[hit.item.id].score:
            best[hit.item.id] = hit
    return tuple(sorted(best.values(), key=lambda hit: (-hit.score, hit.item.id))[:k])
