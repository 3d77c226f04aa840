"""Which words of two texts found one another, and which have no partner."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twinlens.atomic import write_bytes
from twinlens.bundle import Bundle
from twinlens.errors import ConfigError
from twinlens.modalities import Text
from twinlens.types import FloatArray

PARTNER = 0.5
"""Similarity from which a word counts as having a partner."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text.

    Attributes:
        word: as it is written in the text.
        partner: the word of the other text that is most alike; None where none is alike enough.
        similarity: how alike the nearest word is: the mean, over the tokens of this one, of the
            cosine of each with the nearest token there.
        weight: share of all that the text's tokens count together, in [0, 1].
    """

    word: str
    partner: str | None
    similarity: float
    weight: float


@dataclass(frozen=True, slots=True)
class WordAlignment:
    """Two texts, word by word.

    Attributes:
        score: of the two.
        left, right: their words, in order; those beyond what the model reads are left out.
    """

    score: float
    left: tuple[Word, ...]
    right: tuple[Word, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        lines: list[str] = []
        for name, words in (("left", self.left), ("right", self.right)):
            for word in words:
                found = word.partner or "(no partner)"
                lines.append(f"{name:5} {word.weight:5.0%}  {word.word:16} {found:16} "
                             f"{word.similarity:6.2f}")  # fmt: skip
        return "\n".join(lines)

    def in_short(self) -> list[str]:
        """A line for each word of the left text that has a partner; then the words without one."""
        lines = [
            f"{word.word} → {word.partner} ({word.similarity:.2f})"
            for word in self.left
            if word.partner is not None
        ]
        for name, words in (("left", self.left), ("right", self.right)):
            alone = [word.word for word in words if word.partner is None]
            if alone:
                lines.append(f"without partner, {name}: {', '.join(alone)}")
        return lines


@dataclass(frozen=True, slots=True)
class _Read:
    """What a model reads of one text.

    Attributes:
        words: as they are written.
        starts: [words] place of the first token of each.
        units: [tokens, local] unit vectors.
        counts: [tokens] how much each counts.
    """

    words: Sequence[str]
    starts: Sequence[int]
    units: FloatArray
    counts: FloatArray


def compares_words(bundle: Bundle) -> bool:
    """Whether a model compares texts word by word, so that `align_words` can tell how."""
    return (
        isinstance(bundle.siamese.modality, Text)
        and bundle.config.encoder.name == "stepwise"
        and _steps(bundle) is not None
    )


def align_words(bundle: Bundle, a: str, b: str) -> WordAlignment:
    """Find the nearest partner of each word, by the embeddings that the score is made of.

    Args:
        bundle: a model of texts whose encoder keeps each token apart (`stepwise`).
        a, b: two texts.

    Raises:
        ConfigError: the model does not compare words.
        DataError: a text cannot be used.
    """
    modality, steps = bundle.siamese.modality, _steps(bundle)
    if steps is None or not isinstance(modality, Text) or not compares_words(bundle):
        raise ConfigError(
            "--explain of texts must be of a model that compares words. Got the encoder "
            f"{bundle.config.encoder.name!r} and the comparator "
            f"{bundle.config.comparator.name!r}. Train with encoder=stepwise and "
            "comparator=maxsim or matches, or leave it out."
        )
    texts = [modality.load(text) for text in (a, b)]
    rows = bundle.embed(texts).reshape(2, steps, -1)  # [2, steps, local]
    most = min(steps, modality.max_tokens)
    left, right = (
        _read(modality.words(text), row[:most]) for text, row in zip(texts, rows, strict=True)
    )
    cosine = left.units @ right.units.T  # [tokens of a, tokens of b]
    return WordAlignment(
        bundle.score(a, b), _words(left, right, cosine), _words(right, left, cosine.T)
    )


def write_words(path: Path, found: WordAlignment) -> None:
    """Write an alignment as JSON.

    Raises:
        WriteError: it cannot be written.
    """
    write_bytes(path, f"{json.dumps(found.to_dict(), indent=1)}\n".encode())


def _steps(bundle: Bundle) -> int | None:
    """Parts of an embedding that the comparator tells apart; None where it compares the whole."""
    return getattr(bundle.siamese.comparator, "steps", None)


def _read(words: Sequence[tuple[str, int]], row: FloatArray) -> _Read:
    """Words of a text, and how many tokens each is; [most tokens, local] their embeddings."""
    ends = list(itertools.accumulate(count for _, count in words))
    starts = [0, *ends[:-1]]
    kept = sum(start < len(row) for start in starts)
    row = row[: ends[kept - 1]]
    counts = np.linalg.norm(row, axis=1)  # [tokens]
    units = row / np.maximum(counts, 1e-9)[:, None]
    return _Read([word for word, _ in words[:kept]], starts[:kept], units, counts)


def _words(own: _Read, other: _Read, cosine: FloatArray) -> tuple[Word, ...]:
    """[tokens of own, tokens of other] -> the words of own; marks of start and end are none."""
    best = np.maximum.reduceat(cosine, other.starts, axis=1)  # [tokens, words of other]
    counts = np.maximum(own.counts, 1e-9)  # a word that counts nothing has a mean all the same
    total = np.add.reduceat(counts, own.starts)  # [words]
    alike = np.add.reduceat(best * counts[:, None], own.starts) / total[:, None]  # [words, words]
    shares = total / total.sum()
    nearest = alike.argmax(1)
    return tuple(
        Word(
            word,
            (other.words[int(at)] or None) if alike[place, at] >= PARTNER else None,
            float(alike[place, at]),
            float(shares[place]),
        )
        for place, (word, at) in enumerate(zip(own.words, nearest.tolist(), strict=True))
        if word
    )
