"""A gallery follows a new model: all of it at once, whatever happens on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from galleries import DIM, SPACE, contents, entries, filled, vectors
from twinlens.errors import GalleryError
from twinlens.gallery import Gallery, Migration, Space, index
from twinlens.gallery.entries import Vectors
from twinlens.gallery.store import NAME

TESTS = Path(__file__).parents[1]
NEW = Space("fedcba9876543210", 5, "inner_product")
OTHER = Space("00000000ffffffff", 5, "inner_product")


def of_new(numbers: list[int]) -> Vectors:
    """Templates of numbered things by the new model. [n, 5]."""
    found = vectors(numbers)[:, ::-1][:, : NEW.dim] + 1
    return np.ascontiguousarray(found, np.float32)


def bring(migration: Migration, *, most: int = 1000) -> None:
    items = migration.waiting(after=0, most=most)
    numbers = [int(item.entry.content) for item in items]
    migration.bring([item.id for item in items], of_new(numbers))


@pytest.fixture(params=["exact", "graph"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "graph":
        monkeypatch.setattr(index, "EXACT_VALUES", 20 * DIM)
    return request.param


@pytest.mark.usefixtures("kind")
def test_everything_but_the_templates_stays(tmp_path: Path) -> None:
    with filled(tmp_path / "g", 60) as gallery:
        gallery.remove([7])
        gallery.search(vectors([3]), 1)
        before = gallery.items(gallery.ids())
    old = vectors([30])[0].astype("<f4").tobytes()
    assert any(old in part.read_bytes() for part in (tmp_path / "g").iterdir())
    with Migration(tmp_path / "g", NEW) as migration:
        assert migration.missing() == 59
        bring(migration)
        assert migration.missing() == 0
        assert migration.finish()
    with pytest.raises(GalleryError, match="of the model 0123456789abcdef"):
        Gallery.open(tmp_path / "g", fingerprint=SPACE.fingerprint)
    with Gallery.open(tmp_path / "g", fingerprint=NEW.fingerprint) as gallery:
        assert gallery.space == NEW
        assert gallery.stats().waiting is None
        assert gallery.items(gallery.ids()) == before
        numbers = [int(item.entry.content) for item in before]
        assert np.array_equal(gallery.vectors(gallery.ids()), of_new(numbers))
        assert [entry.action for entry in gallery.log()] == ["create", "add", "remove", "migrate"]
        gallery.rebuild()
        assert gallery.verify().problems == ()
        assert gallery.add(of_new([99]), entries([99])).ids == (61,)
        query = of_new([30])
        best = gallery.vectors(gallery.ids()) @ query[0]
        assert gallery.search(query, 1)[0][0].score == pytest.approx(best.max(), rel=1e-5)
    assert not any(old in part.read_bytes() for part in (tmp_path / "g").iterdir())


def test_what_was_brought_is_kept_unless_it_is_for_another_model(tmp_path: Path) -> None:
    filled(tmp_path / "g", 20).close()
    with Migration(tmp_path / "g", NEW) as migration:
        bring(migration, most=12)
    with Gallery.open(tmp_path / "g", fingerprint=SPACE.fingerprint) as gallery:
        assert gallery.search(vectors([3]), 1)[0][0].item.entry.content == "3"  # as before
        assert gallery.stats().waiting == 8
    with Migration(tmp_path / "g", NEW) as migration:
        assert migration.missing() == 8
    with Migration(tmp_path / "g", OTHER) as migration:
        assert migration.missing() == 20


def test_what_is_enrolled_and_removed_meanwhile_counts(tmp_path: Path) -> None:
    with filled(tmp_path / "g", 20) as gallery, Migration(tmp_path / "g", NEW) as migration:
        bring(migration)
        gallery.add(vectors([20, 21]), entries([20, 21]))
        gallery.remove([1, 2, 21])  # two that were brought, one that was not
        assert not migration.finish()
        assert gallery.search(vectors([5]), 1)[0][0].item.entry.content == "5"
        migration.bring([1, 22], of_new([0, 21]))  # the first of them is gone
        assert migration.finish()
    with Gallery.open(tmp_path / "g") as gallery:
        assert contents(gallery) == set(range(2, 20)) | {21}
        assert gallery.verify().problems == ()
        assert gallery.verify_removed(1) == []


def test_what_cannot_be_taken_over_is_removed_with_it(tmp_path: Path) -> None:
    filled(tmp_path / "g", 20).close()
    with Migration(tmp_path / "g", NEW) as migration:
        items = [item for item in migration.waiting(after=0, most=99) if item.id != 4]
        migration.bring([i.id for i in items], of_new([int(i.entry.content) for i in items]))
        assert not migration.finish()
        assert not migration.finish(without=[5])
        assert migration.finish(without=[4])
    with Gallery.open(tmp_path / "g") as gallery:
        assert contents(gallery) == set(range(20)) - {3}
        assert gallery.verify_removed(4) == []


def test_whoever_has_it_open_is_told_and_writes_nothing(tmp_path: Path) -> None:
    with filled(tmp_path / "g", 20) as gallery:
        gallery.search(vectors([3]), 1)
        with Migration(tmp_path / "g", NEW) as migration:
            bring(migration)
            assert migration.finish()
        for use in (
            lambda: gallery.search(vectors([3]), 1),
            lambda: gallery.add(vectors([30]), entries([30])),
            lambda: gallery.remove([1]),
            lambda: len(gallery),
        ):
            with pytest.raises(GalleryError, match="taken over to fedcba9876543210 meanwhile"):
                use()
    with Gallery.open(tmp_path / "g") as gallery:
        assert len(gallery) == 20
        assert gallery.verify().problems == ()


def test_a_gallery_of_that_model_is_told(tmp_path: Path) -> None:
    filled(tmp_path / "g", 3).close()
    with pytest.raises(GalleryError, match="Nothing is to be done"):
        Migration(tmp_path / "g", SPACE)
    with pytest.raises(GalleryError, match="must be a gallery"):
        Migration(tmp_path / "none", NEW)


KILLED = """
import os, signal, sys
sys.path[:0] = [sys.argv[2], sys.argv[3]]
from pathlib import Path
from test_migration import NEW, bring
from twinlens.gallery import Migration

left = int(sys.argv[4])
def count(frame, event, argument):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
sys.setprofile(count)
with Migration(Path(sys.argv[1]), NEW) as migration:
    while migration.missing():
        bring(migration, most=10)
    migration.finish()
"""


def test_a_kill_leaves_it_with_one_model_or_the_other(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ended = []
    for turn in range(8):
        place = tmp_path / str(turn)
        filled(place, 60).close()
        calls = int(rng.integers(100, 4000))
        done = subprocess.run(
            [sys.executable, "-c", KILLED, place, TESTS, Path(__file__).parent, str(calls)],
            env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        ended.append(done.returncode)
        with Gallery.open(place) as gallery:
            assert gallery.space in (SPACE, NEW)
            assert contents(gallery) == set(range(60))
            assert gallery.verify().problems == ()
            of = vectors if gallery.space == SPACE else lambda ns: of_new(list(ns))
            assert np.array_equal(gallery.vectors(gallery.ids()), of(range(60)))
            finished = gallery.space == NEW
        if not finished:
            with Migration(place, NEW) as migration:
                bring(migration)
                assert migration.finish()
        assert (place / NAME).exists()
    assert ended.count(-signal.SIGKILL) >= 5
