"""A question and its candidates -> the candidates in order, or that none is good enough."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twinlens.atomic import new_file
from twinlens.bundle import Bundle, Input
from twinlens.calibration import Question, not_calibrated
from twinlens.data.cache import Progress
from twinlens.data.problems import ProblemLog
from twinlens.data.tables import TRUTHS, Row, Table, read_table, truth
from twinlens.errors import DataError, shortened
from twinlens.evaluation.ranking import RankingFigures, evaluate_ranking
from twinlens.gallery import Item
from twinlens.types import Decision, FloatArray

_COLUMNS = ("question", "candidate")
_RIGHT = "right"
_ADDED = ("rank", "score", "probability", "decision")


@dataclass(frozen=True, slots=True)
class Ranked:
    """One candidate in its place.

    Attributes:
        candidate: as it was given.
        place: among the given ones, from 0.
        score: larger = better.
        decision: whether it answers; None where the model is not calibrated.
        item: of the gallery that it was retrieved from; None where it was given.
    """

    candidate: Input
    place: int
    score: float
    decision: Decision | None
    item: Item | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        facts = {"candidate": str(self.candidate), "place": self.place, "score": self.score}
        if self.decision is not None:
            facts |= {"probability": self.decision.probability, "decision": self.decision.word}
        if self.item is not None:
            entry = self.item.entry
            facts |= {
                "id": self.item.id,
                "identity": entry.identity,
                "metadata": {**entry.metadata},
            }
        return facts


@dataclass(frozen=True, slots=True)
class Ranking:
    """The candidates of one question.

    Attributes:
        candidates: the best first; those of equal score in the order in which they were given.
        answered: whether the best one answers: True, False = no candidate is good enough, or None =
            unsure, or not calibrated.
        why: in words.
        model: fingerprint.
    """

    candidates: tuple[Ranked, ...]
    answered: bool | None
    why: str
    model: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "answered": self.answered,
            "why": self.why,
            "model": self.model,
            "candidates": [ranked.to_dict() for ranked in self.candidates],
        }


def rank(
    bundle: Bundle,
    question: Input,
    candidates: Sequence[Input],
    *,
    asked: Question | None = None,
) -> Ranking:
    """Order candidates by how well they go with a question, and say whether the best one answers.

    The answer is the calibrated decision on the best candidate. A promised false match rate is one
    of each comparison: among k wrong candidates a false answer is up to k times as likely.

    Args:
        bundle: the model.
        question: an input.
        candidates: inputs of the same kind; at least one.
        asked: how to decide.

    Raises:
        DataError: there is no candidate, or an input cannot be read.
        ConfigError: no such rate was promised.
    """
    if not candidates:
        raise DataError("A question must have a candidate. Got none. Give one or more.")
    return rank_embedded(bundle, candidates, bundle.embed([question, *candidates]), asked=asked)


def rank_embedded(
    bundle: Bundle,
    candidates: Sequence[Input],
    embeddings: FloatArray,
    *,
    asked: Question | None = None,
) -> Ranking:
    """Rank candidates that are embedded already; see `rank`.

    Args:
        bundle: the model.
        candidates: at least one.
        embeddings: of the question, then of each candidate, [1 + n, dim].
        asked: how to decide.

    Raises:
        ConfigError: no such rate was promised.
    """
    embeddings = bundle.measured(embeddings)
    scores = bundle.scorer.score(np.repeat(embeddings[:1], len(candidates), axis=0), embeddings[1:])
    return _ranking(bundle, candidates, scores, asked)


def _ranking(
    bundle: Bundle, candidates: Sequence[Input], scores: FloatArray, asked: Question | None
) -> Ranking:
    order = np.argsort(-scores, kind="stable")
    calibration = bundle.calibration
    ranked = tuple(
        Ranked(
            candidates[int(place)],
            int(place),
            float(scores[place]),
            None if calibration is None else calibration.decide(float(scores[place]), asked),
        )
        for place in order
    )
    best = ranked[0].decision
    if best is None:
        return Ranking(ranked, None, not_calibrated(bundle.evidence), bundle.fingerprint)
    return Ranking(ranked, best.same, best.why, bundle.fingerprint)


def rank_file(
    bundle: Bundle,
    table: Path,
    out: Path,
    *,
    asked: Question | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[int, RankingFigures | None]:
    """Rank the candidates of every question of a table and write its rows, the best first.

    Rows keep the order of their questions, and get the columns rank, score and, of a calibrated
    model, probability and decision.

    Args:
        bundle: the model.
        table: CSV, TSV or JSONL with the columns question and candidate, and right (1 or 0) where
            that is known. Paths are relative to it; of values, as texts, the fields of a record
            may stand in question_NAME and candidate_NAME.
        out: CSV to write; appears whole or not at all.
        asked: how to decide.
        seed: of the intervals.
        progress: told of (inputs embedded, inputs).

    Returns:
        How many questions there are, and how well they are ranked where the table tells.

    Raises:
        DataError: columns are missing or a row is wrong; names it.
        EvidenceError: the table has the column right, but no right candidate.
        WriteError: `out` cannot be written.
    """
    rows, right = _read(bundle, table)
    question, candidate = (
        [_ref(bundle, table, row, column) for row in rows] for column in _COLUMNS
    )
    place = {ref: i for i, ref in enumerate(dict.fromkeys([*question, *candidate]))}
    embeddings = bundle.measured(bundle.embed(list(place), progress=progress))
    left, other = (np.array([place[ref] for ref in side]) for side in (question, candidate))
    scores = np.concatenate(
        [
            bundle.scorer.score(embeddings[left[i : i + 1024]], embeddings[other[i : i + 1024]])
            for i in range(0, len(rows), 1024)
        ]
    )
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for number, ref in enumerate(question):
        groups[ref].append(number)
    with new_file(out) as binary:
        text = io.TextIOWrapper(binary, encoding="utf-8", newline="", write_through=True)
        names = [*rows[0].values, *(_ADDED if bundle.calibration is not None else _ADDED[:2])]
        writer = csv.DictWriter(text, names, restval="")
        writer.writeheader()
        for numbers in groups.values():
            offered = [candidate[number] for number in numbers]
            found = _ranking(bundle, offered, scores[numbers], asked)
            for position, ranked in enumerate(found.candidates, start=1):
                row = rows[numbers[ranked.place]]
                writer.writerow({**row.values, **_added(position, ranked)})
        text.detach()
    if right is None:
        return len(groups), None
    numbered = np.array([place[ref] for ref in question])
    return len(groups), evaluate_ranking(scores, np.array(right), numbered, seed=seed)


def _added(position: int, ranked: Ranked) -> dict[str, str]:
    added = {"rank": str(position), "score": f"{ranked.score:.6g}"}
    if ranked.decision is not None:
        added["probability"] = f"{ranked.decision.probability:.6g}"
        added["decision"] = ranked.decision.word
    return added


def _ref(bundle: Bundle, table: Path, row: Row, column: str) -> str:
    given = row.values[column]
    by_value = bundle.siamese.modality.by_value
    return bundle.siamese.modality.canonical(given) if by_value else str(table.parent / given)


def _read(bundle: Bundle, path: Path) -> tuple[tuple[Row, ...], list[bool] | None]:
    """The rows of a table of questions, and which candidates are right, if it tells.

    Raises:
        DataError: names every wrong row.
    """
    log = ProblemLog()
    by_value = bundle.siamese.modality.by_value
    table = read_table(path, log, records=_COLUMNS if by_value else ())
    if not table.rows:
        log.refuse(str(path))  # without a row nothing can be said of its columns
    missing = [column for column in _COLUMNS if column not in table.columns]
    if missing or not table.rows:
        found = ", ".join(sorted(table.columns)) or "none"
        raise DataError(
            f"{path} must have rows with the columns question and candidate. Got {found}. "
            f"Add {', '.join(missing) or 'rows'}."
        )
    if wrong := sorted(table.columns & set(_ADDED)):
        raise DataError(
            f"{path} must not have the columns {', '.join(_ADDED)}, which are added. Got "
            f"{', '.join(wrong)}. Rename or remove them."
        )
    right = [_checked(bundle, table, row, log) for row in table.rows]
    log.refuse(str(path))
    _compare_labels(bundle, table, right, log)
    log.refuse(str(path))
    return table.rows, right if _RIGHT in table.columns else None


def _checked(bundle: Bundle, table: Table, row: Row, log: ProblemLog) -> bool:
    """Whether the candidate of a row is right; what is wrong with the row is logged."""
    where = table.place(row)
    for column in _COLUMNS:
        given = row.values.get(column, "")
        if not given:
            log.error("empty-field", where, f"{column} must be given. Got nothing. Fill it.")
        elif bundle.siamese.modality.by_value:
            try:
                bundle.siamese.modality.canonical(given)
            except DataError as error:
                log.error("unusable-value", where, f"{column}: {error}")
    if _RIGHT not in table.columns:
        return False
    text = row.values.get(_RIGHT, "")
    right = truth(text)
    if right is None:
        message = f"{_RIGHT} must be one of {TRUTHS}. Got {shortened(text)!r}. Correct it."
        log.error("wrong-label", where, message)
    return bool(right)


def _compare_labels(bundle: Bundle, table: Table, right: Sequence[bool], log: ProblemLog) -> None:
    """Log every row that calls a candidate right which an earlier row calls wrong, or the reverse.

    Args:
        right: whether the candidate of each row is right.
    """
    first: dict[tuple[str, ...], int] = {}
    for number, row in enumerate(table.rows):
        key = tuple(_ref(bundle, table.path, row, column) for column in _COLUMNS)
        known = first.setdefault(key, number)
        if right[known] != right[number]:
            said = {True: "right", False: "not right"}
            log.error(
                "contradiction",
                table.place(row),
                f"the candidate {shortened(row.values[_COLUMNS[1]])!r} of the question "
                f"{shortened(row.values[_COLUMNS[0]])!r} must have one label. Got "
                f"{said[right[number]]}, but {said[right[known]]} in row "
                f"{table.rows[known].number}. Correct or remove one.",
            )
