"""The second finder of copies: a perceptual hash beside the model's score."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drawings import photo
from twinlens.bundle import Bundle
from twinlens.cli import main
from twinlens.duplicates.clusters import Cluster, Pair
from twinlens.duplicates.perceptual import perceptual_hash
from twinlens.errors import ConfigError
from twinlens.gallery import Entry, Item, open_any
from twinlens.self_supervised import COPIES_MODEL
from twinlens.tasks.dedupe import Duplicates, find_duplicates
from twinlens.tasks.dedupe_page import write_dedupe_page
from twinlens.tasks.dedupe_steps import steps_of

NEVER = 1.01
"""No cosine reaches it, so that the model tells nothing."""
OFTEN = 0.9


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load(COPIES_MODEL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight pictures, one of them once more in small, another as a blank page, and one twice."""
    place = tmp_path / "photos"
    place.mkdir()
    for number in range(8):
        photo(number).save(place / f"{number}.png")
    photo(4).resize((60, 45)).save(place / "small 4.png")
    Image.new("RGB", (80, 60), "white").save(place / "blank.png")
    Image.new("RGB", (80, 60), "navy").save(place / "blue.png")
    shutil.copy(place / "2.png", place / "copy of 2.png")
    return place


def told(found: Duplicates) -> dict[str, tuple[str, str, str]]:
    return {step.path: (step.kind, step.joined_by, step.told_by) for step in found.steps}


def test_a_copy_that_the_model_misses_is_found(
    folder: Path, bundle: Bundle, tmp_path: Path
) -> None:
    found = find_duplicates(folder, bundle, tmp_path / "memory", threshold=NEVER)
    steps = told(found)
    assert {steps.pop("2.png")[0], steps.pop("copy of 2.png")[0]} == {"best", "exact"}
    assert steps == {"4.png": ("best", "", ""), "small 4.png": ("near", "4.png", "hash")}
    assert OFTEN < float(next(step.score for step in found.steps if step.kind == "near")) < NEVER
    assert {step.told_by for step in found.steps if step.kind == "exact"} == {"content"}
    assert found.told_by_hash == 1
    assert found.why == (
        "the threshold 1.01 was given; 1 copy was told by its perceptual hash alone (at most 8 of "
        "64 bits apart), for which no rate is promised"
    )


def test_what_the_model_tells_is_told_by_the_model(
    folder: Path, bundle: Bundle, tmp_path: Path
) -> None:
    found = find_duplicates(folder, bundle, tmp_path / "memory", threshold=OFTEN)
    assert told(found)["small 4.png"] == ("near", "4.png", "model")
    assert found.told_by_hash == 0
    assert "; none was told by its perceptual hash alone (at most 8 of 64 bits" in found.why


def test_without_hashes_the_model_alone_tells(folder: Path, bundle: Bundle, tmp_path: Path) -> None:
    for threshold, near in ((NEVER, set[str]()), (OFTEN, {"small 4.png"})):
        found = find_duplicates(
            folder, bundle, tmp_path / "memory", threshold=threshold, hash_distance=-1
        )
        assert {step.path for step in found.steps if step.kind == "near"} == near
        assert found.why == found.rule.why
    # what was looked at without them serves with them
    found = find_duplicates(folder, bundle, tmp_path / "memory", threshold=NEVER)
    assert (found.new, found.told_by_hash) == (0, 1)


@pytest.mark.parametrize("distance", [-2, 65])
def test_a_distance_is_a_number_of_bits(
    distance: int, folder: Path, bundle: Bundle, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"0 to 64 bits .* Got {distance}"):
        find_duplicates(
            folder, bundle, tmp_path / "memory", threshold=OFTEN, hash_distance=distance
        )
    assert not (tmp_path / "memory").exists()


def test_what_a_memory_has_no_hash_of_is_looked_at_anew(
    folder: Path, bundle: Bundle, tmp_path: Path
) -> None:
    memory = tmp_path / "memory"
    first = find_duplicates(folder, bundle, memory, threshold=NEVER)
    with open_any(memory, scorer=bundle.siamese) as gallery:
        ids = gallery.ids()
        assert {"", perceptual_hash(photo(4))} <= {
            item.entry.metadata["hash"] for item in gallery.items(ids)
        }
        older = [item for item in gallery.items(ids) if "4.png" in item.entry.source]
        vectors = gallery.vectors([item.id for item in older])
        gallery.remove([item.id for item in older])
        entries = [
            replace(
                item.entry,
                metadata={k: v for k, v in item.entry.metadata.items() if k != "hash"},
            )
            for item in older
        ]
        gallery.add(vectors, entries)
    second = find_duplicates(folder, bundle, memory, threshold=NEVER)
    assert (first.new, second.new) == (11, 2)
    assert told(second) == told(first)
    assert find_duplicates(folder, bundle, memory, threshold=NEVER).new == 0


