"""The embedded gallery: its two files, what happens when one of them is not as it was left."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from blobs import Cosine
from galleries import DIM, SPACE, contents, entries, filled, vectors
from twinlens.errors import GalleryError
from twinlens.gallery import (
    Entry,
    Gallery,
    Space,
    cache_file,
    index,
    store,
)
from twinlens.gallery.schema import MIGRATIONS, migrate
from twinlens.gallery.store import NAME


@pytest.fixture(params=["exact", "graph"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "graph":
        monkeypatch.setattr(index, "EXACT_VALUES", 100)
    return request.param


def by_hand(folder: Path) -> sqlite3.Connection:
    """A gallery's file, open past the gallery; each statement is stored at once."""
    return sqlite3.connect(folder / NAME, isolation_level=None)


def best(gallery: Gallery, number: int) -> int:
    return int(gallery.search(vectors([number]), 1)[0][0].item.entry.content)


def test_another_models_gallery_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "g", 3).close()
    with pytest.raises(GalleryError, match=r"must hold embeddings of the model ffff.*0123456789"):
        Gallery.open(tmp_path / "g", fingerprint="ffff")
    Gallery.open(tmp_path / "g", fingerprint=SPACE.fingerprint).close()


def test_an_empty_store_is_told_from_another_file(tmp_path: Path) -> None:
    (tmp_path / NAME).touch()
    for _ in range(2):
        with pytest.raises(GalleryError, match="must be the store of a gallery. Got an empty file"):
            Gallery.open(tmp_path)
    assert (tmp_path / NAME).stat().st_size == 0


@pytest.mark.parametrize("content", [b"", b"no database", None])
def test_what_is_no_gallery_is_refused(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / NAME).write_bytes(content)
    with pytest.raises(GalleryError, match=r"must be (a gallery|the store of|an undamaged store)"):
        Gallery.open(tmp_path)


def test_another_sqlite_file_and_a_newer_version_are_refused(tmp_path: Path) -> None:
    filled(tmp_path / "g", 3).close()
    for pragma, word in (("user_version = 99", "newer"), ("application_id = 1", "another SQLite")):
        with closing(by_hand(tmp_path / "g")) as db:
            db.execute(f"PRAGMA {pragma}")
        with pytest.raises(GalleryError, match=word):
            Gallery.open(tmp_path / "g")
        with closing(by_hand(tmp_path / "g")) as db:
            db.execute("PRAGMA user_version = 1")


def test_an_older_version_is_brought_up_step_by_step(tmp_path: Path) -> None:
    filled(tmp_path / "g", 3).close()
    steps = (*MIGRATIONS, "ALTER TABLE item ADD COLUMN note TEXT NOT NULL DEFAULT 'none';", "")
    with closing(by_hand(tmp_path / "g")) as db:
        migrate(db, tmp_path, steps)
        migrate(db, tmp_path, steps)
        assert db.execute("PRAGMA user_version").fetchone() == (len(steps),)
        assert db.execute("SELECT DISTINCT note FROM item").fetchall() == [("none",)]


def test_an_index_that_is_missing_or_damaged_is_made_again(tmp_path: Path, kind: str) -> None:
    filled(tmp_path / "g", 60).close()
    cache = tmp_path / "g" / cache_file.NAME
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.stats().index == kind
    whole = cache.read_bytes()
    middle = len(whole) // 2
    changed = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for damaged in (None, b"", whole[:100], whole[:-1], changed, b"x" + whole):
        cache.unlink()
        if damaged is not None:
            cache.write_bytes(damaged)
        with Gallery.open(tmp_path / "g") as gallery:
            assert [best(gallery, n) for n in range(60)] == list(range(60))
            assert gallery.verify().problems == ()
        assert cache_file.load(cache, SPACE) is not None


