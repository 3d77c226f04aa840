"""Questions made on the spot: which ask the same, and which do not."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Sequence
from pathlib import Path

from settings import SHORT
from twinlens.config import load_config
from twinlens.fit import fit

_WAYS = (
    "how do I {} a {}",
    "what is the best way to {} a {}",
    "tips to {} my {}",
    "{} a {}: how",
)
_VERBS = ("cook", "fix", "paint", "sell", "buy", "clean", "draw", "move")
_NOUNS = ("car", "fish", "house", "horse", "boat", "guitar", "table")

SMALL = (
    "modality=text",
    "modality.vocabulary=400",
    "modality.width=16",
    "encoder=weighted_average",
    "encoder.dim=16",
    *SHORT,
    "data.validation_share=0.2",
    "data.calibration_share=0.2",
    "data.test_share=0.2",
)
"""Settings with which a test trains on them in about a second."""


def questions() -> list[tuple[str, str]]:
    """(identity, text) of each question: what it asks for, and one way to ask."""
    return [
        (f"{verb} {noun}", way.format(verb, noun))
        for verb, noun in itertools.product(_VERBS, _NOUNS)
        for way in _WAYS
    ]


def write_labels(folder: Path) -> Path:
    """`labels.csv` with the columns text and identity."""
    return _write(folder / "labels.csv", ("text", "identity"), [(t, i) for i, t in questions()])


def write_pairs(folder: Path) -> Path:
    """`pairs.csv`: four questions of each thing asked for, in pairs of the same and others."""
    rows: list[tuple[str, str, int]] = []
    asked = questions()
    by_four = [asked[i : i + 4] for i in range(0, len(asked), 4)]
    for one, other in zip(by_four[::2], by_four[1::2], strict=True):
        rows += [(one[0][1], one[1][1], 1), (other[0][1], other[1][1], 1)]
        rows += [(one[2][1], other[2][1], 0), (one[0][1], other[1][1], 0)]
    return _write(folder / "pairs.csv", ("left", "right", "same"), rows)


def _write(path: Path, header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def train_small(place: Path) -> Path:
    """A model of pairs of questions, in place/model."""
    fit(write_pairs(place), place / "model", config=load_config(None, SMALL))
    return place / "model"