@pytest.fixture
def sizes(tmp_path: Path) -> Path:
    """Two pictures, each in two sizes, which the model knows, and the widths tell apart."""
    place = tmp_path / "sizes"
    place.mkdir()
    for number, widths in ((4, (120, 60)), (5, (100, 50))):
        for width in widths:
            photo(number).resize((width, width * 3 // 4)).save(place / f"{width}.png")
    return place


def hashed_by_width(monkeypatch: pytest.MonkeyPatch, codes: Mapping[int, int]) -> None:
    def fixed(picture: Image.Image) -> str:
        return f"{codes[picture.width]:016x}"

    monkeypatch.setattr("twinlens.tasks.dedupe.perceptual_hash", fixed)


def clusters(found: Duplicates) -> list[list[str]]:
    numbers = sorted({step.cluster for step in found.steps})
    return [[s.path for s in found.steps if s.cluster == number] for number in numbers]


def test_no_two_are_joined_of_which_neither_tells(
    sizes: Path, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sizes / "50.png").unlink()
    # that of 120 is 8 bits from that of 100 and 16 from that of 60, which are 24 apart
    hashed_by_width(monkeypatch, {120: 0xFF, 100: 0, 60: 0xFFFFFF})
    found = find_duplicates(sizes, bundle, tmp_path / "memory", threshold=OFTEN)
    assert clusters(found) == [["120.png", "60.png"]]
    assert told(found)["60.png"] == ("near", "120.png", "model")
    # of a chain the first two are joined
    chain = find_duplicates(sizes, bundle, tmp_path / "memory", threshold=NEVER)
    assert clusters(chain) == [["120.png", "100.png"]]
    wider = find_duplicates(sizes, bundle, tmp_path / "memory", threshold=OFTEN, hash_distance=24)
    assert [sorted(cluster) for cluster in clusters(wider)] == [["100.png", "120.png", "60.png"]]
    assert wider.told_by_hash == 1


def test_a_pair_that_joined_two_groups_is_told(
    sizes: Path, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed_by_width(monkeypatch, {120: 0, 60: 1, 100: 3, 50: 7})
    found = find_duplicates(sizes, bundle, tmp_path / "memory", threshold=OFTEN)
    assert len(clusters(found)) == 1
    assert sorted(step.told_by for step in found.steps) == ["", "hash", "model", "model"]
    page = tmp_path / "page.html"
    write_dedupe_page(page, found, sizes)
    assert page.read_text().count(".png, by its perceptual hash<") == 1
    assert "1 copy was told by its perceptual hash alone" in page.read_text()


def test_each_is_tied_to_the_best_one_on_the_way_there(tmp_path: Path) -> None:
    quality = {"pixels": "9", "bytes": "1", "width": "1", "height": "1"}
    items: list[Item] = []
    for number in range(4):
        (tmp_path / f"{number}.png").touch()
        texts = {**quality, "sharpness": str(-number)}
        items.append(Item(number, Entry(str(number), metadata=texts), ""))
    links = (Pair(1, 2, 0.95), Pair(0, 1, 0.5), Pair(2, 3, 0.4))
    paths = {str(number): [tmp_path / f"{number}.png"] for number in range(4)}
    cluster = Cluster((0, 1, 2, 3), links)
    steps = steps_of([cluster], items, paths, tmp_path, threshold=0.95)
    assert [(step.path, step.score, step.joined_by, step.told_by) for step in steps] == [
        ("0.png", "", "", ""),
        ("1.png", "0.5000", "0.png", "hash"),
        ("2.png", "0.9500", "1.png", "model"),
        ("3.png", "0.4000", "2.png", "hash"),
    ]


def test_the_command_says_what_was_told_by_hash(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        plan = ("--out", str(tmp_path / "plan.csv"), "--threshold", str(NEVER))
        with pytest.raises(SystemExit) as exit:
            main(["dedupe", str(folder), *plan, *arguments])
        captured = capsys.readouterr()
        return int(exit.value.code or 0), captured.out + captured.err

    code, out = run()
    assert code == 0
    assert "1 copy was told by its perceptual hash alone (at most 8 of 64 bits apart)" in out
    with (tmp_path / "plan.csv").open(newline="") as file:
        rows = {row["path"]: row["told_by"] for row in csv.DictReader(file)}
    assert rows["small 4.png"] == "hash"
    facts = json.loads(run("--json", "--hash-distance", "-1")[1])
    assert (facts["told_by_hash"], facts["hash_distance"], facts["moves"]) == (0, -1, 1)
    assert "hash" not in run("--hash-distance", "-1")[1].replace("photos", "")
    for wrong in ("-2", "65"):
        code, out = run("--hash-distance", wrong)
        assert code == 2
        assert "'--hash-distance'" in out


def test_a_picture_that_cannot_be_hashed_is_named_and_the_rest_is_done(
    folder: Path, bundle: Bundle, tmp_path: Path
) -> None:
    Image.fromarray(np.full((60, 80), np.nan, np.float32)).save(folder / "nan.tiff")
    found = find_duplicates(folder, bundle, tmp_path / "memory", threshold=NEVER)
    assert len(found.problems) == 1
    assert "nan.tiff" in found.problems[0]
    assert "finite" in found.problems[0]
    assert "small 4.png" in told(found)