def test_a_folder_in_place_of_the_index_is_to_be_removed(tmp_path: Path) -> None:
    filled(tmp_path / "g", 20).close()
    cache = tmp_path / "g" / cache_file.NAME
    cache.unlink(missing_ok=True)
    cache.mkdir()
    asks: list[Callable[[Gallery], object]] = [
        Gallery.rebuild,
        Gallery.refresh,
        Gallery.stats,
        lambda gallery: best(gallery, 3),
        lambda gallery: gallery.remove([1]),
    ]
    for ask in asks:
        with (
            Gallery.open(tmp_path / "g") as gallery,
            pytest.raises(GalleryError, match=r"index.cache must be .* Got a folder. Remove it"),
        ):
            ask(gallery)
    cache.rmdir()
    with Gallery.open(tmp_path / "g") as gallery:
        assert len(gallery) == 20
        assert best(gallery, 3) == 3
        assert gallery.rebuild() == 20


def test_a_stale_index_takes_up_what_changed(tmp_path: Path, kind: str) -> None:
    with filled(tmp_path / "g", 60) as gallery:
        gallery.refresh()
    cache = tmp_path / "g" / cache_file.NAME
    old = cache.read_bytes()
    with Gallery.open(tmp_path / "g") as gallery:
        gallery.add(vectors(range(60, 90)), entries(range(60, 90)))
        gallery.remove(list(range(1, 11)))
    cache.write_bytes(old)
    with Gallery.open(tmp_path / "g") as gallery:
        assert [best(gallery, n) for n in range(10, 90)] == list(range(10, 90))
        assert best(gallery, 0) >= 10
        assert gallery.verify().problems == ()
    assert cache.read_bytes() != old  # it held what was removed


def test_the_index_of_another_gallery_is_not_believed(tmp_path: Path) -> None:
    for name, numbers in (("a", range(20)), ("b", range(50, 70))):
        with Gallery.create(tmp_path / name, SPACE) as gallery:
            gallery.add(vectors(numbers), entries(numbers))
            gallery.refresh()
    shutil.copy(tmp_path / "a" / cache_file.NAME, tmp_path / "b" / cache_file.NAME)
    with Gallery.open(tmp_path / "b") as gallery:
        assert best(gallery, 50) == 50
        assert gallery.verify().problems == ()


def test_an_open_gallery_sees_what_another_process_did(tmp_path: Path, kind: str) -> None:
    with filled(tmp_path / "g", 60) as reader, Gallery.open(tmp_path / "g") as writer:
        assert best(reader, 5) == 5
        writer.remove([6])
        writer.add(vectors([100]), entries([100]))
        assert best(reader, 5) != 5
        assert best(reader, 100) == 100


def test_nothing_of_a_removed_item_is_left_on_disk(tmp_path: Path, kind: str) -> None:
    secret = [
        Entry(f"secret-content-{n}", f"secret-name-{n}", f"secret-source-{n}", {"k": f"secret-{n}"})
        for n in range(200)
    ]
    with Gallery.create(tmp_path / "g", SPACE) as gallery:
        gallery.add(vectors(range(200)), secret)
        gallery.add(vectors(range(200, 400)), entries(range(200, 400)))
        gallery.search(vectors(range(5)))
        removed = gallery.remove(range(1, 201))
        assert removed.erased
        assert gallery.verify_removed(1) == []
        on_disk = {path.name: path.read_bytes() for path in (tmp_path / "g").iterdir()}
        assert cache_file.NAME in on_disk
        for name, data in on_disk.items():
            assert b"secret" not in data, name
            assert not [n for n in range(200) if vectors([n]).tobytes() in data], name
            assert vectors([300]).tobytes() in data or "-" in name
        assert contents(gallery) == set(range(200, 400))
        assert "left" not in str(gallery.log()[-1].details)


