"""CSV and JSONL files -> rows of text, with every unreadable row named."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from twinlens.data.problems import ProblemLog
from twinlens.errors import DataError, shortened
from twinlens.modalities.tokens import MOST_CHARACTERS

SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson"})
_TAB = "\t"
_CELL = re.compile(r'(?:"[^"]*+(?:""[^"]*+)*+"|[^"\t\n]*+)(\t|\n|\Z)')
"""A field between tabs, as spreadsheets write it: with quotes around it, or without any."""


_TRUTH = {
    **dict.fromkeys(("1", "true", "yes"), True),
    **dict.fromkeys(("0", "false", "no"), False),
}
TRUTHS = ", ".join(_TRUTH)
"""What yes and no are written as, for messages."""
_WHOLE = re.compile(r"([01])\.0*")


def truth(text: str) -> bool | None:
    """The yes or no that a text means; None where it means neither.

    A 1 or 0 may be written with decimals that are all 0, as where a column had gaps.

    >>> truth("Yes"), truth("0.0"), truth("0.5")
    (True, False, None)
    """
    whole = _WHOLE.fullmatch(text)
    return _TRUTH.get(whole[1] if whole else text.lower())


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        number: of the line it starts on, from 1, as an editor or spreadsheet shows it.
        values: column -> text, without surrounding space; "" where nothing is given.
    """

    number: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with at least these columns."""

    path: Path
    columns: frozenset[str]
    rows: tuple[Row, ...]

    def place(self, row: Row) -> str:
        """File and row, for messages."""
        return f"{self.path}, row {row.number}"


def read_table(path: Path, log: ProblemLog, *, records: Collection[str] = ()) -> Table:
    """Read a CSV (comma, semicolon or tab, with or without a byte order mark) or a JSONL file.

    Rows that cannot be read are logged and left out.

    Quotes enclose fields, as spreadsheets write them. In a file with tabs they do so only if every
    quote encloses a whole field or is doubled inside of one, and none that spans lines spans whole
    rows; else quotes are plain characters in all of the file, as corpora are distributed: then
    each line is a row, and must have all fields.

    Args:
        path: of the file.
        log: takes what is wrong with rows.
        records: columns that may be given as the fields of a record: "left" as the columns
            left_name, left_price, or in JSON as an object. They hold its filled fields, in the
            order in which they are given, joined by a space.

    Raises:
        DataError: the file cannot be opened, is not UTF-8, or is empty.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} must be a readable file. Got: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        row = path.read_bytes()[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path} must be UTF-8 text. Got other bytes in row {row}. Save it as UTF-8."
        ) from error
    if not text.strip():
        raise DataError(f"{path} must have rows. Got an empty file. Fill it.")
    lines = list(io.StringIO(text))
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        rows = tuple(_json_rows(path, lines, records, log))
        table = Table(path, frozenset(key for row in rows for key in row.values), rows)
    else:
        table = _csv_table(path, lines, log)
    return _with_records(table, records)


def _with_records(table: Table, records: Collection[str]) -> Table:
    """The table with one more column for each record that is given by its fields alone."""
    fields = {
        record: {column for column in table.columns if column.startswith(f"{record}_")}
        for record in records
        if record not in table.columns
    }
    found = {record: columns for record, columns in fields.items() if columns}
    if not found:
        return table
    rows: list[Row] = []
    for row in table.rows:
        texts = {
            record: _joined(value for column, value in row.values.items() if column in columns)
            for record, columns in found.items()
        }
        rows.append(Row(row.number, {**row.values, **texts}))
    return Table(table.path, table.columns | found.keys(), tuple(rows))


def _joined(values: Iterable[str]) -> str:
    """The text of a record's fields, without their names: all records have those."""
    return " ".join(value for value in values if value)


