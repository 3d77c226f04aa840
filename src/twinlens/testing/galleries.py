"""The contract of a gallery, whatever it keeps its templates in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from twinlens.errors import DataError, GalleryError
from twinlens.gallery import AnyGallery, Entry, Hit, Space
from twinlens.gallery.entries import Similarity, Vectors
from twinlens.testing.contract import Broken, CheckResult, Rule, check_rules
from twinlens.types import IntArray

Make = Callable[[Path, Space], AnyGallery]
"""An empty gallery in a new folder."""
Reopen = Callable[[Path], AnyGallery]

_COUNT, _DIM, _K = 60, 6, 5


def check_gallery(
    name: str, make: Make, reopen: Reopen, *, similarity: Similarity = "inner_product"
) -> list[CheckResult]:
    """Check every rule of a kind of gallery.

    Args:
        name: of the kind.
        make: makes an empty one.
        reopen: opens it again once it was closed.
        similarity: to check it under; not "comparator".
    """
    case = _Case(make, reopen, Space("f" * 16, _DIM, similarity))
    rules: dict[str, Rule] = {
        "an empty one finds nothing": case.empty,
        "each item finds itself first": case.itself,
        "a search finds what comparing with all finds": case.brute_force,
        "a larger score is more alike": case.direction,
        "with k above its size it gives all there is": case.large_k,
        "what is known by its content is not stored again": case.twice,
        "one content under two identities is refused with all of its batch": case.two_identities,
        "a batch that does not fit is refused whole": case.misfits,
        "what was removed is not found, and the others are": case.removal,
        "an item that is not there cannot be removed, and nothing else is": case.bad_removal,
        "a number is given once": case.numbers,
        "a filter leaves those that have all of its texts": case.filtered,
        "closed and opened again it holds the same": case.reopened,
        "its log tells what was done, in order": case.log,
    }
    return check_rules("gallery", name, rules)


@dataclass(frozen=True, slots=True)
class _Case:
    """One kind of gallery in one space."""

    make: Make
    reopen: Reopen
    space: Space

    def empty(self) -> None:
        with self._folder() as folder, self.make(Path(folder) / "g", self.space) as gallery:
            _require(gallery.search(_vectors()[:2]) == [(), ()], "two empty answers", "others")
            _require(len(gallery) == 0, "no item", len(gallery))

    def itself(self) -> None:
        with self._folder() as folder, self._filled(Path(folder)) as gallery:
            best = [row[0].item.entry.content for row in gallery.search(_vectors(), 1)]
            _require(best == [e.content for e in _entries()], "each content", best)

    def brute_force(self) -> None:
        queries = _vectors(seed=1)[:20]
        with self._folder() as folder, self._filled(Path(folder)) as gallery:
            found = gallery.search(queries, _K)
        expected = _best(self._scores(queries, _vectors()), _K)
        _require(_places(found) == expected.tolist(), expected.tolist(), _places(found))

    def direction(self) -> None:
        with self._folder() as folder, self._filled(Path(folder)) as gallery:
            hits = gallery.search(_vectors()[:1], _COUNT)[0]
        scores = [hit.score for hit in hits]
        _require(scores == sorted(scores, reverse=True), "scores that fall", scores)
        expected = self._scores(_vectors()[:1], _vectors())[0]
        told = np.array([expected[place] for place in _places([hits])[0]])
        if not np.allclose(scores, told, atol=1e-5):
            raise Broken(f"Scores must be the comparator's. Got {scores[:3]}, not {told[:3]}.")

    def large_k(self) -> None:
        with self._folder() as folder, self._filled(Path(folder)) as gallery:
            found = len(gallery.search(_vectors()[:1], 10 * _COUNT)[0])
        _require(found == _COUNT, _COUNT, found)

    def twice(self) -> None:
        with self._folder() as folder, self._filled(Path(folder)) as gallery:
            added = gallery.add(_vectors(), _entries())
            _require(added.ids == () and len(added.known) == _COUNT, "no new item", added.ids)
            _require(len(gallery) == _COUNT, _COUNT, len(gallery))

    def two_identities(self) -> None:
        other = [Entry("new", "Ann"), Entry(_entries()[0].content, "somebody else")]
        with self._folder() as folder, self._filled(Path(folder)) as gallery:
            _refused(lambda: gallery.add(_vectors()[:2], other))
            _require(len(gallery) == _COUNT, _COUNT, len(gallery))
            _require(not gallery.known(["new"]), "nothing of the batch", "its first entry")

    def misfits(self) -> None:
        good = _vectors()[:2]
        infinite = np.where(np.arange(_DIM) == 1, np.inf, good)
        new = [Entry("a"), Entry("b")]
        with self._folder() as folder, self._filled(Path(folder)) as gallery:
            _refused(lambda: gallery.add(infinite, new))
            _refused(lambda: gallery.add(good[:, 1:], new))
            _refused(lambda: gallery.add(good, new[:1]))
            _refused(lambda: gallery.search(infinite))
            _refused(lambda: gallery.search(good, 0))
            _require(len(gallery) == _COUNT, _COUNT, len(gallery))

    def removal(self) -> None:
        queries = _vectors(seed=1)[:20]
        with self._folder() as folder, self._filled(Path(folder)) as gallery:
            gone = gallery.ids()[::3]
            before = gallery.search(queries, _K)
            gallery.remove(gone.tolist())
            found = _places(gallery.search(queries, _K))
            _require(len(before) == len(found), len(before), len(found))
            left = gallery.verify_removed(int(gone[0]))
            _require(not left, "nothing left of it", left)
        kept = np.delete(np.arange(_COUNT), np.arange(0, _COUNT, 3))
        expected = kept[_best(self._scores(queries, _vectors()[kept]), _K)].tolist()
        _require(found == expected, expected, found)

    def bad_removal(self) -> None:
        with self._folder() as folder, self._filled(Path(folder)) as gallery:
            there = int(gallery.ids()[0])
            for missing in (10**9, 2**63, 10**20):
                _refused(partial(gallery.remove, [there, missing]))
                _refused(partial(gallery.vectors, [there, missing]))
                _require(
                    bool(gallery.verify_removed(missing)), "that it never was there", "nothing"
                )
            _require(len(gallery) == _COUNT, _COUNT, len(gallery))

    def numbers(self) -> None:
        with self._folder() as folder, self._filled(Path(folder)) as gallery:
            last = int(gallery.ids()[-1])
            gallery.remove([last])
            again = gallery.add(_vectors()[-1:], _entries()[-1:]).ids[0]
        if again <= last:
            raise Broken(f"A new item must get a new number. Got {again} after {last}.")

    def filtered(self) -> None:
        where = {"colour": "red", "size": "2"}
        queries = _vectors(seed=1)[:4]
        with self._folder() as folder, self._filled(Path(folder)) as gallery:
            found = gallery.search(queries, _K, where=where)
            _refused(lambda: gallery.search(queries, _K, where={"color": "red"}))
            none = gallery.search(queries, _K, where={"colour": "blue"})
        _require(none == [(), (), (), ()], "nothing", none)
        kept = np.array(
            [i for i, e in enumerate(_entries()) if where.items() <= e.metadata.items()]
        )
        expected = kept[_best(self._scores(queries, _vectors()[kept]), _K)].tolist()
        _require(_places(found) == expected, expected, _places(found))

    def reopened(self) -> None:
        queries = _vectors(seed=1)[:4]
        with self._folder() as folder:
            with self._filled(Path(folder)) as gallery:
                before = gallery.search(queries, _K)
            with self.reopen(Path(folder) / "g") as gallery:
                _require(gallery.search(queries, _K) == before, "the same hits", "others")
                _require(gallery.space == self.space, self.space, gallery.space)

    def log(self) -> None:
        with self._folder() as folder, self._filled(Path(folder)) as gallery:
            gallery.search(_vectors()[:1])
            gallery.remove([int(gallery.ids()[0])])
            done = [entry.action for entry in gallery.log()]
            newest = [entry.action for entry in gallery.log(newest=1)]
        _require(done == ["create", "add", "search", "remove"], "what was done", done)
        _require(newest == ["remove"], ["remove"], newest)

    def _folder(self) -> AbstractContextManager[str]:
        return TemporaryDirectory(prefix="twinlens-gallery-")

    def _filled(self, folder: Path) -> AnyGallery:
        gallery = self.make(folder / "g", self.space)
        gallery.add(_vectors(), _entries())
        return gallery

    def _scores(self, queries: Vectors, vectors: Vectors) -> Vectors:
        """Every score, without an index."""
        if self.space.similarity == "inner_product":
            return queries @ vectors.T
        return -np.linalg.norm(queries[:, None] - vectors[None], axis=2)


def _vectors(seed: int = 0) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(_COUNT, _DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _entries() -> list[Entry]:
    return [
        Entry(
            f"{place:032x}",
            identity=f"identity {place // 3}" if place % 3 else None,
            source=f"{place}.png",
            metadata={"colour": "red" if place % 2 else "green", "size": str(place % 4 + 1)},
        )
        for place in range(_COUNT)
    ]


def _best(scores: Vectors, k: int) -> IntArray:
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def _places(found: list[tuple[Hit, ...]]) -> list[list[int]]:
    """Places in `_entries` of what was found."""
    return [[int(hit.item.entry.content, 16) for hit in row] for row in found]


def _refused(action: Callable[[], object]) -> None:
    try:
        action()
    except (DataError, GalleryError):
        return
    raise Broken("It must be refused with a DataError or GalleryError. Got no error.")


def _require(holds: bool, expected: object, got: object) -> None:
    if not holds:
        raise Broken(f"It must give {expected}. Got {got}.")
