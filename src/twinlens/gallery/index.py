"""Templates in memory, to be searched: exactly while they are few, through a graph past that.

An index is a cache: all of it can be made again from the store. FAISS ends here.

Source:
    Malkov, Yashunin. Efficient and robust approximate nearest neighbor search using hierarchical
    navigable small world graphs. IEEE TPAMI 42, 2020. Johnson, Douze, Jégou. Billion-scale
    similarity search with GPUs. IEEE Transactions on Big Data 7, 2021 (FAISS).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, cast

import faiss as untyped_faiss
import numpy as np

from twinlens.gallery.entries import Space, Vectors
from twinlens.types import BoolArray, FloatArray, IntArray, Scorer

faiss = cast(Any, untyped_faiss)  # its types name half of what it has

EXACT_VALUES = 2_500_000
"""Numbers up to which all templates are scored: 20,000 of width 128, in about a millisecond."""
_LINKS, _BUILD_EFFORT = 32, 100
"""Links of a template in the graph, and candidates looked at to find them."""
_EFFORTS = (16, 32, 64, 128, 256, 512)
_RECALL = 0.997
"""The least effort is taken that finds this share of the ten nearest on a sample. Templates are
found more easily than what was never stored, whose share is up to a hundredth lower."""
_SAMPLE, _NEAREST = 1024, 10
_GROWN = 1.25
"""Times as many templates as when the effort was last chosen: then it is chosen anew."""
_MOST_GONE = 0.2
"""Share of removed templates from which the graph is made anew."""
_BLOCK_SCORES = 2_000_000
_NONE = -1

Kind = Literal["exact", "graph", "comparator"]


@dataclass(frozen=True, slots=True)
class Found:
    """The best of each query, best first; equal ones by number.

    Attributes:
        ids: [queries, k] numbers of items; -1 where there are fewer.
        scores: [queries, k], larger = more alike; -inf where there are fewer.
    """

    ids: IntArray
    scores: FloatArray


class Index:
    """The templates of a gallery, by the numbers of their items.

    Not for several threads at once.

    Args:
        space: the model's.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.effort = _EFFORTS[0]
        self._tuned_at = 0
        self._faiss: Any = _flat(space)
        self._ids: IntArray = np.zeros(0, np.int64)  # [n], ascending
        self._gone: BoolArray = np.zeros(0, np.bool_)  # [n], in a graph only
        self._gone_count = 0

    def __len__(self) -> int:
        return len(self._ids) - self._gone_count

    @property
    def kind(self) -> Kind:
        """How it searches."""
        if self.space.similarity == "comparator":
            return "comparator"
        return "graph" if isinstance(self._faiss, faiss.IndexHNSW) else "exact"

    @property
    def last(self) -> int:
        """The greatest number that ever was in it; 0 when none was."""
        return int(self._ids[-1]) if len(self._ids) else 0

    @property
    def ids(self) -> IntArray:
        """Numbers of the items that are there, ascending."""
        return self._ids[~self._gone]

    def add(self, ids: IntArray, vectors: Vectors) -> None:
        """Take up templates of items with greater numbers than any before. [n], [n, dim]."""
        self._faiss.add(np.ascontiguousarray(vectors, np.float32))
        self._ids = np.concatenate([self._ids, ids])
        self._gone = np.concatenate([self._gone, np.zeros(len(ids), np.bool_)])
        if self.kind == "exact" and self._ids.size * self.space.dim > EXACT_VALUES:
            self._build_graph()
        elif self.kind == "graph" and len(self._ids) > _GROWN * self._tuned_at:
            self._tune()

    def remove(self, ids: IntArray) -> None:
        """Forget the templates of these items; numbers that are not there are passed over."""
        places = np.flatnonzero(np.isin(self._ids, ids) & ~self._gone)
        if not len(places):
            return
        if self.kind != "graph":
            self._faiss.remove_ids(faiss.IDSelectorBatch(places))
            self._ids = np.delete(self._ids, places)
            self._gone = np.zeros(len(self._ids), np.bool_)
            return
        self._gone[places] = True
        self._gone_count += len(places)
        if self._gone_count > _MOST_GONE * len(self._ids):
            self._build_graph()
            return
        # A graph needs its nodes as stepping stones. Each removed template is overwritten by what
        # is nearest to it and stays, so that nothing of it is left and the others are still found.
        table = self._table()
        found = self._nearest(table[places], 1).ids  # [removed, 1]
        table[places] = np.where(found < 0, 0, table[np.searchsorted(self._ids, found[:, 0])])

    def search(self, queries: Vectors, k: int, scorer: Scorer | None = None) -> Found:
        """The k items most alike each query. [queries, dim].

        Args:
            queries: embeddings of the same model.
            k: how many at most.
            scorer: the model; needed where only its own comparator can compare.
        """
        k = min(k, len(self))
        if not k or not len(queries):
            return _nothing(len(queries), k)
        if self.kind == "comparator":
            return self._scored(queries, self._ids, self._table(), k, scorer)
        return self._nearest(queries, k)

    def search_among(
        self, queries: Vectors, k: int, ids: IntArray, scorer: Scorer | None = None
    ) -> Found:
        """The same, exactly, among some items only. [n] numbers, ascending."""
        places = np.flatnonzero(np.isin(self._ids, ids, assume_unique=True) & ~self._gone)
        k = min(k, len(places))
        if not k or not len(queries):
            return _nothing(len(queries), k)
        chosen = self._table()[places]  # [n, dim]
        if self.kind == "comparator":
            return self._scored(queries, self._ids[places], chosen, k, scorer)
        queries = np.ascontiguousarray(queries, np.float32)
        measure, rows = faiss.knn(queries, chosen, k, metric=_metric(self.space))
        return _sorted(self._ids[places][rows], self._as_scores(measure))

    def vectors(self, ids: IntArray) -> Vectors:
        """Templates of items that are there, copied. [n] -> [n, dim]."""
        return self._table()[np.searchsorted(self._ids, ids)]

    def recall(self, queries: Vectors, k: int) -> float:
        """Share of the k nearest that a search finds, against comparing with all. [n, dim]."""
        exact = self.search_among(queries, k, self.ids).ids
        return _share_found(exact, self.search(queries, k).ids)

    def write(self, file: BinaryIO) -> None:
        """Put all of it into a file that is open."""
        counts = [len(self._ids), self.effort, self._tuned_at]
        file.write(np.array(counts, "<i8").tobytes())
        file.write(self._ids.astype("<i8").tobytes())
        file.write(self._gone.tobytes())
        faiss.write_index(self._faiss, faiss.PyCallbackIOWriter(file.write))

    @classmethod
    def read(cls, file: BinaryIO, space: Space) -> Index:
        """What `write` put there; the caller knows that the bytes are the same."""
        index = cls(space)
        count, index.effort, index._tuned_at = np.frombuffer(file.read(24), "<i8").tolist()
        index._ids = np.frombuffer(file.read(8 * count), "<i8").astype(np.int64)
        index._gone = np.frombuffer(file.read(count), np.bool_).copy()
        index._gone_count = int(index._gone.sum())
        index._faiss = faiss.read_index(faiss.PyCallbackIOReader(file.read))
        return index

    def _nearest(self, queries: Vectors, k: int) -> Found:
        queries = np.ascontiguousarray(queries, np.float32)
        if self.kind == "exact":
            measure, places = self._faiss.search(queries, k)
        else:
            asked = faiss.SearchParametersHNSW(efSearch=max(self.effort, 2 * k))
            if self._gone_count:
                # kept by name, as the search holds but a pointer to it
                alive = np.packbits(~self._gone, bitorder="little")
                asked.sel = faiss.IDSelectorBitmap(alive)
            # the method itself: packages that import faiss.contrib.torch_utils replace `search` by
            # one that takes no parameters
            measure = np.empty((len(queries), k), np.float32)
            places = np.empty((len(queries), k), np.int64)
            pointers = map(faiss.swig_ptr, (measure, places))
            self._faiss.search_c(len(queries), faiss.swig_ptr(queries), k, *pointers, asked)
        scores = self._as_scores(measure)
        if (places >= 0).all():
            return _sorted(self._ids[places], scores)
        return _sorted(
            np.where(places < 0, _NONE, self._ids[places]),
            np.where(places < 0, -np.inf, scores).astype(np.float32),
        )

    def _scored(
        self, queries: Vectors, ids: IntArray, vectors: Vectors, k: int, scorer: Scorer | None
    ) -> Found:
        """By the model's own comparator, a block of templates at a time."""
        assert scorer is not None  # `Gallery` has seen to it
        rows = max(1, _BLOCK_SCORES // len(queries))
        best = _nothing(len(queries), 0)
        for start in range(0, len(ids), rows):
            scores = scorer.score_matrix(queries, np.ascontiguousarray(vectors[start:][:rows]))
            numbers = np.broadcast_to(ids[start:][:rows], scores.shape)
            joined = _sorted(
                np.concatenate([best.ids, numbers], axis=1),
                np.concatenate([best.scores, scores], axis=1),
            )
            best = Found(joined.ids[:, :k], joined.scores[:, :k])
        return best

    def _as_scores(self, measure: FloatArray) -> FloatArray:
        """What FAISS measures as a score: of squared distances, minus the root."""
        if self.space.similarity == "inner_product":
            return measure
        return -np.sqrt(np.maximum(measure, 0))

    def _table(self) -> Vectors:
        """All templates as FAISS holds them, to be read or written in place. [n, dim]."""
        if not len(self._ids):
            return np.zeros((0, self.space.dim), np.float32)
        flat = faiss.downcast_index(self._faiss.storage) if self.kind == "graph" else self._faiss
        values = faiss.rev_swig_ptr(flat.get_xb(), self._ids.size * self.space.dim)
        return cast(Vectors, values.reshape(-1, self.space.dim))

    def _build_graph(self) -> None:
        """A graph of the templates that are there."""
        kept = ~self._gone
        vectors = self._table()[kept]
        graph = faiss.IndexHNSWFlat(self.space.dim, _LINKS, _metric(self.space))
        graph.hnsw.efConstruction = _BUILD_EFFORT
        graph.add(vectors)
        self._faiss, self._ids = graph, self._ids[kept]
        self._gone, self._gone_count = np.zeros(len(self._ids), np.bool_), 0
        self._tune()

    def _tune(self) -> None:
        """Take the least effort that finds enough, on templates drawn from those that are there."""
        self._tuned_at = len(self._ids)
        alive = self.ids
        drawn = np.random.default_rng(0).permutation(len(alive))[:_SAMPLE]
        queries = self.vectors(alive[np.sort(drawn)])
        exact = self.search_among(queries, _NEAREST, alive).ids
        for self.effort in _EFFORTS:
            if _share_found(exact, self.search(queries, _NEAREST).ids) >= _RECALL:
                break


def _flat(space: Space) -> Any:
    return faiss.IndexFlat(space.dim, _metric(space))


def _metric(space: Space) -> int:
    return faiss.METRIC_L2 if space.similarity == "euclidean" else faiss.METRIC_INNER_PRODUCT


def _share_found(exact: IntArray, found: IntArray) -> float:
    """Share of the items that should be found that were. Each [queries, k], -1 = none."""
    hits = [len(np.intersect1d(a[a >= 0], b)) for a, b in zip(exact, found, strict=True)]
    return float(np.sum(hits) / max(1, (exact >= 0).sum()))


def _nothing(queries: int, k: int) -> Found:
    return Found(np.full((queries, k), _NONE), np.full((queries, k), -np.inf, np.float32))


def _sorted(ids: IntArray, scores: FloatArray) -> Found:
    """Best first; equal ones by number. Each [queries, n]."""
    if (scores[:, :-1] > scores[:, 1:]).all():
        return Found(ids, scores)
    order = np.lexsort((ids, -scores), axis=1)
    return Found(np.take_along_axis(ids, order, 1), np.take_along_axis(scores, order, 1))
