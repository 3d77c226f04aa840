"""Rows of a table -> labels, pairs or triplets between examples."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twinlens.data.dataset import Dataset
from twinlens.data.folder import Grouping
from twinlens.data.problems import ProblemLog
from twinlens.data.tables import TRUTHS, Row, Table, read_table, truth
from twinlens.errors import DataError, shortened
from twinlens.modalities.base import Modality
from twinlens.registry import lookup
from twinlens.types import Example, IntArray, Pairs, Triplets

_IDENTITY = "identity"
_IMITATES = "imitates"
_SAME_COLUMN, _SCORE = "same", "score"
_PAIRS = ("left", "right", _SAME_COLUMN)
_TRIPLETS = ("anchor", "positive", "negative")
_SAME = {"same": True, "different": False}
"""Words for it, besides those for yes and no."""

_TOP = 5.0
"""Of the score of a graded pair, whose least is 0."""
SAME_FROM = 4.0
"""Score from which a graded pair counts as the same where only that is asked: for probabilities."""


def read(path: Path, *, modality: str, group: Grouping, log: ProblemLog) -> Dataset:
    """The data set that a table gives. Its columns decide what it is.

    Raises:
        DataError: columns are missing, or no row is left.
    """
    cls: type[Modality] = lookup("modality", modality)
    values = (modality, *_PAIRS[:2], *_TRIPLETS) if cls.by_value else ()
    table = read_table(path, log, records=values)
    if not table.rows:
        log.refuse(str(path))
        raise DataError(f"{path} must have rows. Got a header only. Fill it.")
    rows = _Rows(table, modality, log)
    labels = (rows.input, _IDENTITY)
    columns = _kind(table, labels)
    if columns == labels:
        return _labels(rows, group)
    return _pairs(rows) if columns == _PAIRS else _triplets(rows)


class _Rows:
    """The rows of a table with what is needed to judge them.

    Attributes:
        input: the column of the input, where there is one a row: "path", or, of a modality whose
            references are values, its name.
    """

    def __init__(self, table: Table, modality: str, log: ProblemLog) -> None:
        self.table = table
        self.modality = modality
        self.log = log
        self._cls: type[Modality] = lookup("modality", modality)
        self.by_value = self._cls.by_value
        self.input = modality if self.by_value else "path"
        self.base = os.path.abspath(table.path.parent)  # noqa: PTH100 — links stay as they are
        self._exists: dict[str, bool] = {}

    def complete(self, columns: Sequence[str], inputs: Sequence[str]) -> Iterable[Row]:
        """Rows with every column filled and every input usable; the others are logged."""
        for row in self.table.rows:
            empty = [column for column in columns if not row.values.get(column)]
            for column in empty:
                self.error("empty-field", row, f"{column} must be given. Got nothing. Fill it.")
            usable = [self._is_usable(row, column) for column in inputs if column not in empty]
            if not empty and all(usable):
                yield row

    def _is_usable(self, row: Row, column: str) -> bool:
        """Whether a column holds a value, or the path of a file; logged if not."""
        given = row.values[column]
        if self.by_value:
            try:
                self._cls.canonical(given)
            except DataError as error:
                self.error("unusable-value", row, f"{column}: {error}")
                return False
            return True
        if self._present(given):
            return True
        self.error(
            "missing-file",
            row,
            f"{column} must be a file. Got {given}, which is none. "
            f"Correct it; paths are relative to {self.table.path.parent}.",
        )
        return False

    def id(self, row: Row, column: str) -> str:
        """The reference as given, spelt the one way: two spellings of one are one example."""
        return self._cls.canonical(row.values[column])

    def example(self, id: str, row: Row, identity: str | None = None) -> Example:
        ref = id if self.by_value else os.path.join(self.base, id)  # noqa: PTH118
        return Example(id, identity, fields={self.modality: ref}, source=self.table.place(row))

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


def _kind(table: Table, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Which of the kinds of columns a table has."""
    for columns in (labels, _PAIRS, _TRIPLETS):
        if table.columns.issuperset(columns):
            return columns
    graded = _SCORE in table.columns and _SAME_COLUMN not in table.columns
    if graded and table.columns.issuperset(_PAIRS[:2]):
        return _PAIRS
    nearest = max((labels, _PAIRS, _TRIPLETS), key=lambda c: len(table.columns & set(c)))
    missing = [column for column in nearest if column not in table.columns]
    raise DataError(
        f"{table.path} must have the columns {', '.join(labels)}; {', '.join(_PAIRS)}; "
        f"left, right, {_SCORE}; or {', '.join(_TRIPLETS)}. "
        f"Got {', '.join(sorted(table.columns))}. Add {', '.join(missing)}."
    )


