"""`gallery`, `search` and `identify` through the entry point that a shell calls."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drawings import write_glyphs
from settings import SMALL
from twinlens.bundle import Bundle
from twinlens.config import CalibrationConfig, load_config
from twinlens.fit import fit
from twinlens.gallery import write_key
from twinlens.tasks.calibrate import calibrate
from twinlens.tasks.gallery import open_gallery

Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture(scope="session")
def calibrated(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model, calibrated on 60 identities of its own."""
    place = tmp_path_factory.mktemp("calibrated")
    own = write_glyphs(place / "own", 60, 6, first=200)
    bundle = Bundle.load(model)
    found = calibrate(bundle, own, settings=CalibrationConfig(fmr=(0.2,)))
    Bundle.save(
        place / "model",
        siamese=bundle.siamese,
        config=bundle.config,
        evidence=bundle.evidence,
        calibration=found,
    )
    return place / "model"


@pytest.fixture(scope="session")
def other(glyphs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model."""
    place = tmp_path_factory.mktemp("other") / "model"
    fit(glyphs, place, config=load_config(None, [*SMALL, "seed=9"]))
    return place


@pytest.fixture
def gallery(run: Run, calibrated: Path, strangers: Path, tmp_path: Path) -> Path:
    """The 48 pictures of 8 strangers."""
    assert run("gallery", "create", tmp_path / "g", calibrated)[0] == 0
    code, facts, _ = run("gallery", "add", tmp_path / "g", calibrated, strangers, "--json")
    assert (code, facts["added"], facts["known"]) == (0, 48, 0)
    return tmp_path / "g"


def test_add_finds_what_is_there_and_encodes_nothing_twice(
    run: Run, calibrated: Path, strangers: Path, gallery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("nothing is to be embedded")

    with monkeypatch.context() as patched:
        patched.setattr(Bundle, "embed_prepared", never)
        code, facts, _ = run("gallery", "add", gallery, calibrated, strangers, "--json")
    assert (code, facts["added"], facts["known"]) == (0, 0, 48)
    code, _, err = run("gallery", "add", gallery, calibrated, strangers, "--identity", "Ann")
    assert code == 2
    assert "must be of one identity. Got 'Ann'" in err
    assert run("gallery", "stats", gallery, "--json")[1]["items"] == 48


def test_broken_pictures_are_told_and_the_rest_is_done(
    run: Run, calibrated: Path, glyphs: Path, gallery: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "more"
    shutil.copytree(glyphs / "class00", folder / "class00")
    (folder / "class00" / "03a.png").write_bytes(b"no picture")
    (folder / "class00" / "empty.png").touch()
    code, facts, _ = run("gallery", "add", gallery, calibrated, folder, "--json")
    assert (code, facts["added"]) == (1, 6)
    assert ["03a.png" in facts["problems"][0], "empty.png" in facts["problems"][1]] == [True, True]
    assert len(facts["problems"]) == 2


def test_search_finds_with_filters_pages_feedback_and_a_report(
    run: Run, calibrated: Path, glyphs: Path, strangers: Path, gallery: Path, tmp_path: Path
) -> None:
    table = tmp_path / "labels.csv"
    files = sorted((glyphs / "class01").iterdir())
    rows = [f"{file},one,{'red' if i % 2 else 'blue'}" for i, file in enumerate(files)]
    table.write_text("path,identity,colour\n" + "\n".join(rows) + "\n")
    assert run("gallery", "add", gallery, calibrated, table, "--label", "from=table")[0] == 0
    query = files[0]
    search = ("search", calibrated, gallery, query, "--json")

    def hits(*more: object) -> list[dict[str, Any]]:
        code, facts, err = run(*search, *more)
        assert code == 0, err
        return facts["answers"][0]["hits"]

    best = hits("-k", 5)
    assert best[0]["source"] == str(query)
    assert best[0]["score"] == pytest.approx(1, abs=1e-5)
    assert [hit["score"] for hit in best] == sorted((h["score"] for h in best), reverse=True)
    assert hits("-k", 2) + hits("-k", 2, "--page", 2) == best[:4]
    red = hits("--where", "colour=red", "--where", "from=table")
    assert {hit["identity"] for hit in red} == {"one"}
    assert len(red) == 3
    assert hits("--where", "colour=green") == []
    far = hits("-k", 54)[-1]
    ranks = [
        [hit["id"] for hit in hits("-k", 54, *feedback)].index(far["id"])
        for feedback in ((), ("--like", far["id"], "--unlike", best[1]["id"]))
    ]
    assert ranks[1] < ranks[0]
    code, facts, _ = run(*search, files[1], "--together", "union", "-k", 3)
    assert code == 0
    assert {hit["source"] for hit in facts["answers"][0]["hits"]} >= {str(files[0]), str(files[1])}
    assert len(run(*search, files[1], "--together", "mean")[1]["answers"]) == 1
    assert len(run(*search, files[1])[1]["answers"]) == 2

    page = tmp_path / "out.html"
    assert run("search", calibrated, gallery, query, "--report", page)[0] == 0
    text = page.read_text()
    assert text.count("data:image/png;base64,") == 11
    assert "<script" not in text


def test_a_query_joined_by_what_it_found_asks_again(
    run: Run, calibrated: Path, glyphs: Path, gallery: Path
) -> None:
    query = min((glyphs / "class01").iterdir())
    search = ("search", calibrated, gallery, query, "--json", "-k", 60)
    first = run(*search)[1]["answers"][0]["hits"]
    again = run(*search, "--expand", 3)[1]["answers"][0]["hits"]
    bundle = Bundle.load(calibrated)
    with open_gallery(gallery, bundle) as opened:
        items = opened.vectors([hit["id"] for hit in first])
    cubes = np.array([hit["score"] for hit in first[:3]]) ** 3
    asked = bundle.embed([query])[0] + cubes @ items[:3]
    cosines = items @ (asked / np.linalg.norm(asked))
    expected = {hit["id"]: cosine for hit, cosine in zip(first, cosines, strict=True)}
    assert {hit["id"]: hit["score"] for hit in again} == pytest.approx(expected, abs=1e-5)
    assert [hit["score"] for hit in first] != [hit["score"] for hit in again]


def test_identify_knows_the_enrolled_and_says_nobody(
    run: Run, calibrated: Path, glyphs: Path, strangers: Path, gallery: Path
) -> None:
    known = sorted((strangers / "class101").iterdir())[0]
    code, facts, _ = run("identify", calibrated, gallery, known, "--fpir", 0.5, "--json")
    answer = facts["answers"][0]
    assert (code, answer["answer"], answer["known"]) == (0, "class101", True)
    assert answer["enrolled"] == 8
    assert "at most 0.5 of strangers" in answer["why"]
    assert answer["candidates"][0]["identity"] == "class101"
    assert len({c["identity"] for c in answer["candidates"]}) == 3

    code, facts, _ = run("identify", calibrated, gallery, known, "--json")
    assert (code, facts["answers"][0]["answer"]) == (1, "unsure")
    assert "cannot be promised" in facts["answers"][0]["why"]
    assert facts["answers"][0]["threshold"] is None

    bundle = Bundle.load(calibrated)
    others = sorted(glyphs.rglob("*.png"))
    answers = run("identify", calibrated, gallery, *others, "--fpir", 0.5, "--json")[1]["answers"]
    assert {a["answer"] for a in answers} & {"nobody"}
    for answer in answers:
        assert answer["known"] == (answer["score"] >= answer["threshold"])
    assert bundle.calibration is not None
    assert [known.templates for known in bundle.calibration.open_set] == [1, 2, 4]


def test_an_empty_gallery_knows_nobody(
    run: Run, calibrated: Path, strangers: Path, tmp_path: Path
) -> None:
    run("gallery", "create", tmp_path / "g", calibrated)
    query = next(strangers.rglob("*.png"))
    code, facts, _ = run("identify", calibrated, tmp_path / "g", query, "--json")
    assert (code, facts["answers"][0]["answer"]) == (1, "nobody")
    code, facts, _ = run("search", calibrated, tmp_path / "g", query, "--json")
    assert (code, facts["answers"][0]["hits"]) == (0, [])
    assert run("gallery", "verify", tmp_path / "g")[0] == 0


def test_a_removed_identity_is_gone(run: Run, calibrated: Path, gallery: Path) -> None:
    code, facts, _ = run("gallery", "remove", gallery, "--identity", "class103", "--json")
    assert (code, len(facts["removed"]), facts["erased"]) == (0, 6, True)
    assert run("gallery", "verify", gallery, "--removed", facts["removed"][0])[0] == 0
    assert run("gallery", "verify", gallery, "--removed", 1)[0] == 1
    assert run("gallery", "list", gallery, "--identity", "class103", "--json")[1]["items"] == []
    assert run("gallery", "list", gallery, "--limit", 40, "--json")[1]["more"] == 2
    code, facts, _ = run("gallery", "verify", gallery, "--json")
    assert (code, facts["items"], facts["problems"]) == (0, 42, [])
    log = run("gallery", "log", gallery, "--json")[1]
    assert [entry["action"] for entry in log] == ["create", "add", "remove"]
    assert "class103" not in json.dumps(log)
    for wrong in ((), ("--id", 1, "--identity", "x"), ("--id", 99999), ("--id", 10**20)):
        assert run("gallery", "remove", gallery, *wrong)[0] == 2
    code, out, err = run("gallery", "remove", gallery, "--identity", "class103")
    assert (code, out) == (2, "")
    assert "Got 'class103', of which no item is" in err


def test_export_import_and_rebuild(
    run: Run, calibrated: Path, gallery: Path, tmp_path: Path
) -> None:
    assert run("gallery", "export", gallery, tmp_path / "out", "--json")[1]["items"] == 48
    run("gallery", "create", tmp_path / "copy", calibrated, "--no-log-searches")
    code, facts, _ = run("gallery", "import", tmp_path / "copy", tmp_path / "out", "--json")
    assert (code, facts["added"]) == (0, 48)
    assert run("gallery", "rebuild", tmp_path / "copy", "--json")[1]["items"] == 48
    for text in ("stats", "list", "log"):
        assert run("gallery", text, tmp_path / "copy")[0] == 0


def test_where_nothing_can_be_written_it_is_read_and_told_so(
    run: Run,
    calibrated: Path,
    strangers: Path,
    gallery: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    query = next(strangers.rglob("*.png"))
    run("gallery", "create", tmp_path / "quiet", calibrated, "--no-log-searches")
    run("gallery", "add", tmp_path / "quiet", calibrated, strangers)
    monkeypatch.setattr("os.access", lambda _, mode: mode != os.W_OK)
    told = (
        f"{tmp_path / 'quiet'}: read only, as {tmp_path / 'quiet'} may not be written to; nothing"
    )
    for command in (
        ("search", calibrated, tmp_path / "quiet", query),
        ("identify", calibrated, tmp_path / "quiet", query, "--fpir", 0.5),
        ("gallery", "list", tmp_path / "quiet"),
        ("gallery", "log", tmp_path / "quiet"),
        ("gallery", "stats", tmp_path / "quiet"),
        ("gallery", "verify", tmp_path / "quiet"),
        ("gallery", "export", tmp_path / "quiet", tmp_path / "out"),
    ):
        code, out, err = run(*command)
        assert (code, bool(out)) == (0, True), err
        assert err.startswith(told)
        assert err.count("\n") == 1
    for command, word in (
        (("search", calibrated, gallery, query), "must be logged"),
        (("identify", calibrated, gallery, query, "--fpir", 0.5), "must be logged"),
        (("gallery", "rebuild", gallery), "must be writable to be changed"),
        (("gallery", "remove", gallery, "--id", 1), "must be writable to be changed"),
    ):
        code, out, err = run(*command)
        assert (code, out) == (2, "")
        assert word in err.splitlines()[-1]


def test_a_loss_is_told_until_it_is_accepted(
    run: Run, calibrated: Path, strangers: Path, gallery: Path, tmp_path: Path
) -> None:
    shutil.copy(gallery / "gallery.sqlite", tmp_path / "older")
    run("gallery", "remove", gallery, "--id", 1)
    (tmp_path / "older").replace(gallery / "gallery.sqlite")
    for command in (
        ("gallery", "verify", gallery),
        ("gallery", "rebuild", gallery),
        ("search", calibrated, gallery, next(strangers.rglob("*.png"))),
    ):
        code, out, err = run(*command)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "ends 1 entry before number 3, which was reported" in err
        assert "twinlens gallery rebuild --accept-loss" in err
    assert run("gallery", "rebuild", gallery, "--accept-loss", "--json")[1]["items"] == 48
    assert run("gallery", "verify", gallery)[0] == 0
    assert run("gallery", "log", gallery, "--json")[1][-1]["action"] == "accept"


def test_a_gallery_follows_a_new_model(
    run: Run, calibrated: Path, other: Path, gallery: Path, strangers: Path
) -> None:
    files = sorted(strangers.rglob("*.png"))
    gone, changed, *rest = files
    contents = {file: file.read_bytes() for file in (gone, changed)}
    gone.unlink()
    changed.write_bytes(rest[-1].read_bytes())
    try:
        code, facts, _ = run("gallery", "migrate", gallery, other, "--json")
        assert (code, facts["done"], facts["embedded"], len(facts["lost"])) == (1, False, 46, 2)
        assert run("search", calibrated, gallery, rest[0])[0] == 0  # the old model's still
        gone.write_bytes(contents[gone])
        code, out, _ = run("gallery", "migrate", gallery, other)
        assert code == 1
        assert f"{changed} holds something else now" in out
        code, facts, _ = run("gallery", "migrate", gallery, other, "--drop-lost", "--json")
        assert (code, facts["done"], facts["embedded"]) == (0, True, 0)
    finally:
        for file, content in contents.items():
            file.write_bytes(content)
    assert run("search", calibrated, gallery, rest[0])[0] == 2
    code, facts, _ = run("search", other, gallery, rest[0], "--json")
    assert facts["answers"][0]["hits"][0]["source"] == str(rest[0])
    assert facts["answers"][0]["hits"][0]["score"] == pytest.approx(1, abs=1e-5)
    code, facts, _ = run("gallery", "verify", gallery, "--json")
    assert (code, facts["items"], facts["problems"]) == (0, 47, [])


def test_an_encrypted_gallery_takes_its_key_everywhere(
    run: Run,
    calibrated: Path,
    strangers: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("cryptography")
    key, place = tmp_path / "key", tmp_path / "g"
    query = next(strangers.rglob("*.png"))
    assert run("gallery", "key", key)[0] == 0
    assert run("gallery", "create", place, calibrated, "--key", key)[0] == 0
    assert run("gallery", "add", place, calibrated, strangers, "--key", key)[0] == 0
    commands = (
        ("search", calibrated, place, query),
        ("identify", calibrated, place, query, "--fpir", 0.5),
        ("gallery", "list", place),
        ("gallery", "stats", place),
        ("gallery", "verify", place),
        ("gallery", "rebuild", place),
        ("gallery", "log", place),
        ("gallery", "export", place, tmp_path / "out"),
        ("gallery", "import", place, tmp_path / "out"),
        ("gallery", "remove", place, "--id", 1),
    )
    for command in commands:
        code, _, err = run(*command)
        assert (code, err.count("\n")) == (2, 1)
        assert "--key" in err
        assert run(*command, "--key", key)[0] in (0, 1)
    monkeypatch.setenv("TWINLENS_GALLERY_KEY", str(key))
    assert run("gallery", "verify", place, "--json")[1]["items"] == 47


def test_a_gallery_in_milvus_takes_the_same_commands(
    run: Run, calibrated: Path, other: Path, strangers: Path, gallery: Path, tmp_path: Path
) -> None:
    pytest.importorskip("cryptography")
    pytest.importorskip("milvus_lite")
    pytest.importorskip("pymilvus")
    place, key = tmp_path / "far", tmp_path / "key"
    query = sorted((strangers / "class101").iterdir())[0]
    store = ("--store", f"milvus:{tmp_path / 'lite.db'}")
    code, out, _ = run("gallery", "create", place, calibrated, *store)
    assert (code, "kept in the collection twinlens_far_" in out) == (0, True)
    assert [file.name for file in place.iterdir()] == ["store.toml"]
    assert run("gallery", "add", place, calibrated, strangers, "--json")[1]["added"] == 48
    assert run("gallery", "add", place, calibrated, strangers, "--json")[1]["known"] == 48

    for command, options in (
        ("search", ()),
        ("search", ("--like", 7, "--unlike", 20, "--expand", 2)),
        ("identify", ("--fpir", 0.5)),
    ):
        told = [
            run(command, calibrated, where, query, *options, "--json") for where in (gallery, place)
        ]
        assert told[0][0] == told[1][0] == 0
        near, far = (facts["answers"][0] for _, facts, _ in told)
        hits = "hits" if command == "search" else "candidates"
        assert [hit["id"] for hit in far[hits]] == [hit["id"] for hit in near[hits]]
        for one, two in zip(near[hits], far[hits], strict=True):
            assert two == {**one, "score": pytest.approx(one["score"], abs=1e-5)}
        assert far.get("answer") == near.get("answer")
        assert far.get("threshold") == near.get("threshold")

    assert "its size is known to Milvus only; 6 entries" in run("gallery", "stats", place)[1]
    code, out, _ = run("gallery", "remove", place, "--identity", "class103")
    assert (code, "6 removed; Milvus keeps traces" in out) == (0, True)
    removed = run("gallery", "log", place, "--json")[1][-1]["details"]["items"][0]
    assert run("gallery", "verify", place, "--removed", removed)[0] == 0
    assert run("gallery", "verify", place, "--removed", 1)[0] == 1
    assert run("gallery", "verify", place, "--json")[1]["problems"] == []
    assert len(run("gallery", "list", place, "--json")[1]["items"]) == 42
    assert run("gallery", "export", place, tmp_path / "out", "--json")[1]["items"] == 42
    assert run("gallery", "import", place, tmp_path / "out", "--json")[1]["known"] == 42

    write_key(key)
    for arguments, word in (
        (("search", other, place, query), "must hold embeddings of the model"),
        (("gallery", "rebuild", place), "to be rebuilt"),
        (("gallery", "migrate", place, other), "to be migrated"),
        (("gallery", "list", place, "--key", key), "to be encrypted"),
        (("gallery", "create", tmp_path / "n", calibrated, *store, "--key", key), "--store"),
        (("gallery", "create", tmp_path / "n", calibrated, "--store", "x"), "must read milvus:"),
        (
            (
                "gallery",
                "create",
                tmp_path / "n",
                calibrated,
                "--store",
                "milvus:http://127.0.0.1:1",
            ),
            "must answer",
        ),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (2, ""), (arguments, out, err)
        assert err.startswith("twinlens: ")
        assert err.count("\n") == 1
        assert word in err
    assert not (tmp_path / "n").exists()


def test_another_models_gallery_and_bad_use_are_one_clear_line(
    run: Run, calibrated: Path, other: Path, gallery: Path, strangers: Path, tmp_path: Path
) -> None:
    query = next(strangers.rglob("*.png"))
    for arguments, word in (
        (("search", other, gallery, query), "must hold embeddings of the model"),
        (("identify", other, gallery, query), "must hold embeddings of the model"),
        (("search", calibrated, tmp_path, query), "must be a gallery"),
        (("search", calibrated, gallery, tmp_path / "none.png"), "none.png"),
        (("search", calibrated, gallery, query, "--where", "colour"), "name=text"),
        (("search", calibrated, gallery, query, "--where", "colour=red"), "None is known"),
        (("search", calibrated, gallery, query, "--like", 777), "777"),
        (("search", calibrated, gallery, query, "--like", 10**20), f"Got {10**20}, which none is"),
        (("identify", calibrated, gallery, query, "--fpir", 2), "between 0 and 1"),
        (("gallery", "create", gallery, calibrated), "must be new"),
        (("gallery", "add", gallery, calibrated, tmp_path / "none"), "must exist"),
        (("gallery", "import", gallery, tmp_path), "gallery export wrote"),
        (("gallery", "migrate", gallery, calibrated), "Nothing is to be done"),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (2, ""), (arguments, out, err)
        assert err.startswith("twinlens: ")
        assert err.count("\n") == 1
        assert word in err
