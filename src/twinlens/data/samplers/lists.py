"""Given pairs, by what they have in common: a question with its candidates."""

from __future__ import annotations

import numpy as np

from twinlens.data.dataset import Dataset
from twinlens.data.samplers.base import Draw, Sampler
from twinlens.data.samplers.epochs import Epochs
from twinlens.errors import ConfigError, DataError
from twinlens.registry import register
from twinlens.types import Pairs


@register("sampler", "lists")
class ListSampler(Sampler):
    """All pairs with the same `left`, kept together: the candidates of a question.

    Each list comes once an epoch. Of one with more than `candidates` pairs a random part is drawn,
    in which those that are the same take half at most where there are enough others.
    """

    consumes = "pairs"

    def __init__(
        self,
        dataset: Dataset,
        variants: int,
        seed: int,
        *,
        batch: int = 16,
        candidates: int = 32,
    ) -> None:
        """Args:
        dataset: examples with given pairs.
        variants: unused; a pair is compared as it was given.
        seed: of all randomness.
        batch: lists in a batch, at most.
        candidates: pairs of a list, at most.

        Raises:
            ConfigError: a setting is out of range.
            DataError: no pairs.
        """
        super().__init__(dataset, variants, seed)
        for name, value in (("batch", batch), ("candidates", candidates)):
            if value < 1:
                raise ConfigError(f"sampler.{name} must be at least 1. Got {value}.")
        if dataset.pairs is None or not len(dataset.pairs):
            raise DataError(f"Training on pairs must have pairs. Got none in {dataset.root}.")
        self.pairs = dataset.pairs
        self.candidates = candidates
        _, owner = np.unique(self.pairs.left, return_inverse=True)
        order = np.argsort(owner, kind="stable")
        self._lists = np.split(order, np.flatnonzero(np.diff(owner[order])) + 1)
        self._epochs = Epochs(len(self._lists), seed=seed)
        self._batch = min(batch, len(self._lists))

    def draw(self, step: int, rank: int = 0) -> Draw:
        rng = self.generator(step, rank)
        chosen = self._epochs.take(step * self._batch, self._batch, rank=rank)
        rows: list[np.ndarray] = []
        for number in chosen:
            shuffled = rng.permutation(self._lists[int(number)])
            same = self.pairs.same[shuffled]
            half = (self.candidates + 1) // 2
            right, wrong = shuffled[same], shuffled[~same]
            rows.append(np.concatenate([right[:half], wrong, right[half:]])[: self.candidates])
        given = self.pairs.chosen(np.concatenate(rows))
        examples, place = np.unique(np.stack([given.left, given.right]), return_inverse=True)
        left, right = place.reshape(2, -1)
        pairs = Pairs(left, right, given.same, given.grade)
        return Draw(examples, None, np.zeros_like(examples), pairs=pairs)
