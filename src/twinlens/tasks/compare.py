"""Two inputs, or a file of pairs -> scores, probabilities and decisions."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twinlens.atomic import new_file
from twinlens.bundle import Bundle, Input
from twinlens.calibration import Question, not_calibrated
from twinlens.data.cache import Progress
from twinlens.data.problems import ProblemLog
from twinlens.data.tables import Table, read_table
from twinlens.errors import DataError
from twinlens.modalities.base import Modality
from twinlens.types import FloatArray, IntArray

CHUNK = 8192
"""Pairs scored and written at once."""
_COLUMNS = ("left", "right")
_ADDED = ("score", "probability", "decision")


def compare(
    bundle: Bundle, a: Input, b: Input, *, question: Question | None = None
) -> dict[str, Any]:
    """Compare two inputs. -> score, decision and its grounds, fingerprint; plain data.

    A model that is not calibrated gives the score, and `not_calibrated` says why.

    Raises:
        DataError: an input cannot be read; names the file.
        ConfigError: no such rate was promised.
    """
    score = bundle.score(a, b)
    facts = {"score": score, "model": bundle.fingerprint}
    if bundle.calibration is None:
        return {**facts, "not_calibrated": not_calibrated(bundle.evidence)}
    decision = bundle.calibration.decide(score, question)
    return {**facts, **dataclasses.asdict(decision), "decision": decision.word}


def compare_file(
    bundle: Bundle,
    pairs: Path,
    out: Path,
    *,
    question: Question | None = None,
    progress: Progress | None = None,
) -> int:
    """Score every pair of a table and write its rows with more columns.

    These are "score" and, of a calibrated model, "probability" and "decision". Each input is
    embedded once, however many pairs it is in.

    Args:
        bundle: the model.
        pairs: CSV, TSV or JSONL with the columns left and right; paths are relative to it, values
            (as texts) stand in the columns themselves, or as fields of a record in left_NAME and
            right_NAME; left and right are written too, then.
        out: CSV to write; appears whole or not at all.
        question: how to decide.
        progress: told of (inputs embedded, inputs).

    Returns:
        How many pairs were scored.

    Raises:
        DataError: columns or files are missing, or inputs cannot be read; names them by row.
        WriteError: `out` cannot be written.
    """
    log = ProblemLog()
    modality = bundle.siamese.modality
    table = read_table(pairs, log, records=_COLUMNS if modality.by_value else ())
    if not table.rows:
        log.refuse(str(pairs))  # without a row nothing can be said of its columns
    _require_columns(table)
    places, sides = _inputs(table, modality, log)
    log.refuse(str(pairs))
    if not table.rows:
        raise DataError(f"{pairs} must have rows. Got none below the header. Add pairs.")
    embeddings = bundle.measured(bundle.embed(places, progress=progress))
    names = list(dict.fromkeys(name for row in table.rows for name in row.values))
    added = _ADDED[:1] if bundle.calibration is None else _ADDED
    with new_file(out) as binary:
        text = io.TextIOWrapper(binary, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text)
        writer.writerow([*names, *added])
        answers = _answered(bundle, embeddings, sides, question)
        for row, answer in zip(table.rows, answers, strict=True):
            writer.writerow([*(row.values.get(name, "") for name in names), *answer])
        text.detach()
    return len(table.rows)


def _require_columns(table: Table) -> None:
    missing = [column for column in _COLUMNS if column not in table.columns]
    if missing:
        raise DataError(
            f"{table.path} must have the columns left and right. Got "
            f"{', '.join(sorted(table.columns)) or 'none'}. Add {', '.join(missing)}."
        )
    if taken := sorted(table.columns & set(_ADDED)):
        raise DataError(
            f"{table.path} must have no column {' or '.join(_ADDED)}, which are added. Got "
            f"{', '.join(taken)}. Rename or remove it."
        )


def _inputs(table: Table, modality: Modality, log: ProblemLog) -> tuple[Sequence[str], IntArray]:
    """The distinct inputs of a table, and which of them each row compares, [rows, 2].

    Rows that lack one, or name one that cannot be used, are logged.
    """
    places: dict[str, int] = {}
    sides = np.zeros((len(table.rows), 2), np.int64)
    for number, row in enumerate(table.rows):
        for side, column in enumerate(_COLUMNS):
            given = row.values.get(column, "")
            ref = given if modality.by_value else str(table.path.parent / given)
            if not given:
                message = f"{column} must be given. Got nothing. Fill it."
                log.error("empty-field", table.place(row), message)
            elif ref not in places and (problem := _problem(given, ref, table, modality)):
                log.error("unusable-input", table.place(row), f"{column} {problem}")
            sides[number, side] = places.setdefault(ref, len(places))
    return list(places), sides


def _problem(given: str, ref: str, table: Table, modality: Modality) -> str:
    """What is wrong with an input; "" if nothing is."""
    if modality.by_value:
        try:
            modality.canonical(ref)
        except DataError as error:
            return f"must be usable. {error}"
        return ""
    if Path(ref).is_file():
        return ""
    return (
        f"must be a file. Got {given}, which is none. Correct it; paths are relative to "
        f"{table.path.parent}."
    )


def _answered(
    bundle: Bundle, embeddings: FloatArray, sides: IntArray, question: Question | None
) -> Iterator[tuple[str, ...]]:
    """What is added to each row."""
    for start in range(0, len(sides), CHUNK):
        left, right = sides[start : start + CHUNK].T
        scores = bundle.scorer.score(embeddings[left], embeddings[right])
        told = [f"{score:.6g}" for score in scores]
        if bundle.calibration is None:
            yield from ((score,) for score in told)
            continue
        found = bundle.calibration.answers(scores, question)
        probabilities = [f"{p:.6g}" for p in found.probability]
        yield from zip(told, probabilities, found.words(), strict=True)
