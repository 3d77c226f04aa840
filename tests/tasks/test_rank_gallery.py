"""A question asked of a whole gallery: retrieved by one model, ranked by another."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from texts import SMALL, questions, train_small, write_pairs
from twinlens.bundle import Bundle
from twinlens.calibration import Cohort, Question
from twinlens.cli import main
from twinlens.config import load_config
from twinlens.data.duplicates import content_hash
from twinlens.errors import ConfigError, DataError, GalleryError
from twinlens.fit import fit
from twinlens.gallery import AnyGallery, Entry, write_key
from twinlens.siamese import Siamese
from twinlens.tasks.gallery import create_gallery, enrol, open_gallery
from twinlens.tasks.rank import rank
from twinlens.tasks.rank_gallery import rank_gallery
from twinlens.tasks.search import search

QUESTION = "how do I cook a fish"
TEXTS = [text for _, text in questions()]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One whose embeddings an index serves, and one whose comparator no index stands in for."""
    place = tmp_path_factory.mktemp("models")
    shared = [setting for setting in SMALL if not setting.startswith("encoder")]
    config = load_config(None, [*shared, "encoder=stepwise", "comparator=maxsim"])
    fit(write_pairs(place), place / "ranker", config=config)
    return train_small(place), place / "ranker"


@pytest.fixture(scope="module")
def retriever(models: tuple[Path, Path]) -> Bundle:
    return Bundle.load(models[0])


@pytest.fixture(scope="module")
def ranker(models: tuple[Path, Path]) -> Bundle:
    found = Bundle.load(models[1])
    assert found.siamese.comparator.indexable is None
    return found


