"""Which words of two texts found one another, and which have no partner."""

from __future__ import annotations

import json
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
"""Cosine from which a word counts as having a partner."""


@dataclass(frozen=True, slots=True)
class Word:
    """One token of a text.

    Attributes:
        piece: as it is written in the text.
        share: of all that the text's tokens count together, in [0, 1].
        partner: the piece of the other text that is most alike; None where none is alike enough.
        cosine: how alike the nearest piece is.
    """

    piece: str
    share: float
    partner: str | None
    cosine: float


@dataclass(frozen=True, slots=True)
class WordAlignment:
    """Two texts, word by word.

    Attributes:
        score: of the two.
        left, right: their tokens, in order; those beyond what the model reads are left out.
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
                lines.append(f"{name:5} {word.share:5.0%}  {word.piece:16} {found:16} "
                             f"{word.cosine:6.2f}")  # fmt: skip
        return "\n".join(lines)


def align_words(bundle: Bundle, a: str, b: str) -> WordAlignment:
    """Find the nearest partner of each word, by the embeddings that the score is made of.

    Args:
        bundle: a model of texts whose encoder keeps each token apart (`stepwise`).
        a, b: two texts.

    Raises:
        ConfigError: the model does not compare words.
        DataError: a text cannot be used.
    """
    modality, steps = bundle.siamese.modality, getattr(bundle.siamese.comparator, "steps", None)
    if not isinstance(modality, Text) or steps is None or bundle.config.encoder.name != "stepwise":
        raise ConfigError(
            "--explain of texts must be of a model that compares words. Got the encoder "
            f"{bundle.config.encoder.name!r}. Train with encoder=stepwise, or leave it out."
        )
    texts = [modality.load(text) for text in (a, b)]
    rows = bundle.embed(texts).reshape(2, steps, -1)  # [2, steps, local]
    pieces = [modality.pieces(text)[:steps] for text in texts]
    left, right = (row[: len(words)] for row, words in zip(rows, pieces, strict=True))
    cosine = _unit(left) @ _unit(right).T  # [words of a, words of b]
    return WordAlignment(
        bundle.score(a, b),
        _words(pieces[0], pieces[1], left, cosine),
        _words(pieces[1], pieces[0], right, cosine.T),
    )


def write_words(path: Path, found: WordAlignment) -> None:
    """Write an alignment as JSON.

    Raises:
        WriteError: it cannot be written.
    """
    write_bytes(path, f"{json.dumps(found.to_dict(), indent=1)}\n".encode())


def _words(
    own: list[str], other: list[str], row: FloatArray, cosine: FloatArray
) -> tuple[Word, ...]:
    counts = np.linalg.norm(row, axis=1)  # [words]
    shares = counts / max(float(counts.sum()), 1e-9)
    nearest = cosine.argmax(1)
    best = cosine.max(1)
    return tuple(
        Word(piece, float(share), other[int(at)] if value >= PARTNER else None, float(value))
        for piece, share, at, value in zip(own, shares, nearest, best, strict=True)
    )


def _unit(rows: FloatArray) -> FloatArray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
