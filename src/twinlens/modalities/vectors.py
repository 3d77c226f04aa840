"""Files of word vectors: text with a word a line, or NPZ."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twinlens.errors import DataError
from twinlens.types import FloatArray

_HEADER = 2
"""Fields of the first line of a word2vec file: how many words, how many numbers."""


@dataclass(frozen=True, slots=True)
class WordVectors:
    """Vectors of words.

    Attributes:
        words: distinct, in the order of the file, which is mostly the commonest first.
        vectors: [words, width] float32.
    """

    words: tuple[str, ...]
    vectors: FloatArray

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return self.vectors.shape[1]


def read_vectors(path: Path) -> WordVectors:
    """Read word vectors.

    * NPZ with the arrays `words` (text) and `vectors` (words × width).
    * Text as GloVe or word2vec write it: a word and its numbers a line.

    Raises:
        DataError: the file cannot be read, or a row is not as the others; names it.
    """
    try:
        if path.suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                words, vectors = arrays["words"], np.asarray(arrays["vectors"], np.float32)
            found = [str(word) for word in words]
        else:
            with path.open(encoding="utf-8") as file:
                found, rows = _parsed(path, file)
            vectors = np.array(rows, np.float32)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path} must be a readable file of vectors. Got: {reason}.") from error
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} must hold words and their vectors, as text or NPZ. Got: {error}."
        ) from error
    if vectors.ndim != 2 or len(vectors) != len(found) or not vectors.size:
        raise DataError(
            f"{path} must hold a vector for each word. Got {len(found)} words and vectors of "
            f"shape {list(vectors.shape)}. Write it anew."
        )
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(1))[0])
        raise DataError(f"{path} must hold finite numbers. Got others for {found[row]!r}.")
    first = {word: row for row, word in reversed(list(enumerate(found)))}
    kept = sorted(first.values())
    return WordVectors(tuple(found[row] for row in kept), vectors[kept])


def _parsed(path: Path, lines: Iterator[str]) -> tuple[list[str], list[list[float]]]:
    words: list[str] = []
    rows: list[list[float]] = []
    width = 0
    first = next(lines, "")
    named = itertools.chain([] if len(first.split()) == _HEADER else [first], lines)
    for number, line in enumerate(named, start=1):
        fields = line.rstrip().split(" ")
        width = width or len(fields) - 1
        word, numbers = " ".join(fields[:-width]), fields[-width:]
        if not word or width < 1:
            raise ValueError(f"{len(fields)} fields in line {number}, where {width + 1} must be")
        words.append(word)
        rows.append([float(field) for field in numbers])
    return words, rows
