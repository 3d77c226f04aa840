"""CSV and JSONL files -> rows of text, with every unreadable row named."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from twinlens.data.problems import ProblemLog
from twinlens.errors import DataError

SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson"})


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


def read_table(path: Path, log: ProblemLog) -> Table:
    """Read a CSV (comma, semicolon or tab, with or without a byte order mark) or a JSONL file.

    Rows that cannot be read are logged and left out.

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
        rows = tuple(_json_rows(path, lines, log))
        return Table(path, frozenset(key for row in rows for key in row.values), rows)
    return _csv_table(path, lines, log)


def _csv_table(path: Path, lines: list[str], log: ProblemLog) -> Table:
    known = len(log.problems)
    records = _csv_records(path, lines, log)
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
            rows += _csv_row(path, header, number, cells, log)
    return Table(path, frozenset(header), tuple(rows))


def _csv_records(path: Path, lines: list[str], log: ProblemLog) -> Iterator[tuple[int, list[str]]]:
    """The fields of each row that can be read, with the number of the line it starts on."""
    header = next((line for line in lines if line.strip()), "")
    reader = csv.reader(lines, delimiter=_delimiter(header), strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            log.error(
                "unreadable-row",
                f"{path}, row {number}",
                f"a row must be well-formed CSV. Got: {error}. Correct its quotes.",
            )
            continue
        if cells is None:
            return
        yield number, cells


def _csv_row(
    path: Path, header: list[str], number: int, cells: list[str], log: ProblemLog
) -> list[Row]:
    if len(cells) > len(header):
        log.error(
            "unreadable-row",
            f"{path}, row {number}",
            f"a row must have {len(header)} fields. Got {len(cells)}. "
            "Quote fields that hold the separator.",
        )
        return []
    padded = cells + [""] * (len(header) - len(cells))
    values = {name: cell.strip() for name, cell in zip(header, padded, strict=True)}
    return [Row(number, values)]


def _json_rows(path: Path, lines: Iterable[str], log: ProblemLog) -> Iterator[Row]:
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
        items = cast(dict[str, Any], parsed).items()
        yield Row(number, {key.strip().lower(): _text(value) for key, value in items})


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value)


def _delimiter(header: str) -> str:
    """The separator that the header shows; spreadsheets of some countries write semicolons."""
    return max(",;\t", key=header.count)
