"""Two inputs, or a file of pairs -> scores, probabilities and decisions."""

from __future__ import annotations

import csv
import dataclasses
import io
from array import array
from collections.abc import Iterator, MutableSequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from twinlens.atomic import new_file
from twinlens.bundle import Bundle, Input
from twinlens.calibration import Calibration, Costs
from twinlens.data.cache import Progress
from twinlens.data.problems import listed
from twinlens.errors import DataError
from twinlens.modalities.base import Modality
from twinlens.types import Decision, FloatArray

CHUNK = 8192
"""Pairs scored and written at once."""
_COLUMNS = ("left", "right")
_SCORE = "score"
_ADDED = (_SCORE, "probability", "decision")


@dataclass(frozen=True, slots=True)
class Asked:
    """How to decide; see `Calibration.decide`."""

    prior: float | None = None
    fmr: float | None = None
    costs: Costs | None = None

    def of(self, calibration: Calibration, score: float) -> Decision:
        """The decision on a comparison of two."""
        return calibration.decide(score, prior=self.prior, fmr=self.fmr, costs=self.costs)


def compare(bundle: Bundle, a: Input, b: Input, *, asked: Asked) -> dict[str, Any]:
    """Compare two inputs. -> score, decision and its grounds, fingerprint; plain data.

    A model that is not calibrated gives the score, and `not_calibrated` says why.

    Raises:
        DataError: an input cannot be read; names the file.
        ConfigError: no such rate was promised.
    """
    score = bundle.score(a, b)
    facts = {"score": score, "model": bundle.fingerprint}
    if bundle.calibration is None:
        return {**facts, "not_calibrated": bundle.evidence.get("not_calibrated", "no data for it")}
    decision = asked.of(bundle.calibration, score)
    return {**facts, **dataclasses.asdict(decision), "decision": decision.word}


def compare_file(
    bundle: Bundle,
    pairs: Path,
    out: Path,
    *,
    asked: Asked | None = None,
    progress: Progress | None = None,
) -> int:
    """Score every pair of a table and write its rows with more columns.

    These are "score" and, of a calibrated model, "probability" and "decision".

    The table is streamed, once to learn which inputs there are and once to write. Memory: 16 bytes
    a pair, and for each distinct input its path and its embedding.

    Args:
        bundle: the model.
        pairs: CSV or TSV with the columns left and right; paths are relative to it, values (as
            texts) stand in the columns themselves.
        out: CSV to write; appears whole or not at all.
        asked: how to decide.
        progress: told of (inputs embedded, inputs).

    Returns:
        How many pairs were scored.

    Raises:
        DataError: columns or files are missing, or inputs cannot be read; names them by row.
        WriteError: `out` cannot be written.
    """
    known = _Inputs(pairs.parent, bundle.siamese.modality)
    for number, row in _rows(pairs):
        known.add(number, row)
    if known.problems:
        raise DataError(listed([f"{pairs}, {problem}" for problem in known.problems], str(pairs)))
    if not known.left:
        raise DataError(f"{pairs} must have rows. Got none below the header. Add pairs.")
    embeddings = bundle.embed(list(known.places), progress=progress)
    with new_file(out) as binary:
        text = io.TextIOWrapper(binary, encoding="utf-8", newline="", write_through=True)
        _write(text, pairs, known, embeddings, bundle, asked or Asked())
        text.detach()
    return len(known.left)


@dataclass(slots=True)
class _Inputs:
    """The distinct inputs of a table, and which of them each row compares.

    Attributes:
        base: folder that paths are relative to.
        modality: of the inputs.
        places: path or value -> position.
        left, right: position of each row's inputs.
        problems: what is wrong, row by row.
    """

    base: Path
    modality: Modality
    places: dict[str, int] = field(default_factory=dict)
    left: MutableSequence[int] = field(default_factory=lambda: array("q"))
    right: MutableSequence[int] = field(default_factory=lambda: array("q"))
    problems: list[str] = field(default_factory=list)

    def add(self, number: int, row: dict[str, str]) -> None:
        for column, side in zip(_COLUMNS, (self.left, self.right), strict=True):
            name = (row.get(column) or "").strip()
            ref = name if self.modality.by_value else str(self.base / name)
            place = self.places.get(ref)
            if place is None:
                problem = self._problem(name, ref) if name else "must be given. Got nothing."
                if problem:
                    self.problems.append(f"row {number}: {column} {problem}")
                place = self.places.setdefault(ref, len(self.places))
            side.append(place)

    def _problem(self, name: str, ref: str) -> str:
        """What is wrong with an input; "" if nothing is."""
        if self.modality.by_value:
            try:
                self.modality.canonical(ref)
            except DataError as error:
                return f"must be usable. {error}"
            return ""
        if Path(ref).is_file():
            return ""
        return (
            f"must be a file. Got {name}, which is none. "
            f"Correct it; paths are relative to {self.base}."
        )


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(row number as an editor shows it, column -> text), one row at a time."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=max(",;\t", key=header.count), strict=True)
            names = [name.strip().lower() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            missing = [column for column in _COLUMNS if column not in names]
            if missing:
                raise DataError(
                    f"{path} must have the columns left and right. Got {', '.join(names) or 'none'}"
                    f". Add {', '.join(missing)}."
                )
            repeated = sorted({name for name in names if names.count(name) > 1})
            if wrong := repeated or sorted(set(names) & set(_ADDED)):
                raise DataError(
                    f"{path} must name each column once, and none {' or '.join(_ADDED)}, which are "
                    f"added. Got {', '.join(names)}. Rename or remove {', '.join(wrong)}."
                )
            for row in reader:
                if None in row:
                    raise DataError(
                        f"{path}, row {reader.line_num} must have {len(names)} fields. Got more. "
                        "Quote fields that hold the separator."
                    )
                yield reader.line_num, row
    except OSError as error:
        raise DataError(f"{path} must be a readable file. Got: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} must be CSV in UTF-8. Got: {error}. Correct it.") from error


def _write(
    text: io.TextIOWrapper,
    pairs: Path,
    known: _Inputs,
    embeddings: FloatArray,
    bundle: Bundle,
    asked: Asked,
) -> None:
    rows = (row for _, row in _rows(pairs))
    writer: csv.DictWriter[str] | None = None
    for start in range(0, len(known.left), CHUNK):
        left = np.array(known.left[start : start + CHUNK])
        right = np.array(known.right[start : start + CHUNK])
        scores = bundle.siamese.score(embeddings[left], embeddings[right])
        for row, score in zip(islice(rows, len(scores)), scores, strict=True):
            scored = {**row, _SCORE: f"{score:.6g}"}
            if bundle.calibration is not None:
                decision = asked.of(bundle.calibration, float(score))
                scored["probability"] = f"{decision.probability:.6g}"
                scored["decision"] = decision.word
            if writer is None:
                writer = csv.DictWriter(text, list(scored))
                writer.writeheader()
            writer.writerow(scored)