def test_a_removal_beside_a_reader_says_that_traces_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.Store.erase, "__kwdefaults__", {"wait_s": 0.0})
    with filled(tmp_path / "g", 60) as gallery:
        with closing(by_hand(tmp_path / "g")) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM item").fetchone()
            assert not gallery.remove([1]).erased
            assert "another process" in gallery.verify_removed(1)[0]
        assert gallery.verify_removed(1) == []
        assert gallery.verify_removed(2) == ["item 2 is still there"]
        assert gallery.verify_removed(999) == ["item 999 never was there"]


def test_a_changed_byte_of_a_template_is_noticed(tmp_path: Path) -> None:
    filled(tmp_path / "g", 20).close()
    path = tmp_path / "g" / NAME
    data = bytearray(path.read_bytes())
    data[data.index(vectors([7]).tobytes()) + 3] ^= 1
    path.write_bytes(data)
    with Gallery.open(tmp_path / "g") as gallery:
        with pytest.raises(GalleryError, match="that of item 8"):
            gallery.search(vectors([0]))
        gallery.remove([8])
        assert best(gallery, 0) == 0
        assert contents(gallery) == set(range(20)) - {7}


def test_damaged_pages_are_noticed(tmp_path: Path) -> None:
    filled(tmp_path / "g", 400).close()
    path = tmp_path / "g" / NAME
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(GalleryError, match="undamaged store"), Gallery.open(tmp_path / "g") as g:
        g.search(vectors([0]))


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE identity SET name = 'Eve' WHERE name = 'identity 1'",
        "UPDATE item SET identity = (SELECT id FROM identity WHERE name = 'identity 0') "
        "WHERE id = 4",
        "UPDATE item SET identity = NULL WHERE id = 4",
        "UPDATE item SET content = 'other' WHERE id = 4",
        "UPDATE item SET source = 'other.png' WHERE id = 4",
        "UPDATE item SET metadata = '{}' WHERE id = 4",
        "UPDATE item SET added = '2001-01-01T00:00:00+00:00' WHERE id = 4",
        "UPDATE item SET checksum = NULL WHERE id = 4",
    ],
)
def test_an_item_that_was_edited_is_noticed(tmp_path: Path, edit: str) -> None:
    filled(tmp_path / "g", 9).close()
    with closing(by_hand(tmp_path / "g")) as db:
        db.execute(edit)
    with Gallery.open(tmp_path / "g") as gallery:
        assert "of item 4 is not what was stored" in gallery.verify().problems[0]
        with pytest.raises(GalleryError, match="source or metadata of item 4. Remove it by"):
            gallery.search(vectors([3]), 1)
        edited = {4, 5, 6} if "Eve" in edit else {4}
        gallery.remove(sorted(edited))
        assert best(gallery, 0) == 0
        assert gallery.verify().problems == ()


def test_a_filter_that_was_edited_is_noticed(tmp_path: Path) -> None:
    for edit in (
        "DELETE FROM label WHERE item = 4",
        "INSERT INTO label VALUES ('part', '9', 4)",
    ):
        shutil.rmtree(tmp_path / "g", ignore_errors=True)
        filled(tmp_path / "g", 9).close()
        with closing(by_hand(tmp_path / "g")) as db:
            db.execute(edit)
        with Gallery.open(tmp_path / "g") as gallery:
            assert gallery.verify().problems == (
                "items are filtered by other metadata than they have",
            )


def test_many_edited_items_are_counted(tmp_path: Path) -> None:
    filled(tmp_path / "g", 9).close()
    with closing(by_hand(tmp_path / "g")) as db:
        db.execute("UPDATE item SET source = ''")
    with Gallery.open(tmp_path / "g") as gallery:
        problems = gallery.verify().problems
    assert len(problems) == 6
    assert problems[-1] == "and so of 4 more items"


def test_the_checksums_of_an_older_version_are_made(tmp_path: Path) -> None:
    filled(tmp_path / "g", 9).close()
    with closing(by_hand(tmp_path / "g")) as db:
        made = db.execute("SELECT id, checksum FROM item").fetchall()
        db.execute("UPDATE item SET identity = NULL WHERE id = 9")
        db.execute("ALTER TABLE item DROP COLUMN checksum")
        db.execute("PRAGMA user_version = 2")
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.verify().problems == ()
        assert gallery.items([9])[0].entry.identity is None
    with closing(by_hand(tmp_path / "g")) as db:
        assert db.execute("SELECT id, checksum FROM item").fetchall()[:8] == made[:8]


