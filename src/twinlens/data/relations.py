"""Rows of a table -> labels, pairs or triplets between examples."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from twinlens.data.dataset import Dataset
from twinlens.data.folder import Grouping
from twinlens.data.problems import ProblemLog
from twinlens.data.tables import Row, Table, read_table
from twinlens.errors import DataError
from twinlens.types import Example, IntArray, Pairs, Triplets

_LABELS = ("path", "identity")
_IMITATES = "imitates"
_PAIRS = ("left", "right", "same")
_TRIPLETS = ("anchor", "positive", "negative")
_SAME = {
    **dict.fromkeys(("1", "true", "yes", "same"), True),
    **dict.fromkeys(("0", "false", "no", "different"), False),
}


def read(path: Path, *, modality: str, group: Grouping, log: ProblemLog) -> Dataset:
    """The data set that a table gives. Its columns decide what it is.

    Raises:
        DataError: columns are missing, or no row is left.
    """
    table = read_table(path, log)
    if not table.rows:
        log.refuse(str(path))
        raise DataError(f"{path} must have rows. Got a header only. Fill it.")
    columns = _kind(table)
    rows = _Rows(table, modality, log)
    if columns is _LABELS:
        return _labels(rows, group)
    return _pairs(rows) if columns is _PAIRS else _triplets(rows)


class _Rows:
    """The rows of a table with what is needed to judge them."""

    def __init__(self, table: Table, modality: str, log: ProblemLog) -> None:
        self.table = table
        self.modality = modality
        self.log = log
        self.base = os.path.abspath(table.path.parent)  # noqa: PTH100 — links stay as they are
        self._exists: dict[str, bool] = {}

    def complete(self, columns: Sequence[str], files: Sequence[str]) -> Iterable[Row]:
        """Rows with every column filled and every file present; the others are logged."""
        for row in self.table.rows:
            empty = [column for column in columns if not row.values.get(column)]
            for column in empty:
                self.error("empty-field", row, f"{column} must be given. Got nothing. Fill it.")
            missing = [c for c in files if c not in empty and not self._present(row.values[c])]
            for column in missing:
                self.error(
                    "missing-file",
                    row,
                    f"{column} must be a file. Got {row.values[column]}, which is none. "
                    f"Correct it; paths are relative to {self.table.path.parent}.",
                )
            if not empty and not missing:
                yield row

    def id(self, row: Row, column: str) -> str:
        """The path as given, without detours: two spellings of one path are one example."""
        return os.path.normpath(row.values[column]).replace(os.sep, "/")

    def example(self, id: str, row: Row, identity: str | None = None) -> Example:
        fields = {self.modality: os.path.join(self.base, id)}  # noqa: PTH118 — may be absolute
        return Example(id, identity, fields=fields, source=self.table.place(row))

    def error(self, code: str, row: Row, message: str) -> None:
        self.log.error(code, self.table.place(row), message)

    def repeated(self, row: Row, first: Row, what: str) -> None:
        self.log.warning(
            "repeated-row",
            self.table.place(row),
            f"{what} must be given once. Got it in row {first.number} too.",
            training="It is taken once.",
        )

    def _present(self, path: str) -> bool:
        if path not in self._exists:
            self._exists[path] = (Path(self.base) / path).is_file()
        return self._exists[path]


def _kind(table: Table) -> tuple[str, ...]:
    for columns in (_LABELS, _PAIRS, _TRIPLETS):
        if table.columns.issuperset(columns):
            return columns
    nearest = max((_LABELS, _PAIRS, _TRIPLETS), key=lambda c: len(table.columns & set(c)))
    missing = [column for column in nearest if column not in table.columns]
    raise DataError(
        f"{table.path} must have the columns {', '.join(_LABELS)}; {', '.join(_PAIRS)}; or "
        f"{', '.join(_TRIPLETS)}. Got {', '.join(sorted(table.columns))}. "
        f"Add {', '.join(missing)}."
    )


def _labels(rows: _Rows, group: Grouping) -> Dataset:
    grouped = group == "auto" and "group" in rows.table.columns
    imitating = _IMITATES in rows.table.columns
    compared = [*_LABELS[1:], *(["group"] if grouped else []), *([_IMITATES] if imitating else [])]
    columns = ["path", *(["group"] if grouped else []), *([] if imitating else ["identity"])]
    examples: dict[str, Example] = {}
    first: dict[str, Row] = {}
    for row in rows.complete(columns, files=("path",)):
        id, identity = rows.id(row, "path"), row.values["identity"]
        if id in first:
            _compare_labels(rows, row, first[id], compared)
            continue
        first[id] = row
        imitates = row.values[_IMITATES] if imitating else ""
        if bool(identity) == bool(imitates):
            given = f"{identity} and {imitates}" if identity else "neither"
            message = f"a row must have an identity or imitate one. Got {given}. Correct it."
            rows.error("no-identity", row, message)
            continue
        example = rows.example(id, row)
        extra = {k: v for k, v in row.values.items() if k not in (*_LABELS, "group", _IMITATES)}
        examples[id] = Example(
            id,
            identity or None,
            group=row.values["group"] if grouped else None,
            fields=example.fields,
            source=example.source,
            extra=extra,
            imitates=imitates or None,
        )
    known = {example.identity for example in examples.values()}
    for example in examples.values():
        if example.imitates is not None and example.imitates not in known:
            rows.error(
                "imitates-nobody",
                first[example.id],
                f"imitates must name an identity that has examples. Got {example.imitates!r}. "
                "Correct it or add genuine examples.",
            )
    ordered = tuple(examples[id] for id in sorted(examples))
    return Dataset(rows.table.path, ordered)


def _compare_labels(rows: _Rows, row: Row, first: Row, columns: Iterable[str]) -> None:
    path = row.values["path"]
    for column in columns:
        if row.values[column] != first.values[column]:
            rows.error(
                "contradiction",
                row,
                f"{path} must have one {column}. Got {row.values[column]!r}, but "
                f"{first.values[column]!r} in row {first.number}. Correct or remove one.",
            )
            return
    rows.repeated(row, first, path)


def _pairs(rows: _Rows) -> Dataset:
    seen: dict[tuple[str, str], tuple[Row, bool]] = {}
    kept: list[tuple[Row, str, str, bool]] = []
    for row in rows.complete(_PAIRS, files=("left", "right")):
        left, right = rows.id(row, "left"), rows.id(row, "right")
        same = _SAME.get(row.values["same"].lower())
        if same is None:
            rows.error(
                "wrong-label",
                row,
                f"same must be one of {', '.join(_SAME)}. Got {row.values['same']!r}. Correct it.",
            )
        elif left == right:
            rows.error(
                "self-pair", row, f"a pair must be of two examples. Got {left} twice. Remove it."
            )
        elif (key := (min(left, right), max(left, right))) in seen:
            first, known = seen[key]
            if known == same:
                rows.repeated(row, first, f"the pair {left}, {right}")
            else:
                rows.error(
                    "contradiction",
                    row,
                    f"the pair {left}, {right} must have one label. Got {_word(same)}, but "
                    f"{_word(known)} in row {first.number}. Correct or remove one.",
                )
        else:
            seen[key] = row, same
            kept.append((row, left, right, same))
    examples, number = _number(rows, [(row, (left, right)) for row, left, right, _ in kept])
    pairs = Pairs(
        number([left for _, left, _, _ in kept]),
        number([right for _, _, right, _ in kept]),
        np.array([same for *_, same in kept], np.bool_),
    )
    return Dataset(rows.table.path, examples, "pairs", pairs=pairs)


def _triplets(rows: _Rows) -> Dataset:
    seen: dict[tuple[str, str, str], Row] = {}
    for row in rows.complete(_TRIPLETS, files=_TRIPLETS):
        anchor, positive, negative = (rows.id(row, column) for column in _TRIPLETS)
        if len({anchor, positive, negative}) < 3:
            rows.error(
                "self-pair",
                row,
                f"a triplet must be of three examples. Got {anchor}, {positive}, {negative}. "
                "Remove it.",
            )
        elif (first := seen.get((anchor, positive, negative))) is not None:
            rows.repeated(row, first, f"the triplet {anchor}, {positive}, {negative}")
        elif (opposite := seen.get((anchor, negative, positive))) is not None:
            rows.error(
                "contradiction",
                row,
                f"{anchor} must be nearer to one of {positive} and {negative}. Got the opposite "
                f"in row {opposite.number}. Correct or remove one.",
            )
        else:
            seen[anchor, positive, negative] = row
    examples, number = _number(rows, [(row, ids) for ids, row in seen.items()])
    columns = [number([ids[place] for ids in seen]) for place in range(3)]
    return Dataset(rows.table.path, examples, "triplets", triplets=Triplets(*columns))


def _number(
    rows: _Rows, kept: Sequence[tuple[Row, tuple[str, ...]]]
) -> tuple[tuple[Example, ...], Callable[[Sequence[str]], IntArray]]:
    """The examples of all kept rows, in order of id, and a function from ids to positions."""
    examples: dict[str, Example] = {}
    for row, ids in kept:
        for id in ids:
            if id not in examples:
                examples[id] = rows.example(id, row)
    ordered = sorted(examples)
    position = {id: i for i, id in enumerate(ordered)}

    def positions(ids: Sequence[str]) -> IntArray:
        return np.array([position[id] for id in ids], np.int64)

    return tuple(examples[id] for id in ordered), positions


def _word(same: bool) -> str:
    return "same" if same else "different"
