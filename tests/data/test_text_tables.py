"""Tables whose columns hold the inputs themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from twinlens.data.check import check_data
from twinlens.data.manifest import read_dataset, read_inputs, scan
from twinlens.errors import DataError
from twinlens.registry import Component


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_dataset(path, modality="text")
    return str(caught.value)


def test_a_column_of_texts_and_their_identities(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,identity,lang\nHi  you,hello,en\nGood day,hello,en\n")
    found = read_dataset(path, modality="text")
    assert [e.id for e in found.examples] == ["Good day", "Hi you"]
    assert found.refs("text") == ["Good day", "Hi you"]
    assert found.examples[0].extra == {"lang": "en"}
    assert read_dataset(tmp_path, modality="text") == found


def test_spellings_of_one_text_are_one_example(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "left,right,same\ncafé,tea,0\ncafe\u0301,cocoa,0\n")
    found = read_dataset(path, modality="text")
    assert len(found) == 3
    assert found.pairs is not None
    assert len(set(found.pairs.left.tolist())) == 1


def test_texts_need_not_be_files_and_may_look_like_paths(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "left,right,same\n../a/./b,a//b,0\n")
    assert read_dataset(path, modality="text").refs("text") == ["../a/./b", "a//b"]


def test_json_holds_any_text(tmp_path: Path) -> None:
    long = "word " * 50_000
    rows = [{"left": long, "right": 'say "x",\ny', "same": True}]
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    assert read_dataset(path, modality="text").refs("text") == ['say "x", y', long.strip()]


def test_graded_pairs(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "left,right,score\na,b,5\nc,d,4\ne,f,2.5\ng,h,0\n")
    pairs = read_dataset(path, modality="text").pairs
    assert pairs is not None
    assert pairs.grade is not None
    np.testing.assert_allclose(pairs.grade, [1, 0.8, 0.5, 0])
    assert pairs.same.tolist() == [True, True, False, False]
    assert pairs.chosen(np.array([2])).grade == pytest.approx([0.5])


def test_a_graded_pair_of_one_text_is_left_out_and_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "left,right,score\na,b,5\nc, c,5\nd,e,1\n")
    found = scan(path, modality="text")
    (problem,) = found.problems
    assert (problem.severity, problem.code) == ("warning", "self-pair")
    assert problem.where == f"{path}, row 3"
    assert found.dataset.refs("text") == ["a", "b", "d", "e"]
    assert len(read_dataset(path, modality="text")) == 4
    path = write(tmp_path / "b.csv", "left,right,score\na,a,5\n")
    assert "must have pairs of two examples. Got none" in refusal(path)


def test_the_grades_of_a_repeated_pair_are_averaged(tmp_path: Path) -> None:
    rows = "a,b,4.2\nc,d,1\nb,a,3\na,b,4.2\nc,d,1\n"
    path = write(tmp_path / "a.csv", f"left,right,score\n{rows}")
    found = scan(path, modality="text")
    assert [problem.severity for problem in found.problems] == ["warning"] * 3
    assert [p.where.rpartition(" ")[2] for p in found.problems] == ["4", "5", "6"]
    assert "must have one grade. Got 3, but 4.2 in row 2" in found.problems[0].message
    assert found.problems[0].training == "The mean of its grades is taken."
    pairs = read_dataset(path, modality="text").pairs
    assert pairs is not None
    assert pairs.grade == pytest.approx([11.4 / 15, 0.2])
    assert pairs.same.tolist() == [False, False]


def test_a_label_may_be_written_with_decimals(tmp_path: Path) -> None:
    rows = "a,b,1.0\nc,d,0.0\ne,f,1.\ng,h,0.000\n"
    pairs = read_dataset(
        write(tmp_path / "a.csv", f"left,right,same\n{rows}"), modality="text"
    ).pairs
    assert pairs is not None
    assert pairs.same.tolist() == [True, False, True, False]
    path = write(tmp_path / "a.jsonl", '{"left": "a", "right": "b", "same": 1.0}')
    assert read_dataset(path, modality="text").pairs.same.tolist() == [True]  # type: ignore[union-attr]


def test_a_score_beside_a_label_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "left,right,same,score\na,b,1,2\nc,d,0,5\n")
    found = scan(path, modality="text")
    assert found.dataset.pairs is not None
    assert found.dataset.pairs.same.tolist() == [True, False]
    (problem,) = found.problems
    assert (problem.severity, problem.code, problem.where) == ("note", "unused-column", str(path))
    assert problem.training == "score is not read."


def test_a_subset_keeps_its_grades(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "left,right,score\na,b,5\nc,d,1\n")
    part = read_dataset(path, modality="text").subset(np.array([2, 3])).pairs
    assert part is not None
    assert part.grade == pytest.approx([0.2])


@pytest.mark.parametrize(
    ("header", "row", "says"),
    [
        ("left,right,same", "a,  ,1", "right must be given"),
        ("left,right,same", "a,A\0b,1", "right: A text must not hold the character NUL"),
        ("left,right,same", "a,b,2", "same must be one of"),
        ("left,right,same", "a,b,0.99999999999999999999", "same must be one of"),
        ("left,right,same", "a,\u200b\u2060,1", "right: A text must not be empty"),
        ("left,right,same", "1,0,a", "same must be one of"),  # columns swapped
        ("left,right,same", "a, a,1", "a pair must be of two examples"),
        ("left,right,same", "y,x,0", "one label. Got different, but same in row 2"),
        ("left,right,score", "a,b,6", "score must be a number from 0 to 5. Got '6'"),
        ("left,right,score", "a,b,nan", "score must be a number from 0 to 5"),
        ("text,identity", "x,2", "x must have one identity"),
        ("anchor,positive,negative", "a,b,b", "three examples"),
    ],
)
def test_a_bad_row_is_named(header: str, row: str, says: str, tmp_path: Path) -> None:
    first = {"same": "x,y,1", "score": "x,y,4", "identity": "x,1"}.get(
        header.rpartition(",")[2], "x,y,z"
    )
    path = write(tmp_path / "a.csv", f"{header}\n{first}\n{row}\n")
    message = refusal(path)
    assert f"{path}, row 3: " in message
    assert says in message


def test_long_texts_are_cut_in_messages(tmp_path: Path) -> None:
    long = "word " * 2000
    path = write(tmp_path / "a.csv", f"left,right,same\n{long},{long},1\n")
    assert len(refusal(path)) < 400


def test_bytes_that_are_not_utf8_are_named_by_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"left,right,same\na,b,1\ncaf\xe9,c,0\n")
    assert "Got other bytes in row 3" in refusal(path)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "path,identity\na.txt,1\n")
    message = refusal(path)
    assert "text, identity; left, right, same; left, right, score" in message
    assert "Add text" in message


def test_a_folder_of_texts_must_hold_a_table(tmp_path: Path) -> None:
    (tmp_path / "greeting").mkdir()
    write(tmp_path / "greeting" / "a.txt", "hello")
    assert "must hold one CSV or JSONL file" in refusal(tmp_path)


def test_only_the_ends_of_lines_end_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("one\u2028two\n\fthree\x85\r\nfour\x1c\vfive\rsix\n\f\n".encode())
    assert read_inputs(path, modality="text") == [
        "one\u2028two", "\fthree\x85", "four\x1c\vfive", "six",
    ]  # fmt: skip


def test_inputs_are_the_lines_of_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "\ufeffone two\n\n  three\n")
    assert read_inputs(path, modality="text") == ["one two", "  three"]
    for name, data in (("b.txt", b"\n \n"), ("c.txt", b"\xff\n")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=name):
            read_inputs(tmp_path / name, modality="text")
    with pytest.raises(DataError, match=r"none\.txt"):
        read_inputs(tmp_path / "none.txt", modality="text")


def test_check_data_looks_at_texts(tmp_path: Path) -> None:
    rows = [f"what is {i},what is {i}?,1\nwho is {i},where is {i},0" for i in range(20)]
    path = write(tmp_path / "a.csv", "left,right,same\n" + "\n".join(rows))
    modality = Component("text", {"max_tokens": 4, "level": "word"})
    report = check_data(path, modality=modality)
    assert report.can_train, report.problems
    assert report.examples == 80
    assert set(report.properties["length"]) == {"whole"}
    modality = Component("text", {"max_tokens": 3, "level": "word"})
    assert set(check_data(path, modality=modality).properties["length"]) == {"whole", "cut"}


def test_scan_names_all_bad_rows_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "left,right,same\na\0,b,1\nc,d\0,1\ne,f,1\n")
    found = scan(path, modality="text")
    assert [problem.code for problem in found.problems] == ["unusable-value"] * 2
    assert len(found.dataset) == 2