def test_a_log_that_was_edited_is_noticed(tmp_path: Path) -> None:
    filled(tmp_path / "g", 5).close()
    with closing(by_hand(tmp_path / "g")) as db:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute("DELETE FROM log WHERE number = 2")
        db.execute("DROP TRIGGER log_is_not_changed")
        db.execute("UPDATE log SET by = 'nobody' WHERE number = 2")
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.verify().problems == (
            "entry 2 of the log does not follow from the one before",
        )


def test_a_row_without_its_template_is_noticed(tmp_path: Path) -> None:
    filled(tmp_path / "g", 5).close()
    with closing(by_hand(tmp_path / "g")) as db:
        db.execute("DELETE FROM template WHERE item = 2")
    with Gallery.open(tmp_path / "g") as gallery:
        assert "1 items have no template" in gallery.verify().problems


def test_a_second_writer_gets_a_clear_error_and_a_reader_goes_on(tmp_path: Path) -> None:
    with (
        filled(tmp_path / "g", 5) as first,
        Gallery.open(tmp_path / "g", wait_s=0.0) as second,
        first.store.transaction(),
    ):
        with pytest.raises(GalleryError, match=r"must be free to be written to"):
            second.add(vectors([5]), entries([5]))
        assert best(second, 3) == 3


def test_searches_are_logged_only_where_that_was_asked_for(tmp_path: Path) -> None:
    with filled(tmp_path / "quiet", 5) as gallery:
        gallery.search(vectors([1, 2]))
        assert [entry.action for entry in gallery.log()] == ["create", "add"]
    with filled(tmp_path / "logging", 5, log_searches=True) as gallery:
        gallery.search(vectors([1, 2]))
        assert gallery.log()[-1].details == {"queries": 2, "best": [2, 3]}


def test_a_comparator_that_no_index_serves_scores_every_item(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_BLOCK_SCORES", 7)
    space = Space("f", DIM, "comparator")
    with Gallery.create(tmp_path / "g", space) as gallery:
        gallery.add(vectors(range(30)), entries(range(30)))
        with pytest.raises(GalleryError, match="searched with its model"):
            gallery.search(vectors([0]))
    queries = vectors([3, 100])
    with Gallery.open(tmp_path / "g", scorer=Cosine()) as gallery:
        found = [[int(hit.item.entry.content) for hit in row] for row in gallery.search(queries, 4)]
        expected = np.argsort(-(queries @ vectors(range(30)).T), axis=1)[:, :4].tolist()
        assert found == expected
        some = gallery.search(queries, 4, where={"part": "1"})
        assert all(int(hit.item.entry.content) % 2 for row in some for hit in row)
        assert gallery.verify().problems == ()


def test_a_graph_that_lost_much_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "EXACT_VALUES", 100)
    with filled(tmp_path / "g", 60) as gallery:
        for item in range(1, 40):
            gallery.remove([item])
            assert [best(gallery, n) for n in range(item, 60)] == list(range(item, 60))
        assert gallery.verify().recall == 1.0


@pytest.mark.parametrize("beyond", [2**63, 10**20, -(10**20)])
def test_numbers_that_no_item_can_have_are_not_there(tmp_path: Path, beyond: int) -> None:
    with filled(tmp_path / "g", 5) as gallery:
        for ask in (gallery.vectors, gallery.remove):
            with pytest.raises(GalleryError, match=f"Got {beyond}, which none is"):
                ask([1, beyond])
        assert [item.id for item in gallery.items([1, beyond])] == [1]
        assert gallery.verify_removed(beyond) == [f"item {beyond} never was there"]
        assert len(gallery) == 5