def _csv_table(path: Path, lines: list[str], log: ProblemLog) -> Table:
    known = len(log.problems)
    first = next((line for line in lines if line.strip()), "")
    delimiter = _delimiter(first)
    plain = _plain_quote(lines, first.count(_TAB)) if delimiter == _TAB else None
    if plain is not None:
        log.note(
            "plain-quotes",
            f"{path}, row {plain}",
            "quotes do not enclose fields as spreadsheets write them.",
            training="All quotes of the file are read as plain characters.",
        )
    quoting = csv.QUOTE_MINIMAL if plain is None else csv.QUOTE_NONE
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True)
    records = _csv_records(path, reader, log)
    names = next((cells for _, cells in records if any(map(str.strip, cells))), [])
    if len(log.problems) > known:
        log.refuse(str(path))  # without its header no row can be read
    header = [name.strip().lower() for name in names]
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise DataError(
            f"{path} must name each column once. Got {', '.join(map(repr, repeated))} "
            "more than once. Rename or remove one."
        )
    rows: list[Row] = []
    for number, cells in records:
        if any(cell.strip() for cell in cells):
            rows += _csv_row(path, header, number, cells, log, whole=plain is not None)
    return Table(path, frozenset(header), tuple(rows))


def _plain_quote(lines: Iterable[str], tabs: int) -> int | None:
    """The first row of a file with tabs that shows that its quotes are plain characters, if any.

    Args:
        lines: of the file.
        tabs: between the columns.
    """
    text = "".join(lines)
    if '"' not in text:
        return None
    place = start = 0
    number = 1
    while place < len(text):
        cell = _CELL.match(text, place)
        if cell is None:
            return number
        place = cell.end()
        if cell[1] == _TAB:
            continue
        record = text[start:place].removesuffix("\n").split("\n")
        if len(record) > 1 and all(line.count(_TAB) == tabs for line in record):
            return number  # two quotes of as many rows, more likely than one field
        start = place
        number += len(record)
    return None


def _csv_records(path: Path, reader: Any, log: ProblemLog) -> Iterator[tuple[int, list[str]]]:
    """The fields of each row that can be read, with the number of the line it starts on."""
    csv.field_size_limit(max(csv.field_size_limit(), MOST_CHARACTERS))  # one for all readers
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            log.error(
                "unreadable-row",
                f"{path}, row {number}",
                f"a row must be well-formed CSV. Got: {error}. Correct its quotes"
                f"{' or shorten the field' if 'limit' in str(error) else ''}.",
            )
            continue
        if cells is None:
            return
        yield number, cells


def _csv_row(
    path: Path, header: list[str], number: int, cells: list[str], log: ProblemLog, *, whole: bool
) -> list[Row]:
    """The row of these fields, if there are not too many; nor too few, where it must be whole."""
    if len(cells) > len(header) or (whole and len(cells) < len(header)):
        advice = (
            "The quotes of this file are plain characters: put all fields on one line."
            if whole
            else "Quote fields that hold the separator."
        )
        log.error(
            "unreadable-row",
            f"{path}, row {number}",
            f"a row must have {len(header)} fields. Got {len(cells)}. {advice}",
        )
        return []
    padded = cells + [""] * (len(header) - len(cells))
    values = {name: cell.strip() for name, cell in zip(header, padded, strict=True)}
    return [Row(number, values)]


def _json_rows(
    path: Path, lines: Iterable[str], records: Collection[str], log: ProblemLog
) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}, row {number}"
        try:
            parsed: Any = json.loads(line)
        except ValueError as error:
            log.error("unreadable-row", where, f"a row must be JSON. Got: {error}. Correct it.")
            continue
        if not isinstance(parsed, dict):
            log.error("unreadable-row", where, f"a row must be a JSON object. Got {line.strip()}.")
            continue
        given = {k.strip().lower(): v for k, v in cast(dict[str, Any], parsed).items()}
        try:
            values = {k: _record(k, v) if k in records else _text(v) for k, v in given.items()}
        except DataError as error:
            log.error("unreadable-row", where, str(error))
            continue
        yield Row(number, values)


def _record(column: str, value: Any) -> str:
    """The text of a record, which is one already or an object of fields.

    Raises:
        DataError: a field is not one value.
    """
    if not isinstance(value, dict):
        return _text(value)
    fields = cast(dict[str, Any], value)
    for name, field in fields.items():
        if isinstance(field, dict | list):
            raise DataError(
                f"{name} of {column} must be a text, a number or null. Got "
                f"{shortened(json.dumps(field))}. Make it one text."
            )
    return _joined(map(_text, fields.values()))


def _text(value: Any) -> str:
    if value is None or value != value:  # NaN stands for what is missing where pandas wrote it
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value)


def _delimiter(header: str) -> str:
    """The separator that the header shows; spreadsheets of some countries write semicolons."""
    return max(",;\t", key=header.count)
