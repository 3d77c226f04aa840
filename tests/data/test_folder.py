"""Walking folders and what their levels mean; whole data sets are in `test_manifest`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twinlens.data.folder import Folder, examples_of, label_dataset, outer_levels, walk
from twinlens.data.problems import ProblemLog
from twinlens.types import Example


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def codes(log: ProblemLog) -> list[str]:
    return [problem.code for problem in log.problems]


def test_walking_is_in_order_and_leaves_out_what_is_hidden(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.png", "b/1.png", "a/x/1.png", ".hidden/1.png", "a/.1.png", "top.png")
    (tmp_path / "empty").mkdir()
    log = ProblemLog()
    assert walk(tmp_path, log) == [
        Folder("", ("top.png",), 3),
        Folder("a", (), 1),
        Folder("a/x", ("1.png",), 0),
        Folder("b", ("1.png", "2.png"), 0),
        Folder("empty", (), 0),
    ]
    assert not log.problems


def test_a_folder_is_taken_under_its_own_name_not_a_links(tmp_path: Path) -> None:
    touch(tmp_path, "z/1.png")
    (tmp_path / "a").symlink_to("z")  # comes first by name
    log = ProblemLog()
    assert [folder.path for folder in walk(tmp_path, log)] == ["", "z"]
    assert codes(log) == ["linked-folder"]


def test_a_folder_that_vanishes_or_is_sealed_is_named(tmp_path: Path) -> None:
    log = ProblemLog()
    assert walk(tmp_path / "none", log) == []
    assert codes(log) == ["unreadable-folder"] and "No such file" in str(log.problems[0])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anywhere")
def test_a_sealed_folder_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "a").chmod(0)
    log = ProblemLog()
    assert [folder.path for folder in walk(tmp_path, log)] == ["", "b"]
    assert codes(log) == ["unreadable-folder"]
    (tmp_path / "a").chmod(0o700)


def test_examples_are_files_with_a_known_ending(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.PNG", "a/2.txt", "a/png")
    log = ProblemLog()
    folders = walk(tmp_path, log)
    (example,) = examples_of(tmp_path, folders, modality="image", suffixes={".png"}, log=log)
    assert (example.id, example.identity) == ("a/1.PNG", "a")
    assert example.fields == {"image": str(tmp_path / "a/1.PNG")}
    assert codes(log) == ["unknown-file"] * 2
    everything = examples_of(tmp_path, folders, modality="x", suffixes=frozenset(), log=log)
    assert len(everything) == 3


def test_references_do_not_depend_on_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "data/a/1.png")
    monkeypatch.chdir(tmp_path)
    root, log = Path("data"), ProblemLog()
    (example,) = examples_of(root, walk(root, log), modality="image", suffixes={".png"}, log=log)
    assert example.fields["image"] == str(tmp_path / "data/a/1.png")
    assert example.source == "data/a/1.png"


@pytest.mark.parametrize(
    ("identities", "outer"),
    [
        (set(), None),
        ({"a"}, None),
        ({"g/a", "g/b"}, None),
        ({"g/a", "h/a"}, {"g/a": "g", "h/a": "h"}),
        ({"g/a", "h/b/c"}, None),
        ({"g/a", "h"}, None),
    ],
)
def test_outer_levels(identities: set[str], outer: dict[str, str] | None) -> None:
    assert outer_levels(identities) == outer


def labelled(*identities: str) -> tuple[list[Example], ProblemLog]:
    return [Example(f"{i}/1.png", i, source=f"{i}/1.png") for i in identities], ProblemLog()


def test_a_class_within_a_class_is_warned_of() -> None:
    examples, log = labelled("cat", "cat/kittens", "cat/young/small", "category", "dog")
    dataset = label_dataset(Path("root"), examples, group="auto", log=log)
    assert len(dataset.identities()) == 5
    assert [(p.code, p.severity, p.where) for p in log.problems] == [
        ("class-in-class", "warning", "root/cat/kittens"),
        ("class-in-class", "warning", "root/cat/young/small"),
    ]
    examples, log = labelled("Greek/alpha", "Latin/a")
    label_dataset(Path("root"), examples, group="auto", log=log)
    assert not log.problems


def test_grouping_can_be_left_out() -> None:
    examples, log = labelled("g/a", "h/a")
    assert label_dataset(Path("root"), examples, group="auto", log=log).groups() is not None
    assert label_dataset(Path("root"), examples, group="none", log=log).groups() is None
