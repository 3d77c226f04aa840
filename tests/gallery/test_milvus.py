"""A gallery in Milvus: the contract, what dies in the middle, other writers, and bad use.

Runs against Milvus Lite, which the same client talks to.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from galleries import DIM, SPACE, contents, entries, vectors
from twinlens.calibration import IdentificationRefusal
from twinlens.errors import ConfigError, GalleryError
from twinlens.gallery import (
    AnyGallery,
    Entry,
    Gallery,
    MilvusGallery,
    MilvusPlace,
    Space,
    create_elsewhere,
    export_gallery,
    import_gallery,
    open_any,
    places,
)
from twinlens.gallery.entries import Similarity
from twinlens.gallery.milvus import journal
from twinlens.gallery.milvus.journal import Journal
from twinlens.gallery.milvus.tables import Milvus, Table, digest, labelled, one_of
from twinlens.testing.contract import broken
from twinlens.testing.galleries import check_gallery

pytest.importorskip("pymilvus")
pytest.importorskip("milvus_lite")

Open = Callable[..., MilvusGallery]


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database of Milvus Lite; its server runs in this process until the end."""
    return str(tmp_path_factory.mktemp("milvus") / "lite.db")


_numbers = itertools.count()


@pytest.fixture
def name() -> str:
    """Of a collection that is not there yet."""
    return f"c{next(_numbers)}"


@pytest.fixture
def filled(uri: str, name: str) -> MilvusGallery:
    """The things 0 to 11, whose items are numbered from 1."""
    gallery = MilvusGallery.create(uri, name, SPACE, log_searches=False)
    gallery.add(vectors(range(12)), entries(range(12)))
    return gallery


@pytest.fixture
def opened(uri: str, name: str, filled: MilvusGallery) -> MilvusGallery:
    """The same on another machine."""
    return MilvusGallery.open(uri, name)


@pytest.mark.parametrize("similarity", ["inner_product", "euclidean"])
def test_a_gallery_in_milvus_keeps_the_contract(uri: str, similarity: Similarity) -> None:
    def make(path: Path, space: Space) -> AnyGallery:
        return create_elsewhere(path, MilvusPlace.new(f"milvus:{uri}", path), space)

    results = check_gallery("milvus", make, open_any, similarity=similarity)
    assert len(results) == 14
    assert not broken(results), "\n".join(map(str, broken(results)))


@pytest.mark.parametrize("similarity", ["inner_product", "euclidean"])
def test_it_answers_as_a_gallery_in_a_folder_does(
    uri: str, name: str, similarity: Similarity, tmp_path: Path
) -> None:
    space = Space(SPACE.fingerprint, DIM, similarity)
    one = Gallery.create(tmp_path / "g", space)
    two = MilvusGallery.create(uri, name, space)
    things, probes = range(40), vectors(range(100, 105))
    seen: list[Sequence[int]] = []

    class Asked:
        fingerprint = space.fingerprint

        def stranger_threshold(self, templates: Sequence[int], *, fpir: float) -> Any:
            seen.append(sorted(templates))
            return IdentificationRefusal(fpir, 0.95, 1, len(templates), 1, 1)

    told: list[list[Any]] = []
    for gallery in (one, two):
        gallery.add(vectors(things), [*entries(things)[:-3], *(Entry(c) for c in "abc")])
        gallery.remove([5, 6])
        asked: Any = Asked()
        told.append(
            [
                *gallery.search(probes, 7),
                *gallery.search(probes, 7, where={"part": "1"}),
                *(a.candidates for a in gallery.identify(probes, asked)),
                *(a.candidates for a in gallery.identify(probes, asked, where={"part": "0"})),
                *(a.candidates for a in gallery.identify(probes, asked, candidates=2)),
            ]
        )
    assert [[hit.item.id for hit in row] for row in told[0]] == [
        [hit.item.id for hit in row] for row in told[1]
    ]
    scores = [[hit.score for row in rows for hit in row] for rows in told]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)
    assert seen[:3] == seen[3:]
    assert one.ids().tolist() == two.ids().tolist()
    np.testing.assert_array_equal(one.vectors([3, 9, 3]), two.vectors([3, 9, 3]))
    assert [i.entry for i in one.items([1, 5, 39])] == [i.entry for i in two.items([1, 5, 39])]
    assert one.known(["7", "4", "x"]) == two.known(["7", "4", "x"])
    stats = [gallery.stats() for gallery in (one, two)]
    for field in ("items", "identities", "without_identity", "templates"):
        assert getattr(stats[0], field) == getattr(stats[1], field)
    for entry, other in zip(one.log(), two.log(), strict=True):
        assert (entry.action, entry.details) == (other.action, other.details)
    assert two.verify().problems == ()
    assert two.verify().recall == 1
    one.close()
    two.close()


