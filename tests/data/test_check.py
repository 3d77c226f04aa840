"""All that is wrong with a data set, in one report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drawings import write_glyphs
from twinlens.config import DataConfig
from twinlens.data.check import DataReport, check_data
from twinlens.data.problems import Problem
from twinlens.errors import ConfigError, DataError
from twinlens.registry import Component


def picture(path: Path, seed: int, size: tuple[int, int] = (8, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, size).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def of(report: DataReport, code: str) -> list[Problem]:
    return [problem for problem in report.problems if problem.code == code]


def codes(report: DataReport) -> set[str]:
    return {problem.code for problem in report.problems}


def test_sound_data_has_no_problem(glyphs: Path) -> None:
    report = check_data(glyphs)
    assert report.problems == () and report.can_train
    assert (report.kind, report.examples, report.identities) == ("labels", 96, 16)
    assert (report.groups, report.pairs, report.triplets) == (0, 0, 0)
    assert report.properties == {"size": {"20 × 20": 96}, "mode": {"L": 96}}


def test_every_unreadable_file_is_named_and_stops_training(tmp_path: Path) -> None:
    write_glyphs(tmp_path, 8, 3)
    for name in ("class00/bad.png", "class01/worse.png"):
        (tmp_path / name).write_bytes(b"no picture")
    (tmp_path / "class02" / "empty.png").touch()
    report = check_data(tmp_path)
    assert not report.can_train and report.count("error") == 3
    assert {Path(p.where).name for p in of(report, "unreadable-file")} == {
        "bad.png", "worse.png", "empty.png",
    }  # fmt: skip
    assert all(p.training == "Training does not start." for p in of(report, "unreadable-file"))
    assert report.examples == 8 * 3 + 3
    assert report.properties["mode"] == {"L": 24}


def test_when_nothing_can_be_read_all_is_named(tmp_path: Path) -> None:
    for identity in range(6):
        (tmp_path / str(identity)).mkdir()
        (tmp_path / str(identity) / "a.png").write_bytes(b"%d" % identity)
    assert len(of(check_data(tmp_path), "unreadable-file")) == 6


def test_duplicates_are_told_within_and_across_identities(tmp_path: Path) -> None:
    write_glyphs(tmp_path, 8, 3)
    content = (tmp_path / "class00" / "00.png").read_bytes()
    for name in ("class00/copy.png", "class05/copy.png"):
        (tmp_path / name).write_bytes(content)
    report = check_data(tmp_path)
    (within,) = of(report, "duplicate")
    (across,) = of(report, "duplicate-across-identities")
    assert within.where.endswith("class00/copy.png") and "class00/00.png" in within.message
    assert across.where.endswith("class05/copy.png") and "'class00'" in across.message
    assert report.can_train and report.count("warning") == 2


def test_unreadable_files_are_no_duplicates_of_each_other(tmp_path: Path) -> None:
    write_glyphs(tmp_path, 8, 3)
    for name in ("a.png", "b.png"):
        (tmp_path / "class00" / name).symlink_to("nowhere")
    report = check_data(tmp_path)
    assert codes(report) == {"unreadable-file"}


def test_mixtures_are_noted_with_what_becomes_of_them(tmp_path: Path) -> None:
    write_glyphs(tmp_path, 8, 3)
    picture(tmp_path / "class00" / "large.png", 0, (40, 30))
    (note,) = of(check_data(tmp_path), "mixed-size")
    assert "20 × 20 (24), 30 × 40 (1)" in note.message
    assert note.training == "Each is brought to 1 × 32 × 32 (channels first)."
    native = Component("image", {"fit": "native"})
    (note,) = of(check_data(tmp_path, modality=native), "mixed-size")
    assert note.training == "Each keeps its own size with 1 channels; batches are padded."


def test_many_kinds_are_counted(tmp_path: Path) -> None:
    for i in range(12):
        picture(tmp_path / f"{i // 2}" / f"{i}.png", i, (8, 8 + i))
    (note,) = of(check_data(tmp_path), "mixed-size")
    assert note.message.endswith("and 4 more.")


def test_lone_examples_and_torn_groups_are_warned_of(tmp_path: Path) -> None:
    rows = ["path,identity,group"]
    for i in range(20):
        picture(tmp_path / f"{i}.png", i)
        rows.append(f"{i}.png,id{i // 2},g{i // 4}")
    picture(tmp_path / "x.png", 90)
    picture(tmp_path / "y.png", 91)
    rows += ["x.png,lone,g1", "y.png,id0,g3"]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    report = check_data(tmp_path)
    (lone,) = of(report, "single-example")
    (torn,) = of(report, "identity-in-groups")
    assert lone.where.endswith("labels.csv, row 22") and "'lone'" in lone.message
    assert "'id0' should be in one group. Got g0, g3" in torn.message
    assert report.groups == 5 and report.can_train


def test_pairs_of_equal_files_that_differ_contradict(tmp_path: Path) -> None:
    rows = ["left,right,same"]
    for i in range(12):
        picture(tmp_path / f"{i}.png", i)
    rows += [f"{i}.png,{i + 1}.png,{i % 4 // 2}" for i in range(0, 12, 2)]
    for copy, original in (("0.png", "1.png"), ("2.png", "3.png")):  # a different, a same pair
        (tmp_path / copy).write_bytes((tmp_path / original).read_bytes())
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    report = check_data(tmp_path / "pairs.csv")
    assert (report.kind, report.pairs, report.examples, report.identities) == ("pairs", 6, 12, 0)
    (contradiction,) = of(report, "contradiction")
    assert "Got 0.png, 1.png" in contradiction.message


def test_bad_rows_are_in_the_report(tmp_path: Path) -> None:
    for i in range(16):
        picture(tmp_path / f"{i}.png", i)
    rows = [f"{i}.png,id{i // 2}" for i in range(16)] + ["none.png,id0", "3.png,", "4.png,id0"]
    (tmp_path / "labels.csv").write_text("\n".join(["path,identity", *rows]))
    report = check_data(tmp_path)
    assert {p.code for p in report.problems if p.severity == "error"} == {
        "missing-file", "empty-field", "contradiction",
    }  # fmt: skip


def test_data_that_cannot_be_split_is_an_error(tmp_path: Path) -> None:
    write_glyphs(tmp_path, 5, 2)
    (problem,) = of(check_data(tmp_path), "cannot-split")
    assert problem.severity == "error" and "at least 8 identities" in problem.message
    whole = DataConfig(validation_share=0.0, calibration_share=0.0, test_share=0.0)
    assert check_data(tmp_path, data=whole).can_train


def test_groups_count_as_training_counts_them(tmp_path: Path) -> None:
    for group in range(3):
        write_glyphs(tmp_path, 4, 2, group=f"g{group}")
    assert check_data(tmp_path).groups == 3
    assert check_data(tmp_path, data=DataConfig(group="none")).groups == 0


def test_the_worst_comes_first(tmp_path: Path) -> None:
    write_glyphs(tmp_path, 8, 2)
    (tmp_path / "class00" / "notes.txt").touch()
    (tmp_path / "class09").mkdir()
    (tmp_path / "class01" / "bad.png").touch()
    severities = [problem.severity for problem in check_data(tmp_path).problems]
    assert severities == ["error", "warning", "note"]


def test_progress_ends_at_all_files(glyphs: Path) -> None:
    told: list[tuple[int, int]] = []
    check_data(glyphs, progress=lambda done, total: told.append((done, total)))
    assert told == [(96, 96)]


def test_the_report_is_plain_data(tmp_path: Path) -> None:
    write_glyphs(tmp_path, 8, 2)
    (tmp_path / "class01" / "bad.png").touch()
    report = check_data(tmp_path)
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["can_train"] is False and plain["identities"] == 8
    assert set(plain["problems"][0]) == {"severity", "code", "where", "message", "training"}


def test_nothing_at_all_and_wrong_settings_are_refused(tmp_path: Path, glyphs: Path) -> None:
    with pytest.raises(DataError, match="must exist"):
        check_data(tmp_path / "none")
    with pytest.raises(DataError, match="a folder for each class"):
        check_data(tmp_path)
    with pytest.raises(ConfigError, match=r"modality\.sizes must be a setting of 'image'"):
        check_data(glyphs, modality=Component("image", {"sizes": 3}))
