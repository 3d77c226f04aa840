"""A data set in memory: examples and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from twinlens.types import Example, IntArray, Pairs, Triplets


@dataclass(frozen=True, slots=True)
class Dataset:
    """Examples with identities, or with given pairs or triplets between them.

    Attributes:
        root: the folder or file it was read from.
        examples: in a stable order (sorted by id).
        kind: what supervision there is.
        pairs, triplets: positions into `examples`, when kind says so.
    """

    root: Path
    examples: tuple[Example, ...]
    kind: Literal["labels", "pairs", "triplets"] = "labels"
    pairs: Pairs | None = None
    triplets: Triplets | None = None

    def __len__(self) -> int:
        return len(self.examples)

    def identities(self) -> list[str]:
        """Distinct identities, sorted; label i means the i-th of them."""
        return sorted({e.identity for e in self.examples if e.identity is not None})

    def labels(self) -> IntArray:
        """[n] int64: position in `identities()`; -1 where an example has none."""
        return self._numbered([e.identity for e in self.examples])

    def claims(self) -> IntArray:
        """[n] int64: position in `identities()` of what an example imitates; -1 where nothing."""
        return self._numbered([e.imitates for e in self.examples])

    def classes(self) -> IntArray:
        """[n] int64: what there is to learn: the label, and for imitations a class beside it.

        Imitations of identity i are of class i + len(identities()): none is the same as any other
        identity, and those of one identity are much alike.
        """
        claims = self.claims()
        return np.where(claims >= 0, claims + len(self.identities()), self.labels())

    def owners(self) -> IntArray:
        """[n] int64: identity that an example is of or imitates; -1 where neither is known."""
        labels = self.labels()
        return np.where(labels >= 0, labels, self.claims())

    def groups(self) -> IntArray | None:
        """[n] int64: number of the group of each example, or None when there are no groups."""
        if not self.examples or any(e.group is None for e in self.examples):
            return None
        number = {g: i for i, g in enumerate(sorted({str(e.group) for e in self.examples}))}
        return np.array([number[str(e.group)] for e in self.examples], np.int64)

    def _numbered(self, names: Sequence[str | None]) -> IntArray:
        """[n] position in `identities()` of each name; -1 where there is none."""
        number = {identity: i for i, identity in enumerate(self.identities())}
        return np.array([-1 if name is None else number[name] for name in names], np.int64)

    def refs(self, modality: str = "image") -> list[str]:
        """The path or value of one modality for each example."""
        return [e.fields[modality] for e in self.examples]

    def subset(self, positions: IntArray) -> Dataset:
        """The examples at sorted positions, with the pairs or triplets that lie among them."""
        place = np.full(len(self), -1, np.int64)
        place[positions] = np.arange(len(positions))
        pairs, triplets = self.pairs, self.triplets
        if pairs is not None:
            kept = (place[pairs.left] >= 0) & (place[pairs.right] >= 0)
            kept = pairs.chosen(kept)
            pairs = Pairs(place[kept.left], place[kept.right], kept.same, kept.grade)
        if triplets is not None:
            corners = np.stack([triplets.anchor, triplets.positive, triplets.negative])  # [3, n]
            triplets = Triplets(*place[corners[:, (place[corners] >= 0).all(0)]])
        examples = tuple(self.examples[int(i)] for i in positions)
        return Dataset(self.root, examples, self.kind, pairs, triplets)
