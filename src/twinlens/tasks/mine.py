"""A corpus -> the pairs in it that say the same, and the groups that they make."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twinlens.atomic import new_file
from twinlens.bundle import Bundle, Input
from twinlens.calibration import Question
from twinlens.data.cache import Progress
from twinlens.data.manifest import read_inputs
from twinlens.duplicates.clusters import Pair, complete_link, scored_alike
from twinlens.errors import ConfigError, DataError
from twinlens.types import Decision, FloatArray, IntArray

BLOCK = 2048
"""Inputs on each side that are scored at once: 16 MB of scores, whatever the size of the corpus."""


@dataclass(frozen=True, slots=True)
class MinedPair:
    """Two inputs of a corpus.

    Attributes:
        left, right: positions, left before right.
        score: larger = more alike.
        decision: None where the model is not calibrated.
        group: number of the group that both are in; every two inputs of a group are decided to be
            the same. None where this pair is not, or where either is more alike to others.
    """

    left: int
    right: int
    score: float
    decision: Decision | None
    group: int | None


@dataclass(frozen=True, slots=True)
class Corpus:
    """The different inputs of a file.

    Attributes:
        inputs: in the order in which each comes first.
        repeats: how many more were exact repeats of one of them.
    """

    inputs: tuple[str, ...]
    repeats: int


def read_corpus(path: Path, *, modality: str) -> Corpus:
    """Read what to mine: see `read_inputs`.

    Raises:
        DataError: there are fewer than two different inputs, or something is wrong.
    """
    given = read_inputs(path, modality=modality)
    inputs = tuple(dict.fromkeys(given))
    repeats = len(given) - len(inputs)
    if len(inputs) < 2:
        raise DataError(
            f"{path} must hold two different inputs or more. Got {len(inputs)} and {repeats:,} "
            "exact repeats. Give a corpus."
        )
    return Corpus(inputs, repeats)


def mine(
    bundle: Bundle,
    inputs: Sequence[Input],
    *,
    most: int = 1000,
    question: Question | None = None,
    progress: Progress | None = None,
) -> list[MinedPair]:
    """The most alike pairs of a corpus, the best first.

    All pairs are scored, block by block, and only the best are kept: memory does not grow with
    their number. A promised false match rate is one of each comparison, and a corpus of n inputs
    has n (n - 1) / 2 of them.

    Args:
        bundle: a model whose scores an index could serve (cosine, euclidean).
        inputs: at least two.
        most: pairs that are kept, at most.
        question: how to decide.
        progress: told of (inputs embedded, inputs).

    Raises:
        ConfigError: the comparator has to look at each pair with a network.
        DataError: there are fewer than two inputs, or one cannot be used.
    """
    if bundle.siamese.comparator.indexable is None:
        raise ConfigError(
            "Mining must be by a comparator that is as cheap as an inner product. Got "
            f"{bundle.config.comparator.name!r}. Train with comparator=cosine."
        )
    if len(inputs) < 2:
        raise DataError(f"Mining needs two inputs or more. Got {len(inputs)}. Give a corpus.")
    embeddings = bundle.measured(bundle.embed(inputs, progress=progress))
    scores, left, right = _best(bundle, embeddings, most)
    decisions = [
        None if bundle.calibration is None else bundle.calibration.decide(float(score), question)
        for score in scores
    ]
    same = [
        Pair(int(a), int(b), float(score))
        for a, b, score, decision in zip(left, right, scores, decisions, strict=True)
        if decision is not None and decision.same
    ]
    # what is decided depends on the score alone: the least that is the same is the threshold
    threshold = min((pair.score for pair in same), default=np.inf)
    clusters = complete_link(same, scored_alike(embeddings, bundle.scorer, threshold=threshold))
    group = {member: number for number, one in enumerate(clusters) for member in one.members}
    both = [group.get(a) if group.get(a) == group.get(b) else None
            for a, b in zip(left.tolist(), right.tolist(), strict=True)]  # fmt: skip
    return [
        MinedPair(int(a), int(b), float(score), decision, number)
        for a, b, score, decision, number in zip(left, right, scores, decisions, both, strict=True)
    ]


def _best(
    bundle: Bundle, embeddings: FloatArray, most: int
) -> tuple[FloatArray, IntArray, IntArray]:
    """Scores and positions of the best pairs, the best first; equal scores in order of position."""
    best = np.zeros(0, np.float32)
    left, right = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for top in range(0, len(embeddings), BLOCK):
        for start in range(top, len(embeddings), BLOCK):
            scores = bundle.scorer.score_matrix(
                embeddings[top : top + BLOCK], embeddings[start : start + BLOCK]
            )
            floor = best[-1] if len(best) == most else -np.inf
            rows, columns = np.nonzero(scores >= floor)
            later = start + columns > top + rows
            rows, columns = rows[later], columns[later]
            best = np.concatenate([best, scores[rows, columns]])
            left = np.concatenate([left, top + rows])
            right = np.concatenate([right, start + columns])
            order = np.lexsort((right, left, -best))[:most]
            best, left, right = best[order], left[order], right[order]
    return best, left, right


def write_mined(path: Path, pairs: Sequence[MinedPair], inputs: Sequence[str]) -> None:
    """Write pairs as CSV: left, right, score, and what was decided.

    Raises:
        WriteError: it cannot be written.
    """
    with new_file(path) as binary:
        text = io.TextIOWrapper(binary, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text)
        writer.writerow(["left", "right", "score", "probability", "decision", "group"])
        for pair in pairs:
            decision = pair.decision
            decided = (
                ("", "") if decision is None else (f"{decision.probability:.6g}", decision.word)
            )
            group = "" if pair.group is None else pair.group
            row = (inputs[pair.left], inputs[pair.right], f"{pair.score:.6g}", *decided, group)
            writer.writerow(row)
        text.detach()