@pytest.fixture(scope="module")
def folder(retriever: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a gallery of the retriever: all questions, by whether they are of fish."""
    place = tmp_path_factory.mktemp("gallery")
    rows = [f"{text},{'yes' if 'fish' in text else 'no'},{identity}"
            for identity, text in questions()]  # fmt: skip
    table = place / "texts.csv"
    table.write_text("\n".join(["text,fish,identity", *rows]) + "\n", "utf-8")
    with create_gallery(place / "g", retriever) as made:
        assert len(enrol(made, retriever, [table]).added) == len(TEXTS)
    return place / "g"


@pytest.fixture
def gallery(folder: Path, retriever: Bundle) -> Iterator[AnyGallery]:
    with open_gallery(folder, retriever) as opened:
        yield opened


def test_what_is_retrieved_is_ranked_by_the_other_model(
    ranker: Bundle, retriever: Bundle, gallery: AnyGallery
) -> None:
    (found,) = search(retriever, gallery, [QUESTION], k=20)
    ranking = rank_gallery(ranker, QUESTION, gallery, retriever=retriever, retrieve=20)
    given = rank(ranker, QUESTION, [hit.item.entry.source for hit in found.hits])
    assert (ranking.answered, ranking.why, ranking.model) == (
        given.answered,
        given.why,
        ranker.fingerprint,
    )
    assert [ranked.place for ranked in ranking.candidates] != list(range(20))
    for ranked, other in zip(ranking.candidates, given.candidates, strict=True):
        assert ranked.item == found.hits[ranked.place].item
        assert dataclasses.replace(ranked, item=None) == other
        assert ranked.score == pytest.approx(ranker.score(QUESTION, ranked.candidate), abs=1e-4)


def test_only_what_is_retrieved_is_ranked(
    ranker: Bundle, retriever: Bundle, gallery: AnyGallery
) -> None:
    (found,) = search(retriever, gallery, [QUESTION], k=1)
    (best,) = rank_gallery(ranker, QUESTION, gallery, retriever=retriever, retrieve=1).candidates
    assert best.item == found.hits[0].item
    everything = rank_gallery(ranker, QUESTION, gallery, retriever=retriever, retrieve=10_000)
    assert {ranked.candidate for ranked in everything.candidates} == set(TEXTS)


def test_only_items_with_the_metadata_are_ranked(
    ranker: Bundle, retriever: Bundle, gallery: AnyGallery
) -> None:
    ranking = rank_gallery(ranker, QUESTION, gallery, retriever=retriever, where={"fish": "no"})
    identities = {text: identity for identity, text in questions()}
    assert ranking.candidates
    for facts in ranking.to_dict()["candidates"]:
        assert "fish" not in facts["candidate"]
        assert facts["identity"] == identities[facts["candidate"]]
        assert facts["metadata"]["fish"] == "no"


@pytest.mark.parametrize("which", ["retriever", "ranker"])
def test_a_models_own_gallery_is_ranked_by_what_it_holds(
    request: pytest.FixtureRequest, which: str, tmp_path: Path
) -> None:
    bundle: Bundle = request.getfixturevalue(which)
    with create_gallery(tmp_path / "g", bundle) as own:
        own.add(bundle.embed(TEXTS[:30]), [Entry(text) for text in TEXTS[:30]])  # no source
        ranking = rank_gallery(bundle, QUESTION, own, retrieve=30)
        again = rank_gallery(bundle, QUESTION, own, retriever=bundle, retrieve=30)
    assert ranking == again
    given = rank(bundle, QUESTION, TEXTS[:30])
    contents = [ranked.item.entry.content for ranked in ranking.candidates if ranked.item]
    assert contents == [ranked.candidate for ranked in given.candidates]
    scores = [ranked.score for ranked in ranking.candidates]
    assert scores == pytest.approx([ranked.score for ranked in given.candidates], abs=1e-4)
    assert ranking.answered == given.answered


def test_normalised_scores_are_those_that_the_calibration_takes(
    retriever: Bundle, gallery: AnyGallery
) -> None:
    cohort = Cohort(retriever.embed(TEXTS[:20]), {"name": "texts", "members": 20})
    assert retriever.calibration is not None
    calibration = dataclasses.replace(
        retriever.calibration, normalisation=cohort.normalisation("s")
    )
    bundle = dataclasses.replace(retriever, calibration=calibration, cohort=cohort)
    for ranked in rank_gallery(bundle, QUESTION, gallery, retrieve=5).candidates:
        score = bundle.score(QUESTION, ranked.candidate)
        assert ranked.score == pytest.approx(score, abs=1e-4)
        assert abs(score - retriever.score(QUESTION, ranked.candidate)) > 0.01


def test_it_is_decided_as_asked_or_not_at_all(
    ranker: Bundle, retriever: Bundle, gallery: AnyGallery
) -> None:
    with pytest.raises(ConfigError, match="fmr must be a rate"):
        rank_gallery(ranker, QUESTION, gallery, retriever=retriever, asked=Question(fmr=0.123))
    plain = dataclasses.replace(ranker, calibration=None)
    ranking = rank_gallery(plain, QUESTION, gallery, retriever=retriever)
    assert ranking.answered is None
    assert "not calibrated" in ranking.why


def test_a_gallery_that_cannot_be_asked_is_refused(
    ranker: Bundle, retriever: Bundle, gallery: AnyGallery, bundle: Bundle, tmp_path: Path
) -> None:
    with pytest.raises(GalleryError, match=r"of the model .* Name the model .* as the retriever"):
        rank_gallery(ranker, QUESTION, gallery)
    with pytest.raises(ConfigError, match="same kind of input.*: text. Got one of image"):
        rank_gallery(ranker, QUESTION, gallery, retriever=bundle)
    with pytest.raises(ConfigError, match="retrieve must be at least 1. Got 0"):
        rank_gallery(ranker, QUESTION, gallery, retriever=retriever, retrieve=0)
    with pytest.raises(GalleryError, match="must hold items to rank. Got none, fish=perhaps"):
        rank_gallery(ranker, QUESTION, gallery, retriever=retriever, where={"fish": "perhaps"})
    with (
        create_gallery(tmp_path / "empty", retriever) as empty,
        pytest.raises(GalleryError, match="must hold items to rank. Got none. Enrol"),
    ):
        rank_gallery(ranker, QUESTION, empty, retriever=retriever)


def test_a_text_that_was_not_kept_is_named(
    ranker: Bundle, retriever: Bundle, tmp_path: Path
) -> None:
    with create_gallery(tmp_path / "g", retriever) as made:
        made.add(
            retriever.embed(TEXTS[:3]),
            [
                Entry(content_hash(TEXTS[0], by_value=True), source=TEXTS[0]),
                Entry("known elsewhere"),
                Entry("of another", source=TEXTS[2]),
            ],
        )
        with pytest.raises(GalleryError) as caught:
            rank_gallery(ranker, QUESTION, made, retriever=retriever)
    said = str(caught.value)
    assert "item 1 " not in said.lower()
    assert "Item 2 must have the original that was enrolled" in said
    assert "Got: where it came from is not known. Restore it" in said
    assert f"Got: {TEXTS[2]} holds something else now. Restore it" in said


@pytest.mark.parametrize(
    ("harm", "error", "word"),
    [
        (lambda path: path.unlink(), GalleryError, "No such file"),
        (lambda path: path.write_bytes(b"else"), GalleryError, "holds something else now"),
        (lambda _: None, DataError, "must be"),
    ],
)
def test_a_file_that_cannot_be_read_again_is_named(
    harm: Callable[[Path], object], error: type[Exception], word: str, bundle: Bundle, glyphs: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    siamese = Siamese(bundle.siamese.encoder, bundle.siamese.comparator, bundle.siamese.modality)
    other = dataclasses.replace(bundle, siamese=siamese, fingerprint="f" * 16)
    picture, broken = min(glyphs.rglob("*.png")), tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    paths = [str(picture), str(broken)]
    with create_gallery(tmp_path / "g", bundle) as made:
        entries = [Entry(content_hash(path), source=path) for path in paths]
        made.add(np.repeat(bundle.embed([picture]), 2, axis=0), entries)
        (first,) = rank_gallery(other, picture, made, retriever=bundle, retrieve=1).candidates
        assert (first.candidate, first.score) == (paths[0], pytest.approx(1.0))
        harm(broken)
        with pytest.raises(error, match=word) as caught:
            rank_gallery(other, picture, made, retriever=bundle)
    assert "broken.png" in str(caught.value)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


def test_the_command(
    models: tuple[Path, Path],
    ranker: Bundle,
    retriever: Bundle,
    folder: Path,
    gallery: AnyGallery,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ask = ("rank", models[1], "-q", QUESTION, "--gallery", folder, "--retriever", models[0])
    code = run(*ask, "--retrieve", 7, "--top", 2, "--where", "fish=no", "--json")
    facts = json.loads(capsys.readouterr().out)
    expected = rank_gallery(
        ranker, QUESTION, gallery, retriever=retriever, retrieve=7, where={"fish": "no"}
    ).to_dict()
    assert facts == {**expected, "candidates": expected["candidates"][:2], "question": QUESTION}
    assert code == (0 if facts["answered"] else 1)
    assert run(*ask) in (0, 1)
    assert QUESTION in capsys.readouterr().out
    code = run("rank", models[0], "-q", QUESTION, "--gallery", folder, "--cost-false-match", 1e-6)
    assert (code, capsys.readouterr().out.split(":")[0]) == (0, "answered")
    code = run("rank", models[0], "-q", QUESTION, "--gallery", folder, "--cost-false-match", 1e6)
    assert (code, capsys.readouterr().out.split(":")[0]) == (1, "no good answer")


def test_the_command_says_that_a_gallery_cannot_be_written_to(
    models: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(TEXTS[:12]))
    for name, options in (("quiet", ("--no-log-searches",)), ("logged", ())):
        run("gallery", "create", tmp_path / name, models[1], *options)
        run("gallery", "add", tmp_path / name, models[1], texts)
    monkeypatch.setattr("os.access", lambda _, mode: mode != os.W_OK)
    capsys.readouterr()
    ask = ("rank", models[1], "-q", QUESTION, "--gallery")
    assert run(*ask, tmp_path / "quiet") in (0, 1)
    found = capsys.readouterr()
    assert QUESTION in found.out
    assert found.err.startswith(f"{tmp_path / 'quiet'}: read only, as ")
    assert run(*ask, tmp_path / "logged") == 2
    assert "must be logged" in capsys.readouterr().err


def test_the_command_asks_an_encrypted_gallery_that_no_index_serves(
    models: tuple[Path, Path], ranker: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("cryptography")
    place, texts, key = tmp_path / "g", tmp_path / "texts.txt", tmp_path / "key"
    texts.write_text("\n".join(TEXTS[:12]))
    write_key(key)
    assert run("gallery", "create", place, models[1], "--key", key) == 0
    assert run("gallery", "add", place, models[1], texts, "--key", key) == 0
    capsys.readouterr()
    run("rank", models[1], "-q", QUESTION, "--gallery", place, "--key", key, "--json")
    best = json.loads(capsys.readouterr().out)["candidates"][0]["candidate"]
    assert best == rank(ranker, QUESTION, TEXTS[:12]).candidates[0].candidate


def test_the_command_asks_a_gallery_in_milvus(
    models: tuple[Path, Path],
    retriever: Bundle,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("pymilvus")
    pytest.importorskip("milvus_lite")
    place, texts = tmp_path / "far", tmp_path / "texts.txt"
    texts.write_text("\n".join(TEXTS[:12]))
    store = ("--store", f"milvus:{tmp_path / 'lite.db'}")
    assert run("gallery", "create", place, models[0], *store) == 0
    assert run("gallery", "add", place, models[0], texts) == 0
    capsys.readouterr()
    for model, options in ((models[1], ("--retriever", models[0])), (models[0], ())):
        run("rank", model, "-q", TEXTS[0], "--gallery", place, *options, "--top", 12, "--json")
        facts = json.loads(capsys.readouterr().out)
        given = rank(Bundle.load(model), TEXTS[0], TEXTS[:12])
        scores = [candidate["score"] for candidate in facts["candidates"]]
        assert scores == pytest.approx([ranked.score for ranked in given.candidates], abs=1e-4)
        assert facts["candidates"][0]["candidate"] == TEXTS[0]


@pytest.mark.parametrize(
    ("options", "got"),
    [
        (("-q", "a", "--gallery", "GALLERY", "--answers", "b"), "--answers, --gallery, --question"),
        (("-q", "a", "--retrieve", 3, "--answers", "b"), "--answers, --question, --retrieve"),
        (("-q", "a", "--where", "a=b", "--answers", "b"), "--answers, --question, --where"),
        (("--gallery", "GALLERY"), "Got --gallery."),
        (("--table", "a", "--out", "b", "--retriever", "c"), "--out, --retriever, --table"),
        ((), "Got none of them"),
        (("-q", "a", "--gallery", "GALLERY"), "as the retriever"),
        (("-q", "a", "--gallery", "GALLERY", "--where", "a"), "name=text"),
        (("-q", "a", "--gallery", "none"), "none"),
    ],
)
def test_wrong_use_is_one_clear_line(
    options: tuple[object, ...],
    got: str,
    models: tuple[Path, Path],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [folder if option == "GALLERY" else option for option in options]
    assert run("rank", models[1], *given) == 2
    err = capsys.readouterr().err
    assert got in err
    assert err.count("\n") == 1