def test_what_was_exported_comes_back(filled: MilvusGallery, tmp_path: Path) -> None:
    assert export_gallery(filled, tmp_path / "out") == 12
    with Gallery.create(tmp_path / "g", SPACE) as gallery:
        assert len(import_gallery(gallery, tmp_path / "out").ids) == 12
        np.testing.assert_array_equal(gallery.vectors([4]), filled.vectors([4]))


def test_more_than_one_request_is_one_batch(uri: str, name: str) -> None:
    many = range(1500)
    gallery = MilvusGallery.create(uri, name, SPACE, log_searches=False)
    assert len(gallery.add(vectors(many), entries(many)).ids) == 1500
    assert len(gallery.add(vectors(many), entries(many)).known) == 1500
    assert [entry.details["items"] for entry in gallery.log()[1:]] == [[1, 1024], [1025, 1500]]
    gallery.remove(range(2, 1400))
    assert len(gallery) == 102
    assert gallery.verify().problems == ()


def test_a_batch_that_died_is_hidden_and_can_be_repeated(
    filled: MilvusGallery, opened: MilvusGallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its items are stored, and the entry of the log is not."""

    def die(*_: object, **__: object) -> None:
        raise GalleryError("the plug was pulled")

    new = range(20, 30)
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "append", die)
        with pytest.raises(GalleryError, match="plug"):
            filled.add(vectors(new), entries(new))
    for gallery in (filled, opened):
        assert (len(gallery), contents(gallery), gallery.known(["20"])) == (12, {*range(12)}, {})
        found = gallery.search(vectors(new), 20)
        assert {len(row) for row in found} == {12}
        assert {hit.item.id for row in found for hit in row} == {*range(1, 13)}
        assert gallery.items([13]) == []
    opened.add(vectors([50]), entries([50]))  # takes away what is left
    assert contents(filled) == {*range(12), 50}
    assert filled.add(vectors(new), entries(new)).ids == tuple(range(14, 24))
    assert opened.verify().problems == ()


def test_a_removal_that_died_is_done_by_the_next_writer(
    filled: MilvusGallery, opened: MilvusGallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = Table.delete

    def die(table: Table, wanted: str) -> None:
        if wanted.startswith("id in"):
            raise GalleryError("the plug was pulled")
        usual(table, wanted)

    with monkeypatch.context() as patched:
        patched.setattr(Table, "delete", die)
        with pytest.raises(GalleryError, match="plug"):
            filled.remove([3, 4])
    assert opened.verify_removed(3) == ["item 3 is still there"]
    opened.add(vectors([50]), entries([50]))
    assert contents(filled) == {*range(12), 50} - {2, 3}
    assert filled.verify_removed(3) == []
    assert filled.verify_removed(99) == ["item 99 never was there"]
    assert opened.verify().problems == ()


def test_writers_on_several_machines_take_turns(uri: str, name: str, filled: MilvusGallery) -> None:
    """Each adds things of its own and things that all of them add."""
    done: list[tuple[int, ...]] = []
    failed: list[BaseException] = []

    def write(first: int) -> None:
        try:
            with MilvusGallery.open(uri, name) as gallery:
                for n in range(first, first + 4):
                    things = [n, n % 100 + 1000]
                    done.append(gallery.add(vectors(things), entries(things)).ids)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(first,)) for first in (100, 200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    ids = [number for added in done for number in added]
    assert len(ids) == len({*ids}) == 16  # of 24, the 4 that all have were added once
    assert filled.ids().tolist() == [*range(1, 13), *sorted(ids)]
    assert filled.verify().problems == ()


def test_a_turn_is_waited_for_and_taken_over_from_the_dead(
    uri: str, name: str, filled: MilvusGallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = Table(filled._milvus, f"{name}_log", "number")
    claim = {"number": -5, "text": "alive", "unused": [0.0, 0.0]}
    table.put([claim])
    with MilvusGallery.open(uri, name, wait_s=0.01) as gallery:
        with pytest.raises(GalleryError, match="must be free to be written to"):
            gallery.add(vectors([50]), entries([50]))
        assert len(gallery) == 12
        assert table.rows("number < 0", []) == [{"number": -5}]
    monkeypatch.setattr(journal, "ABANDONED_S", 0.0)
    assert len(filled.add(vectors([50]), entries([50])).ids) == 1
    assert table.rows("number < 0", []) == []


def test_who_lost_its_turn_writes_no_more(
    filled: MilvusGallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "RENEW_S", 0.0)
    log = filled._journal
    with pytest.raises(GalleryError, match="without a long pause"), log.turn() as turn:
        turn.renew()
        turn.give_back()  # as another writer does to one that it takes for dead
        turn.renew()


@given(st.text(), st.text())
def test_no_text_becomes_part_of_a_filter(one: str, two: str) -> None:
    one, two = (text.encode("utf-8", "replace").decode() for text in (one, two))
    wanted = [*labelled({one: two}), one_of("identity", [digest(one)])]
    assert [len(part) for part in wanted] == [58, 48]
    assert all(set(part) <= set('abcdefghilnorstuy_(), "[]0123456789') for part in wanted)
    assert (digest(one, two) == digest(two, one)) == (one == two)


HOSTILE = [
    '" or id > 0 or content == "',
    "' or '1'=='1",
    '\\" or id >= 0 //',
    '"] or id > 0 or content in ["',
    '") or id > 0 or array_contains(labels, "',
    "{content}",
    "%",
    "\\",
    "\n\x00é\U0001f600",
    "",
]


def test_hostile_texts_are_only_texts(uri: str, name: str) -> None:
    gallery = MilvusGallery.create(uri, name, SPACE)
    things = range(len(HOSTILE))
    for role in ("content", "identity", "key", "value"):
        made = [
            Entry(
                text if role == "content" else f"{role} {n}",
                text if role == "identity" else None,
                text,
                {text if role == "key" else "k": text if role == "value" else "v"},
            )
            for n, text in enumerate(HOSTILE)
        ]
        ids = gallery.add(vectors(things), made).ids
        assert [item.entry for item in gallery.items(ids)] == made
        for number, text in zip(ids, HOSTILE, strict=True):
            if role == "content":
                assert gallery.known([text]) == {text: number}
            elif role == "identity":
                assert gallery.ids(identity=text).tolist() == [number]
            else:
                where = {text: "v"} if role == "key" else {"k": text}
                assert gallery.ids(where=where).tolist() == [number]
                found = gallery.search(vectors([0]), 50, where=where)
                assert [hit.item.id for hit in found[0]] == [number]
    for text in HOSTILE:
        assert gallery.known([f"{text}?"]) == {}
        assert gallery.ids(identity=f"{text}?").tolist() == []
        assert gallery.search(vectors([0]), where={"k": f"{text}?"}) == [()]
    assert gallery.verify().problems == ()


def test_verify_tells_what_was_changed_behind_its_back(filled: MilvusGallery, name: str) -> None:
    log = Table(filled._milvus, f"{name}_log", "number")
    (row,) = log.among([2], ["text", "unused"])
    log.put([{**row, "text": row["text"].replace("add", "adb")}])
    filled._items.table.delete("id in [7]")
    assert filled.verify().problems == (
        "entry 2 of the log does not follow from the one before",
        "11 items are not in the log, as item 1",
    )
    log.put([row])
    assert filled.verify().problems == ("1 items of the log are gone, as item 7",)


def test_bad_use_is_one_clear_line(
    uri: str, name: str, filled: MilvusGallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(action: Callable[[], object], said: str) -> None:
        with pytest.raises(GalleryError, match=said) as caught:
            action()
        assert "\n" not in str(caught.value)

    own = Space("f", DIM, "comparator")
    long = Entry("new", metadata={"note": "é" * 33_000})
    many = Entry("new", metadata={str(n): "" for n in range(1025)})
    refused(lambda: MilvusGallery.open(uri, "none"), "must have the collections none and none_log")
    refused(lambda: MilvusGallery.open(uri, name, fingerprint="other"), "of the model other. Got")
    refused(lambda: MilvusGallery.create(uri, name, SPACE), "must be new. Got one that is at")
    refused(lambda: MilvusGallery.create(uri, "n", own), "must be of a model with the comparator")
    refused(lambda: MilvusGallery.create(uri, "../a", SPACE), "letters, digits and underscores")
    refused(lambda: MilvusGallery.open(uri, "9"), "letters, digits and underscores. Got '9'")
    refused(lambda: filled._items.table.delete("id in"), "must do what it is asked. Got: ")
    refused(lambda: filled.search(vectors([0]), where={"prt": "1"}), "Did you mean 'part'?")
    refused(lambda: filled.search(vectors([0]), 16_385), "k must be at most 16,384 in Milvus")
    refused(lambda: filled.vectors([1, 99]), "must be in .* Got 99, which none is")
    refused(lambda: filled.add(vectors([50]), [long]), "at most 65,535 bytes .* Got 66,")
    refused(lambda: filled.add(vectors([50]), [many]), "1,024 labels. Got .* and 1,025.")
    refused(lambda: MilvusGallery.open("http://127.0.0.1:1", name), "127.0.0.1:1 must answer")
    for package in ("pymilvus", "milvus_lite"):
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, package, None)
            refused(lambda: MilvusGallery.open(uri, name), f"package {package}. Got none. Install")
    assert len(filled) == 12
    assert filled.stats().changes == 2


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("auth check failure, please check username", "TWINLENS_MILVUS_TOKEN"),
        ("Open local milvus failed", "no other process"),
        ("failed to connect to all addresses", "Start it"),
        ("disk quota\nexceeded", "See the log"),
    ],
)
def test_what_milvus_says_is_told_with_what_to_do(uri: str, reason: str, advice: str) -> None:
    import pymilvus

    place = Milvus(uri)
    with pytest.raises(GalleryError) as caught, place.explained():
        raise pymilvus.MilvusException(message=reason)
    assert advice in str(caught.value)
    assert " ".join(reason.split()) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_gallery_that_was_never_finished_is_told(
    uri: str, name: str, filled: MilvusGallery
) -> None:
    Table(filled._milvus, f"{name}_log", "number").delete("number in [0]")
    with pytest.raises(GalleryError, match="must be a gallery of format 1. Got another, or one"):
        MilvusGallery.open(uri, name)


def test_what_cannot_be_made_leaves_nothing(
    uri: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise GalleryError("the plug was pulled")

    monkeypatch.setattr(Journal, "append", die)
    with pytest.raises(GalleryError, match="plug"):
        create_elsewhere(tmp_path / "g", MilvusPlace(uri, name), SPACE)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    MilvusGallery.create(uri, name, SPACE).close()


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("milvus", "must read milvus:"),
        ("milvus:", "must read milvus:"),
        ("qdrant:http://host", "Got 'qdrant:http://host'"),
        ("milvus:host", "must read milvus:"),
        ("milvus:http://me:secret@host:19530", "must hold no password"),
    ],
)
def test_a_store_reads_milvus_and_an_address(store: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        MilvusPlace.new(store, Path("g"))
    assert "secret" not in str(caught.value)


def test_a_collection_is_named_after_its_folder() -> None:
    place = MilvusPlace.new("milvus:http://host:19530", Path("the staff-2.gallery"))
    assert place.uri == "http://host:19530"
    assert place.collection.startswith("twinlens_the_staff_2_")


def test_the_folder_says_where_and_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str, str | None]] = []

    def make(uri: str, collection: str, _: Space, *, token: str | None, **__: object) -> None:
        asked.append((uri, collection, token))

    monkeypatch.setattr(places.MilvusGallery, "create", make)
    monkeypatch.setenv(places.TOKEN, "me:secret")
    place = MilvusPlace("http://host:19530", "c")
    create_elsewhere(tmp_path / "g", place, SPACE)
    assert asked == [("http://host:19530", "c", "me:secret")]
    assert places.place_of(tmp_path / "g") == place
    assert [file.name for file in (tmp_path / "g").iterdir()] == ["store.toml"]
    assert "secret" not in (tmp_path / "g" / "store.toml").read_text()


@pytest.mark.parametrize("content", ["", "store = 1", 'store = "milvus"\nuri = "u"', "= ="])
def test_a_damaged_store_file_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "store.toml").write_text(content)
    with pytest.raises(GalleryError, match="store.toml must name store, uri and collection"):
        open_any(tmp_path)
