"""Copies in a folder of pictures: found by hash and embedding, planned, moved, undone."""

from __future__ import annotations

import csv
import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFilter

from drawings import photo
from twinlens.bundle import Bundle
from twinlens.cli import main
from twinlens.duplicates.transforms import altered
from twinlens.errors import ConfigError, DataError, EvidenceError, GalleryError
from twinlens.self_supervised import (
    COPIES_MODEL,
    FEWEST_CALIBRATED,
    fit_copies,
    model_for,
    write_copies,
)
from twinlens.tasks.dedupe import find_duplicates

OUT = ("--out", "plan.csv")
TINY = (
    "modality.size=16",
    "encoder.widths=[8,16]",
    "encoder.strides=[1,2]",
    "encoder.dim=16",
    "encoder.described=none",
    "train.steps=200",
    "train.warmup_steps=4",
    "train.precision=float32",
    "data.validation_share=0",
    "data.test_share=0.2",
)


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 pictures, of which 3 have near copies and 2 exact ones, and a broken file."""
    folder = tmp_path_factory.mktemp("album") / "photos"
    for number in range(60):
        place = folder / f"trip{number % 3}"
        place.mkdir(parents=True, exist_ok=True)
        photo(number).save(place / f"{number:02}.png")
    rng = np.random.default_rng(0)
    photo(4).resize((60, 45)).save(folder / "small of 04.png")
    altered(photo(5), "jpeg", 0.3, rng).save(folder / "saved again 05.jpg", quality=60)
    photo(6).filter(ImageFilter.GaussianBlur(1)).save(folder / "blurred 06.png")
    shutil.copy(folder / "trip1" / "07.png", folder / "copy of 07.png")
    shutil.copy(folder / "trip2" / "08.png", folder / "trip0" / "copy of 08.png")
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "link.png").symlink_to(folder / "trip0" / "00.png")
    return folder


def test_it_learns_from_the_collection_and_leaves_out_what_looks_alike(
    album: Path, tmp_path: Path
) -> None:
    evidence = fit_copies(album, tmp_path / "model", settings=TINY).evidence
    assert evidence["evaluation"]["metrics"]["roc_auc"]["value"] > 0.75  # 0.80 to 0.94 by seed
    assert write_copies(album, tmp_path / "copies") in range(58, 63)
    assert not list(tmp_path.glob("*copies-*"))
    with pytest.raises(DataError, match="at least 40 different pictures"):
        write_copies(album / "trip0", tmp_path / "few")


def test_copies_are_found_with_the_best_one_kept(album: Path, tmp_path: Path) -> None:
    bundle = Bundle.load(COPIES_MODEL)
    found = find_duplicates(album, bundle, tmp_path / "memory", threshold=0.9)
    clusters: dict[int, dict[str, str]] = {}
    for step in found.steps:
        clusters.setdefault(step.cluster, {})[step.path] = f"{step.action} {step.kind}"
    assert sorted(clusters.values(), key=str) == sorted(
        [
            {"trip1/04.png": "keep best", "small of 04.png": "move near"},
            {"trip2/05.png": "keep best", "saved again 05.jpg": "move near"},
            {"trip0/06.png": "keep best", "blurred 06.png": "move near"},
            {"trip1/07.png": "keep best", "copy of 07.png": "move exact"},
            {"trip2/08.png": "keep best", "trip0/copy of 08.png": "move exact"},
        ],
        key=str,
    )
    assert found.files == 65
    assert found.new == 63  # two contents come twice, and the broken one cannot be embedded
    assert ["broken.png" in problem for problem in found.problems] == [True]
    near = [step for step in found.steps if step.kind == "near"]
    assert all(float(step.score) >= 0.9 and step.joined_by for step in near)


def test_a_folder_may_be_named_from_where_one_is(
    album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(album.parent)
    bundle = Bundle.load(COPIES_MODEL)
    here = find_duplicates(Path("photos"), bundle, tmp_path / "memory", threshold=0.9)
    there = find_duplicates(album, bundle, tmp_path / "memory", threshold=0.9)
    assert here.steps == there.steps


def test_a_second_run_embeds_only_what_is_new(album: Path, tmp_path: Path) -> None:
    bundle = Bundle.load(COPIES_MODEL)
    folder = tmp_path / "photos"
    shutil.copytree(album, folder, symlinks=True)
    (folder / "broken.png").unlink()
    first = find_duplicates(folder, bundle, tmp_path / "memory", threshold=0.9)
    photo(5).resize((240, 180)).save(folder / "large of 05.png")
    (folder / "blurred 06.png").unlink()
    second = find_duplicates(folder, bundle, tmp_path / "memory", threshold=0.9)
    assert (first.new, second.new) == (63, 1)
    assert "blurred 06.png" not in {step.path for step in second.steps}
    five = {step.path: step.action for step in second.steps if "05" in step.path}
    assert five == {
        "large of 05.png": "keep",
        "trip2/05.png": "move",
        "saved again 05.jpg": "move",
    }


def test_a_model_that_is_not_calibrated_needs_a_threshold(
    album: Path, bundle: Bundle, tmp_path: Path
) -> None:
    with pytest.raises(EvidenceError, match="--threshold"):
        find_duplicates(album, bundle, tmp_path / "memory")


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), float("-inf")])
def test_a_threshold_is_a_number(album: Path, tmp_path: Path, threshold: float) -> None:
    bundle = Bundle.load(COPIES_MODEL)
    with pytest.raises(ConfigError, match=f"finite number. Got {threshold}"):
        find_duplicates(album, bundle, tmp_path / "memory", threshold=threshold)
    assert not (tmp_path / "memory").exists()


def test_what_another_model_looked_at_is_refused_with_what_to_delete(
    bundle: Bundle, tmp_path: Path
) -> None:
    folder, memory = tmp_path / "photos", tmp_path / "plan.csv.gallery"
    folder.mkdir()
    photo(0).save(folder / "0.png")
    find_duplicates(folder, Bundle.load(COPIES_MODEL), memory, threshold=0.9)
    with pytest.raises(GalleryError, match=f"{memory}, .* of another model. Delete it"):
        find_duplicates(folder, bundle, memory, threshold=0.9)
    shutil.rmtree(memory)
    assert find_duplicates(folder, bundle, memory, threshold=0.9).new == 1


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("photos/0.png", (), "0.png must be a folder of pictures. Got a file. Name a folder."),
        ("none", (), "none must be a folder of pictures. Got nothing there. Name a folder."),
        ("photos", ("--threshold", "nan"), "must be a finite number. Got nan."),
        ("photos", ("--threshold", "inf"), "must be a finite number. Got inf."),
        ("photos", ("--out", "photos/0.png/plan.csv"), "photos/0.png must be writable. Got: "),
    ],
)
def test_the_command_refuses_before_it_makes_anything(
    name: str,
    arguments: tuple[str, ...],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    photo(0).save("photos/0.png")
    with pytest.raises(SystemExit) as exit:
        main(["dedupe", name, *arguments, *(() if "--out" in arguments else OUT)])
    assert exit.value.code == 2
    assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*.*")] == ["0.png"]


def test_the_command_finds_moves_and_undoes(
    album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, plan = tmp_path / "photos", tmp_path / "plan.csv"
    shutil.copytree(album, folder, symlinks=True)

    def run(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as exit:
            main(["dedupe", str(folder), *map(str, arguments)])
        return int(exit.value.code or 0), capsys.readouterr().out

    page = tmp_path / "page.html"
    code, out = run("--out", plan, "--model", COPIES_MODEL, "--report", page, "--json")
    facts = json.loads(out)
    assert code == 1  # the broken file
    assert facts["clusters"] >= 5
    assert "reach" in facts["rule"]["why"]
    assert page.read_text().count("data:image/png") == plan.read_text().count("\n") - 1
    before = sorted(path.name for path in folder.rglob("*.*"))
    code, out = run("--apply", plan, "--to", tmp_path / "moved")
    assert code == 0
    assert len(sorted(folder.rglob("*.*"))) == len(before) - facts["moves"]
    assert run("--undo", tmp_path / "moved")[0] == 0
    assert sorted(path.name for path in folder.rglob("*.*")) == before
    for wrong in ((), ("--apply", plan), ("--out", plan, "--undo", tmp_path)):
        assert run(*wrong)[0] == 2


def test_without_a_model_the_one_that_comes_along_is_calibrated_on_the_folder(
    album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as exit:
            main(["dedupe", str(album), "--out", str(tmp_path / "plan.csv"), *map(str, arguments)])
        told = capsys.readouterr()
        return int(exit.value.code or 0), told.out + told.err

    code, out = run("--json")
    facts = json.loads(out)
    assert code == 1  # the broken file
    made = Bundle.load(tmp_path / "plan.csv.model")
    packaged = Bundle.load(COPIES_MODEL)
    assert made.fingerprint == packaged.fingerprint
    assert made.calibration is not None
    assert packaged.calibration is not None
    assert made.calibration.data["name"] == "photos"
    assert made.calibration.data["identities"] in range(58, 63)
    assert packaged.calibration.data["identities"] > 200
    assert not list(tmp_path.glob("*copies-*"))
    clusters: dict[str, set[str]] = {}
    with (tmp_path / "plan.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            clusters.setdefault(row["cluster"], set()).add(row["path"])
    for copies in (
        {"trip1/04.png", "small of 04.png"},
        {"trip2/05.png", "saved again 05.jpg"},
        {"trip0/06.png", "blurred 06.png"},
    ):
        assert copies in clusters.values()
    assert facts["moves"] == sum(len(cluster) - 1 for cluster in clusters.values())
    assert json.loads(run("--json")[1])["new"] == 0
    code, out = run("--learn")
    assert code == 2
    assert "--learn makes" in out


def test_of_few_different_pictures_none_is_taken_for_a_copy(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(FEWEST_CALIBRATED + 2):
        photo(number).save(folder / f"{number:02}.png")
    bundle = model_for(folder, tmp_path / "model")
    assert bundle.calibration is not None
    assert bundle.calibration.data["identities"] == FEWEST_CALIBRATED + 2
    found = find_duplicates(folder, bundle, tmp_path / "gallery")
    assert found.steps == ()
    assert not found.rule.promised


def test_of_too_few_pictures_no_threshold_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(FEWEST_CALIBRATED - 1):
        photo(number).save(folder / f"{number:02}.png")
    photo(3).resize((60, 45)).save(folder / "small.png")
    plan = tmp_path / "plan.csv"
    with pytest.raises(SystemExit) as exit:
        main(["dedupe", str(folder), "--out", str(plan)])
    assert exit.value.code == 2
    assert "at least 10 different pictures" in capsys.readouterr().err
    assert not list(tmp_path.glob("plan*"))
    with pytest.raises(SystemExit) as exit:
        main(["dedupe", str(folder), "--out", str(plan), "--threshold", "0.9", "--json"])
    assert exit.value.code == 0
    assert json.loads(capsys.readouterr().out)["moves"] == 1


def test_the_command_learns_from_the_folder_when_asked_to(
    album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = partial(fit_copies, settings=TINY)
    monkeypatch.setattr("twinlens.cli.dedupe.fit_copies", short)
    with pytest.raises(SystemExit):
        main(["dedupe", str(album), "--out", str(tmp_path / "plan.csv"), "--learn"])
    made = Bundle.load(tmp_path / "plan.csv.model")
    assert made.siamese.dim == 16
    assert made.evidence["training"]["steps"] > 0