def _labels(rows: _Rows, group: Grouping) -> Dataset:
    grouped = group == "auto" and "group" in rows.table.columns
    imitating = _IMITATES in rows.table.columns
    compared = [_IDENTITY, *(["group"] if grouped else []), *([_IMITATES] if imitating else [])]
    columns = [rows.input, *(["group"] if grouped else []), *([] if imitating else ["identity"])]
    examples: dict[str, Example] = {}
    first: dict[str, Row] = {}
    for row in rows.complete(columns, inputs=(rows.input,)):
        id, identity = rows.id(row, rows.input), row.values[_IDENTITY]
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
        named = (rows.input, _IDENTITY, "group", _IMITATES)
        extra = {k: v for k, v in row.values.items() if k not in named}
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
    path = shortened(row.values[rows.input])
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
    """Pairs that are the same or different, or graded by a score from 0 to 5."""
    graded = _SAME_COLUMN not in rows.table.columns
    column, read = (_SCORE, _grade) if graded else (_SAME_COLUMN, _same)
    if not graded and _SCORE in rows.table.columns:
        rows.log.note(
            "unused-column",
            str(rows.table.path),
            f"a table must label pairs by one of {_SAME_COLUMN} and {_SCORE}. Got both.",
            training=f"{_SCORE} is not read.",
        )
    kept: dict[tuple[str, str], _Pair] = {}
    for row in rows.complete(("left", "right", column), inputs=("left", "right")):
        left, right = rows.id(row, "left"), rows.id(row, "right")
        key = min(left, right), max(left, right)
        label = read(row.values[column])
        if label is None:
            how = (
                f"a number from 0 to {_TOP:g}" if graded else f"one of {TRUTHS}, {', '.join(_SAME)}"
            )
            message = f"{column} must be {how}. Got {row.values[column]!r}. Correct it."
            rows.error("wrong-label", row, message)
        elif left == right:
            _self_pair(rows, row, left, graded=graded)
        elif (first := kept.get(key)) is not None:
            _repeated_pair(rows, row, first, label, graded=graded)
            first.labels.append(label)
        else:
            kept[key] = _Pair(row, left, right, [label])
    pairs = list(kept.values())
    if not pairs and not rows.log.errors():
        raise DataError(f"{rows.table.path} must have pairs of two examples. Got none. Add some.")
    examples, number = _number(rows, [(pair.row, (pair.left, pair.right)) for pair in pairs])
    labels = np.array([np.mean(pair.labels) for pair in pairs], np.float64)
    return Dataset(
        rows.table.path,
        examples,
        "pairs",
        pairs=Pairs(
            number([pair.left for pair in pairs]),
            number([pair.right for pair in pairs]),
            labels >= SAME_FROM if graded else labels > 0,
            labels / _TOP if graded else None,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Pair:
    """A pair, the row that gives it first, and its label there and in further rows."""

    row: Row
    left: str
    right: str
    labels: list[float]


def _self_pair(rows: _Rows, row: Row, id: str, *, graded: bool) -> None:
    """Log a pair of an example with itself; graded corpora have some, which tell nothing."""
    message = f"a pair must be of two examples. Got {shortened(id)} twice. Remove it."
    if graded:
        where = rows.table.place(row)
        rows.log.warning("self-pair", where, message, training="It is left out.")
    else:
        rows.error("self-pair", row, message)


def _repeated_pair(rows: _Rows, row: Row, first: _Pair, label: float, *, graded: bool) -> None:
    """Log a pair that was given before, with the same label or another."""
    known = first.labels[0]
    names = f"the pair {shortened(row.values['left'])}, {shortened(row.values['right'])}"
    if known == label:
        rows.repeated(row, first.row, names)
    elif graded:
        rows.log.warning(
            "repeated-row",
            rows.table.place(row),
            f"{names} must have one grade. Got {label:g}, but {known:g} in row "
            f"{first.row.number}. Correct or remove one.",
            training="The mean of its grades is taken.",
        )
    else:
        rows.error(
            "contradiction",
            row,
            f"{names} must have one label. Got {_word(label)}, but {_word(known)} in row "
            f"{first.row.number}. Correct or remove one.",
        )


def _same(text: str) -> float | None:
    known = _SAME.get(text.lower(), truth(text))
    return None if known is None else float(known)


def _word(same: float) -> str:
    return "same" if same else "different"


def _grade(text: str) -> float | None:
    try:
        grade = float(text)
    except ValueError:
        return None
    return grade if 0 <= grade <= _TOP else None


def _triplets(rows: _Rows) -> Dataset:
    seen: dict[tuple[str, str, str], Row] = {}
    for row in rows.complete(_TRIPLETS, inputs=_TRIPLETS):
        anchor, positive, negative = (rows.id(row, column) for column in _TRIPLETS)
        names = ", ".join(map(shortened, (anchor, positive, negative)))
        if len({anchor, positive, negative}) < 3:
            message = f"a triplet must be of three examples. Got {names}. Remove it."
            rows.error("self-pair", row, message)
        elif (first := seen.get((anchor, positive, negative))) is not None:
            rows.repeated(row, first, f"the triplet {names}")
        elif (opposite := seen.get((anchor, negative, positive))) is not None:
            rows.error(
                "contradiction",
                row,
                f"{shortened(anchor)} must be nearer to one of {shortened(positive)} and "
                f"{shortened(negative)}. Got the opposite in row {opposite.number}. Correct or "
                "remove one.",
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
