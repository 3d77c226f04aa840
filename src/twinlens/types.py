"""The nouns that travel between the rooms: frozen, slotted, free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]
BoolArray = npt.NDArray[np.bool_]


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Example:
    """One thing that can be compared. Holds references, never pixels.

    Attributes:
        id: unique within its data set; for files, the path relative to the data folder.
        identity: what it is an example of; None when only pairs or triplets are known.
        imitates: identity that it pretends to be (a forged signature); it has none of its own then.
        group: an outer unit that must stay on one side of a split (an alphabet, a session).
        fields: modality name -> path or value.
        source: file and row that it came from, for messages.
        extra: further columns of the manifest.
    """

    id: str
    identity: str | None
    group: str | None = None
    fields: Mapping[str, str] = field(default_factory=_nothing, hash=False)
    source: str = ""
    extra: Mapping[str, str] = field(default_factory=_nothing, hash=False)
    imitates: str | None = None


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of positions in a list of examples, with their label.

    Attributes:
        left, right: positions, [n] int64.
        same: [n] bool.
        grade: [n] how alike they are, from 0 to 1, where that is known; None where only `same` is.
    """

    left: IntArray
    right: IntArray
    same: BoolArray
    grade: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.left)

    def chosen(self, which: IntArray | BoolArray) -> Pairs:
        """Some of the pairs: their positions, or [n] bool."""
        grade = None if self.grade is None else self.grade[which]
        return Pairs(self.left[which], self.right[which], self.same[which], grade)


@dataclass(frozen=True, slots=True)
class Triplets:
    """Triplets of positions: the anchor is more alike the positive than the negative. Each [n]."""

    anchor: IntArray
    positive: IntArray
    negative: IntArray

    def __len__(self) -> int:
        return len(self.anchor)


@dataclass(frozen=True, slots=True)
class Batch:
    """Arrays of one modality, stacked; padded where their sizes differ.

    Attributes:
        values: [batch, channels, *axes] (images, series) in the modality's storage dtype.
        mask: [batch, *axes] bool, True where real; None when nothing is padded.
    """

    values: npt.NDArray[np.generic]
    mask: BoolArray | None = None

    def __len__(self) -> int:
        return len(self.values)


class Store(Protocol):
    """Where decoded examples come from."""

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """[channels, *axes] of each example."""
        ...

    def gather(self, positions: IntArray) -> Batch:
        """The examples at these positions, [batch] int64, as one batch."""
        ...


class Scorer(Protocol):
    """Whatever scores embeddings; larger = more alike."""

    def score(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Row by row. [n, dim], [n, dim] -> [n]."""
        ...

    def score_matrix(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Every row with every row. [n, dim], [m, dim] -> [n, m]."""
        ...


PLURALS = {"identity": "identities", "component": "connected parts", "example": "examples"}
"""What comparisons depend on, in words: see `Compared.unit`."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Comparisons, and the units that they depend on.

    A comparison depends on one unit or on two.

    Attributes:
        scores: [n], larger = more alike.
        same: [n].
        left, right: [n] number of the unit on each side; equal where there is but one.
        units: how many units there are.
        unit: what a unit is: "identity", "component", "example".
        evidence: units behind the genuine comparisons, which are the scarcer ones.
    """

    scores: FloatArray
    same: BoolArray
    left: IntArray
    right: IntArray
    units: int
    unit: str
    evidence: int

    def __len__(self) -> int:
        return len(self.scores)

    def chosen(self, which: BoolArray) -> Compared:
        """Some of the comparisons. [n] bool."""
        return Compared(
            self.scores[which],
            self.same[which],
            self.left[which],
            self.right[which],
            self.units,
            self.unit,
            self.evidence,
        )


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its interval. `low` and `high` bound it at `confidence`.

    `method` says how the interval was made ("identity bootstrap", "seeds", ...).
    """

    value: float
    low: float
    high: float
    confidence: float = 0.95
    method: str = "identity bootstrap"

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer to "are these the same?".

    Attributes:
        score: larger = more alike.
        probability: that they are the same, given `prior`.
        prior: share of matches among the comparisons that are made.
        same: True, False, or None = unsure, which is an answer too.
        fmr: false match rate promised for the answer "same"; None where none could be.
        threshold: that decided; scores below it are not the same. None where costs decide.
        why: in words.
        fnmr: false non-match rate promised for the answer "different"; None where none could be.
    """

    score: float
    probability: float
    prior: float
    same: bool | None
    fmr: float | None
    threshold: float | None
    why: str
    fnmr: float | None = None

    @property
    def word(self) -> str:
        """ "same", "different" or "unsure"."""
        return "unsure" if self.same is None else "same" if self.same else "different"
