"""What the doctor gets to see: embeddings of examples that do not train, where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twinlens.data.dataset import Dataset
from twinlens.siamese import Siamese
from twinlens.training.doctor import Finding, Symptoms, diagnose
from twinlens.training.history import LogLine
from twinlens.training.validation import embed_store
from twinlens.types import FloatArray, IntArray, Store

MOST_LIVE, MOST = 500, 2000
"""Examples embedded while training goes on, and at its end."""


@dataclass(frozen=True, slots=True)
class Examiner:
    """Examines a network during training, and at its end more closely.

    Attributes:
        store: of decoded examples.
        positions: in the store, of those that are looked at, [n].
        labels: of these, [n]; each its own where only pairs or triplets are known.
        class_sizes: examples of each training identity.
    """

    store: Store
    positions: IntArray
    labels: IntArray
    class_sizes: IntArray

    @classmethod
    def of(
        cls, train: Dataset, train_store: Store, unseen: Dataset, unseen_store: Store | None
    ) -> Examiner:
        """Looks at the unseen examples if there are two or more, else at those of training.

        Args:
            train, train_store: the examples that are trained on.
            unseen, unseen_store: those that choose; may be none.
        """
        side, store = train, train_store
        if unseen_store is not None and len(unseen) >= 2:
            side, store = unseen, unseen_store
        labels = side.labels()
        positions = np.flatnonzero(labels >= 0)  # imitations are of no identity
        if len(positions) < 2:
            positions = labels = np.arange(len(side))
        positions = positions[:MOST]
        labels = labels[positions]
        known = train.labels()
        return cls(store, positions, labels, np.bincount(known[known >= 0]))

    def __call__(self, siamese: Siamese, lines: Sequence[LogLine]) -> list[Finding]:
        """What is worth a word while there is time to stop; a look at a few examples."""
        found = diagnose(self.symptoms(siamese, lines, most=MOST_LIVE))
        return [finding for finding in found if finding.severity != "info"]

    def symptoms(
        self,
        siamese: Siamese,
        lines: Sequence[LogLine],
        *,
        most: int = MOST,
        train_score: float | None = None,
        validation_score: float | None = None,
    ) -> Symptoms:
        """What the doctor judges by; see `Symptoms`."""
        embeddings = embed_store(siamese, self.store, self.positions[:most])
        learned = siamese.encoder.learned

        def compare(chosen: IntArray) -> FloatArray:
            rows = np.zeros_like(embeddings[chosen])
            rows[:, learned] = embeddings[chosen, learned]
            return siamese.score_matrix(rows, rows)

        return Symptoms(
            lines,
            embeddings[:, learned],
            compare,
            self.labels[:most],
            self.class_sizes,
            train_score,
            validation_score,
        )
