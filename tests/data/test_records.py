"""Tables that give a record's fields in place of one text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinlens.data.manifest import read_dataset, read_examples, read_inputs, scan
from twinlens.data.problems import ProblemLog
from twinlens.data.tables import Table, read_table
from twinlens.errors import DataError

TWO_SHOPS = (
    "left_name,left_price,right_name,right_price,same\n"
    "Acme drill 12,49,drill acme 12,50,1\n"
    "Acme saw 9,,saw 99,20,0\n"
)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def write_json(path: Path, *rows: Mapping[str, Any]) -> Path:
    return write(path, "\n".join(map(json.dumps, rows)))


def refusal(path: Path, modality: str = "text") -> str:
    with pytest.raises(DataError) as caught:
        read_dataset(path, modality=modality)
    return str(caught.value)


def read(path: Path, *records: str) -> tuple[Table, ProblemLog]:
    log = ProblemLog()
    return read_table(path, log, records=records), log


def test_pairs_of_records(tmp_path: Path) -> None:
    found = read_dataset(write(tmp_path / "a.csv", TWO_SHOPS), modality="text")
    texts = ["Acme drill 12 49", "Acme saw 9", "drill acme 12 50", "saw 99 20"]
    assert found.refs("text") == texts
    assert found.pairs is not None
    assert found.pairs.left.tolist() == [0, 1]
    assert found.pairs.right.tolist() == [2, 3]
    assert found.pairs.same.tolist() == [True, False]


def test_every_kind_of_table_gives_records(tmp_path: Path) -> None:
    columns = [f"{side}_{name}" for side in ("anchor", "positive", "negative") for name in "ab"]
    triplets = write(tmp_path / "t.csv", ",".join(columns) + "\n1,2,3,4,5,6\n")
    assert read_dataset(triplets, modality="text").refs("text") == ["1 2", "3 4", "5 6"]
    graded = write(tmp_path / "g.tsv", "left_a\tleft_b\tright_a\tscore\n1\t2\t3\t4.5\n")
    assert read_dataset(graded, modality="text").refs("text") == ["1 2", "3"]
    labels = write(tmp_path / "l.csv", "text_a,identity,text_b\n1,x,2\n3,y,\n")
    found = read_dataset(labels, modality="text")
    assert [(e.id, e.identity) for e in found.examples] == [("1 2", "x"), ("3", "y")]
    assert found.examples[0].extra == {"text_a": "1", "text_b": "2"}
    assert read_inputs(labels, modality="text") == ["1 2", "3"]
    assert read_examples(labels, modality="text") == found.examples


def test_objects_of_json_are_records(tmp_path: Path) -> None:
    path = write_json(
        tmp_path / "a.jsonl",
        {"left": {"name": 'say "x"\n', "price": 12.5}, "right": {"name": None, "n": 3}, "same": 1},
        {"left": "plain", "right": {" ": " é ", "price": float("nan")}, "same": False},
    )
    found = read_dataset(path, modality="text")
    assert found.refs("text") == ["3", "plain", 'say "x" 12.5', "é"]
    labels = write_json(tmp_path / "b.jsonl", {"text": {"a": "x", "b": "y"}, "identity": 1})
    assert read_dataset(labels, modality="text").refs("text") == ["x y"]


def test_columns_of_json_are_fields_too(tmp_path: Path) -> None:
    path = write_json(
        tmp_path / "a.jsonl",
        {"left_b": 1, "Left_A": "x", "right_a": "y", "same": 1},
        {"right_a": "z", "left_a": "v", "left_c": None, "same": 0},
    )
    assert read_dataset(path, modality="text").refs("text") == ["1 x", "v", "y", "z"]


def test_fields_keep_their_order(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Left_z,right_a,LEFT_A,right_z,same\n1,2,3,4,1\n")
    assert read_dataset(path, modality="text").refs("text") == ["1 3", "2 4"]


def test_a_text_of_its_own_wins(tmp_path: Path) -> None:
    header = "left,left_name,right_name,same\n"
    path = write(tmp_path / "a.csv", f"{header}whole,part,other,1\n")
    assert read_dataset(path, modality="text").refs("text") == ["other", "whole"]
    path = write(tmp_path / "b.csv", f"{header},part,other,1\n")
    assert "b.csv, row 2: left must be given. Got nothing. Fill it." in refusal(path)
    path = write(tmp_path / "c.csv", "text,text_lang,identity\nhi,en,x\n")
    (example,) = read_dataset(path, modality="text").examples
    assert (example.id, example.extra) == ("hi", {"text_lang": "en"})


@pytest.mark.parametrize(
    "row",
    [
        {"left": {}, "right": "b", "same": 1},
        {"left": {"name": "", "price": None}, "right": "b", "same": 1},
        {"left": {"name": "  "}, "right": {"name": "b"}, "same": 1},
        {"left": None, "right": {"name": "b"}, "same": 1},
    ],
)
def test_a_record_without_a_filled_field_is_an_empty_field(
    row: Mapping[str, Any], tmp_path: Path
) -> None:
    path = write_json(tmp_path / "a.jsonl", {"left": "x", "right": "y", "same": 0}, row)
    found = scan(path, modality="text")
    (problem,) = found.problems
    assert (problem.code, problem.where) == ("empty-field", f"{path}, row 2")
    assert problem.message == "left must be given. Got nothing. Fill it."
    assert len(found.dataset) == 2


def test_empty_records_of_a_csv_are_all_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", TWO_SHOPS + ",,drill,3,1\nsaw,4, ,,0\n")
    found = scan(path, modality="text")
    assert [problem.code for problem in found.problems] == ["empty-field"] * 2
    assert [problem.where for problem in found.problems] == [f"{path}, row {n}" for n in (4, 5)]
    assert found.dataset.pairs is not None
    assert len(found.dataset.pairs) == 2


def test_a_nested_field_costs_its_row(tmp_path: Path) -> None:
    fine = {"left": {"a": "x"}, "right": {"a": "y"}, "same": 1, "tags": [1]}
    path = write_json(
        tmp_path / "a.jsonl",
        {**fine, "left": {"tags": ["new", "used"]}},
        fine,
        {**fine, "right": {"a": {"b": 1}}},
    )
    found = scan(path, modality="text")
    assert [problem.where for problem in found.problems] == [f"{path}, row {n}" for n in (1, 3)]
    assert [problem.code for problem in found.problems] == ["unreadable-row"] * 2
    says = 'tags of left must be a text, a number or null. Got ["new", "used"]. Make it one text.'
    assert found.problems[0].message == says
    assert "a of right must be" in found.problems[1].message
    assert found.dataset.refs("text") == ["x", "y"]


def test_fields_on_one_side_are_not_enough(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "left_name,right,same\nx,y,1\n")
    assert read_dataset(path, modality="text").refs("text") == ["x", "y"]
    path = write(tmp_path / "b.csv", "left_name,left_price,same\nx,1,1\n")
    message = refusal(path)
    assert "must have the columns text, identity; left, right, same" in message
    assert "Add right." in message
    path = write(tmp_path / "c.csv", "leftname,rightname,same\nx,y,1\n")
    assert "Add left, right." in refusal(path)
    path = write(tmp_path / "d.csv", "text_name\nx\n")
    assert "Add identity." in refusal(path)


def test_files_have_no_fields(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", TWO_SHOPS)
    assert "Add left, right." in refusal(path, modality="image")
    path = write_json(tmp_path / "a.jsonl", {"left": {"a": "x"}, "right": "y", "same": 1})
    assert 'left must be a file. Got {"a": "x"}' in refusal(path, modality="image")


def test_a_table_gets_columns_for_the_records_asked_for_alone(tmp_path: Path) -> None:
    table, log = read(write(tmp_path / "a.csv", TWO_SHOPS), "right")
    assert not log.problems
    assert table.columns == {*TWO_SHOPS.splitlines()[0].split(","), "right"}
    assert list(table.rows[0].values.values()) == ["Acme drill 12", "49", "drill acme 12", "50",
                                                   "1", "drill acme 12 50"]  # fmt: skip
    assert read(table.path, "anchor") == read(table.path)


fields = st.lists(st.text("ab é", max_size=4), min_size=1, max_size=4)


@given(rows=st.lists(fields, min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_columns_and_objects_are_the_same_text(
    rows: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    flat = [{f"left_{i}": value for i, value in enumerate(row)} for row in rows]
    nested = [{"left": dict(enumerate(row))} for row in rows]
    (one, _), (other, _) = (
        read(write_json(folder / "r.jsonl", *given), "left") for given in (flat, nested)
    )
    texts = [" ".join(value.strip() for value in row if value.strip()) for row in rows]
    assert [row.values["left"] for row in one.rows] == texts
    assert [row.values["left"] for row in other.rows] == texts
