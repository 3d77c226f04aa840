"""The embedded gallery keeps the contract of galleries; a broken one does not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from twinlens.gallery import Entry, Gallery, Removed, Space, index
from twinlens.gallery.entries import Hit, Similarity, Vectors
from twinlens.testing.contract import broken
from twinlens.testing.galleries import check_gallery


@pytest.mark.parametrize("similarity", ["inner_product", "euclidean"])
@pytest.mark.parametrize("kind", ["exact", "graph"])
def test_the_embedded_gallery_keeps_the_contract(
    kind: str, similarity: Similarity, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "graph":
        monkeypatch.setattr(index, "EXACT_VALUES", 100)
    results = check_gallery("embedded", Gallery.create, Gallery.open, similarity=similarity)
    assert len(results) == 14
    assert not broken(results), "\n".join(map(str, broken(results)))


class Upside(Gallery):
    """Least alike first."""

    def search(
        self, queries: Vectors, k: int = 10, *, where: dict[str, str] | None = None
    ) -> list[tuple[Hit, ...]]:
        return [tuple(reversed(row)) for row in super().search(queries, k, where=where)]


class Keeping(Gallery):
    """Removes nothing."""

    def remove(self, ids: Sequence[int]) -> Removed:
        return Removed(tuple(ids), erased=True)


@pytest.mark.parametrize(
    ("kind", "rule"),
    [(Upside, "a larger score is more alike"), (Keeping, "what was removed is not found")],
)
def test_a_broken_gallery_is_told(kind: type[Gallery], rule: str) -> None:
    results = broken(check_gallery("broken", kind.create, kind.open))
    assert any(result.rule.startswith(rule) for result in results)


def test_equal_scores_come_by_number(tmp_path: Path) -> None:
    space = Space("f", 2, "inner_product")
    same = np.ones((4, 2), np.float32)
    with Gallery.create(tmp_path / "g", space) as gallery:
        gallery.add(same, [Entry(name) for name in "abcd"])
        assert [hit.item.id for hit in gallery.search(same[:1], 3)[0]] == [1, 2, 3]
