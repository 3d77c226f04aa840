"""Rows of text out of CSV and JSONL; what they mean is in `test_relations`."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from twinlens.data.problems import ProblemLog
from twinlens.data.tables import Table, read_table
from twinlens.errors import DataError
from twinlens.modalities.tokens import MOST_CHARACTERS


def read(path: Path, content: str | bytes, name: str = "t.csv") -> tuple[Table, ProblemLog]:
    log, file = ProblemLog(), path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(file, log), log


def test_rows_are_numbered_as_an_editor_does(tmp_path: Path) -> None:
    table, log = read(tmp_path, 'A, b\n1,2\n\n"x\ny",4\n5,6\n')
    assert table.columns == {"a", "b"}
    assert [(row.number, dict(row.values)) for row in table.rows] == [
        (2, {"a": "1", "b": "2"}),
        (4, {"a": "x\ny", "b": "4"}),
        (6, {"a": "5", "b": "6"}),
    ]
    assert table.place(table.rows[1]) == f"{tmp_path / 't.csv'}, row 4"
    assert not log.problems


@pytest.mark.parametrize("start", ["\n\n", " \n", ",\n"])
def test_blank_lines_before_the_header_are_nothing(start: str, tmp_path: Path) -> None:
    table, log = read(tmp_path, f"{start}a;b\n1;2\n".replace(",", ";"))
    assert table.columns == {"a", "b"} and len(table.rows) == 1
    assert not log.problems


def test_a_broken_header_is_named_and_no_row_taken_for_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.csv, row 1: a row must be well-formed CSV"):
        read(tmp_path, '"path"x,identity\na.png,cat\n')


def test_short_rows_are_filled_and_long_ones_named(tmp_path: Path) -> None:
    table, log = read(tmp_path, "a,b\n1\n1,2,3\n")
    assert [dict(row.values) for row in table.rows] == [{"a": "1", "b": ""}]
    (problem,) = log.problems
    assert problem.where.endswith("row 3") and "2 fields. Got 3" in problem.message


@pytest.mark.parametrize(
    "content", ["a,b\n1,\x002\n3,4\n", "a,b\n" + "x" * 1_200_000 + ",1\n3,4\n"]
)
def test_what_a_csv_cannot_hold_costs_one_row(content: str, tmp_path: Path) -> None:
    table, log = read(tmp_path, content)
    assert [dict(row.values) for row in table.rows][-1] == {"a": "3", "b": "4"}
    assert len(table.rows) + len(log.problems) == 2


def test_a_field_may_hold_the_longest_text(tmp_path: Path) -> None:
    content = f"a,b\n{'x' * MOST_CHARACTERS},1\n{'y' * (MOST_CHARACTERS + 1)},2\n"
    table, log = read(tmp_path, content)
    assert [len(row.values["a"]) for row in table.rows] == [MOST_CHARACTERS]
    (problem,) = log.problems
    assert "row 3" in problem.where and "or shorten the field" in problem.message


PLAIN = {
    "in the middle": ['he said "no"\t"Hello."\t1', "a\tb\t0"],
    "opened": ['"Foo said\tb\t1', 'c\td "e"\t0'],
    "closed": ['Foo" said\tb\t1', "c\td\t0"],
    "enclosed but for a mark": ['"Foo", he said\t"b"\t1', "c\td\t0"],
    "opened here and closed three rows on": ['x\t"Foo\t1', "a\tb\t0", "c\td\t1", 'y\te"\t0'],
    "spanning rows by luck": ['"Foo\tb\t1', "c\td\t0", 'bar"\te\t1'],
    "never closed": ["a\tb\t1", '"c\td\t0', "e\tf\t1"],
}


@pytest.mark.parametrize("lines", PLAIN.values(), ids=PLAIN)
def test_quotes_of_a_distributed_corpus_are_plain_characters(
    lines: list[str], tmp_path: Path
) -> None:
    table, log = read(tmp_path, "\n".join(["left\tright\tsame", *lines]), "t.tsv")
    assert ["\t".join(row.values.values()) for row in table.rows] == lines
    assert [row.number for row in table.rows] == list(range(2, len(lines) + 2))
    assert [(p.severity, p.code) for p in log.problems] == [("note", "plain-quotes")]


def test_quotes_of_a_spreadsheet_enclose_fields(tmp_path: Path) -> None:
    rows = [
        ["left", "right", "same"],
        ["one\ttwo", 'say "x"', "1"],
        ["three\nlines\n", '"', "0"],
        ["", "a\tb\nc", '""'],
        ["plain", "it's", "1"],
    ]
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        text = io.StringIO()
        csv.writer(text, delimiter="\t", quoting=quoting).writerows(rows)
        table, log = read(tmp_path, text.getvalue(), "t.tsv")
        assert [list(row.values.values()) for row in table.rows] == [
            [cell.strip() for cell in row] for row in rows[1:]
        ]
        assert [row.number for row in table.rows] == [2, 3, 6, 8]
        assert not log.problems


def test_a_line_of_plain_quotes_must_have_all_fields(tmp_path: Path) -> None:
    content = 'text\tidentity\tnote\na "b" c\tx\t"two\nlines"\tz\ne\tf\tg\n'
    table, log = read(tmp_path, content, "t.tsv")
    assert [row.number for row in table.rows] == [2, 4]
    note, problem = log.problems
    assert note.where.endswith("row 2") and problem.where.endswith("row 3")
    assert "must have 3 fields. Got 2. The quotes of this file are plain" in problem.message


def test_quotes_of_commas_are_still_to_be_corrected(tmp_path: Path) -> None:
    _, log = read(tmp_path, 'a,b\n"x" y,1\n2,3\n')
    assert [problem.code for problem in log.errors()] == ["unreadable-row"]


def test_json_values_become_text(tmp_path: Path) -> None:
    line = '{" Path ": " a ", "identity": 7, "x": null, "y": true, "z": [1, 2]}\n'
    table, log = read(tmp_path, line, "t.jsonl")
    assert dict(table.rows[0].values) == {
        "path": "a", "identity": "7", "x": "", "y": "true", "z": "[1, 2]",
    }  # fmt: skip
    assert not log.problems


def test_bad_json_rows_are_named_and_the_others_kept(tmp_path: Path) -> None:
    table, log = read(tmp_path, '{"a": 1}\n{\n\n[]\n{"b": 2}\n', "t.ndjson")
    assert [row.number for row in table.rows] == [1, 5]
    assert [p.where.rpartition(" ")[2] for p in log.problems] == ["2", "4"]
    assert table.columns == {"a", "b"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "Got an empty file"),
        (b" \n\n", "Got an empty file"),
        (b"a\n\xff\n", "Got other bytes in row 2"),
        (b"a,A \n1,2\n", "Got 'a' more than once"),
    ],
)
def test_a_file_that_is_no_table_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says):
        read(tmp_path, content)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must be a readable file"):
        read_table(tmp_path / "none.csv", ProblemLog())


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8)


@given(
    rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=6), comma=st.sampled_from(",;\t")
)
@settings(max_examples=60, deadline=None)
def test_what_a_spreadsheet_writes_is_read(
    rows: list[tuple[str, str]], comma: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # two lines of a field with the separator may each look like a row where tabs separate
    assume(comma != "\t" or not any("\t" in cell and "\n" in cell for row in rows for cell in row))
    text = io.StringIO()
    csv.writer(text, delimiter=comma, lineterminator="\n").writerows([("a", "b"), *rows])
    table, log = read(tmp_path_factory.getbasetemp(), text.getvalue())
    expected = [{"a": a.strip(), "b": b.strip()} for a, b in rows if a.strip() or b.strip()]
    assert [dict(row.values) for row in table.rows] == expected
    assert not log.problems
