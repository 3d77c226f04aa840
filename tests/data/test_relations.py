"""What rows say of examples; how files break is in `test_manifest` and `test_tables`."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinlens.data import relations
from twinlens.data.dataset import Dataset
from twinlens.data.folder import Grouping
from twinlens.data.problems import ProblemLog


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for name in ("a", "b", "c", "sub/d"):
        (tmp_path / f"{name}.png").touch()
    return tmp_path


def read(
    root: Path, text: str, *, group: Grouping = "auto", modality: str = "image"
) -> tuple[Dataset, ProblemLog]:
    path, log = root / "t.csv", ProblemLog()
    path.write_text(text)
    return relations.read(path, modality=modality, group=group, log=log), log


def codes(log: ProblemLog) -> list[str]:
    return [problem.code for problem in log.problems]


@pytest.mark.parametrize("spelling", ["./a.png", "sub/../a.png", ".//a.png"])
def test_two_spellings_of_a_path_are_one_example(spelling: str, root: Path) -> None:
    dataset, log = read(root, f"left,right,same\na.png,b.png,1\n{spelling},c.png,0\n")
    assert [example.id for example in dataset.examples] == ["a.png", "b.png", "c.png"]
    _, log = read(root, f"left,right,same\na.png,{spelling},1\nb.png,c.png,1\n")
    assert codes(log) == ["self-pair"]


def test_absolute_paths_stay(root: Path) -> None:
    dataset, _ = read(root, f"path,identity\n{root / 'sub/d.png'},x\na.png,y\n")
    refs = {example.identity: example.fields["image"] for example in dataset.examples}
    assert refs == {"x": str(root / "sub/d.png"), "y": str(root / "a.png")}


def test_fields_carry_the_modality(root: Path) -> None:
    dataset, _ = read(root, "path,identity\na.png,x\n", modality="strokes")
    assert dataset.refs("strokes") == [str(root / "a.png")]


def test_further_columns_are_kept_apart_from_the_group(root: Path) -> None:
    text = "path,identity,group,age\na.png,x,g,3\n"
    (example,) = read(root, text)[0].examples
    assert example.group == "g" and dict(example.extra) == {"age": "3"}
    (example,) = read(root, text, group="none")[0].examples
    assert example.group is None and dict(example.extra) == {"age": "3"}


def test_a_group_may_be_missing_where_groups_are_left_out(root: Path) -> None:
    text = "path,identity,group\na.png,x,\n"
    assert codes(read(root, text)[1]) == ["empty-field"]
    assert codes(read(root, text, group="none")[1]) == []


def test_every_fault_of_a_row_is_named(root: Path) -> None:
    _, log = read(root, "left,right,same\nnone.png,,\na.png,b.png,1\n")
    assert codes(log) == ["empty-field", "empty-field", "missing-file"]
    assert all("row 2" in problem.where for problem in log.problems)


def test_a_folder_is_no_file(root: Path) -> None:
    assert codes(read(root, "path,identity\nsub,x\na.png,y\n")[1]) == ["missing-file"]


def test_a_row_that_was_left_out_contradicts_none(root: Path) -> None:
    """Only what is kept counts as given."""
    _, log = read(root, "left,right,same\na.png,b.png,maybe\na.png,b.png,1\nb.png,a.png,yes\n")
    assert codes(log) == ["wrong-label", "repeated-row"]
    assert "row 3" in log.problems[1].message


def test_positions_follow_the_order_of_ids(root: Path) -> None:
    dataset, _ = read(root, "anchor,positive,negative\nsub/d.png,b.png,a.png\nb.png,a.png,c.png\n")
    triplets = dataset.triplets
    assert triplets is not None
    ids = [example.id for example in dataset.examples]
    assert ids == ["a.png", "b.png", "c.png", "sub/d.png"]
    assert [ids[i] for i in triplets.anchor] == ["sub/d.png", "b.png"]
    assert [ids[i] for i in triplets.positive] == ["b.png", "a.png"]
    assert [ids[i] for i in triplets.negative] == ["a.png", "c.png"]


def test_examples_of_bad_rows_alone_are_left_out(root: Path) -> None:
    dataset, _ = read(root, "left,right,same\na.png,b.png,1\nc.png,c.png,1\n")
    assert [example.id for example in dataset.examples] == ["a.png", "b.png"]
