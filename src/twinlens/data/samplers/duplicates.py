"""Given pairs, as a batch in which everything is told apart."""

from __future__ import annotations

import dataclasses

from twinlens.data.dataset import Dataset
from twinlens.data.samplers.base import Draw
from twinlens.data.samplers.pairs import PairSampler
from twinlens.data.units import same_components
from twinlens.registry import register


@register("sampler", "duplicates")
class DuplicateSampler(PairSampler):
    """Given pairs, but each example is held against all others of the batch.

    What is the same as the same thing is one class, through any number of given pairs, so a
    duplicate that is known never counts as a negative. For losses that take labels (supcon,
    infonce): many negatives from few pairs, and the given different pairs are the hard ones.
    """

    gives = "labels"

    def __init__(
        self,
        dataset: Dataset,
        variants: int,
        seed: int,
        *,
        batch: int = 128,
        balanced: bool = False,
    ) -> None:
        """Args:
        dataset: examples with given pairs.
        variants: unused; an example is taken as it was given.
        seed: of all randomness.
        batch: pairs in a batch, at most; fewer when fewer are given.
        balanced: whether half of each batch is same pairs and half different ones.

        Raises:
            ConfigError: `batch` is out of range.
            DataError: no pairs, or `balanced` with pairs of only one kind.
        """
        super().__init__(dataset, variants, seed, batch=batch, balanced=balanced)
        self._classes = same_components(dataset)

    @property
    def classes(self) -> int:
        return int(self._classes.max()) + 1

    def draw(self, step: int, rank: int = 0) -> Draw:
        drawn = super().draw(step, rank)
        examples = self.generator(step, rank).permutation(drawn.examples)
        labels = self._classes[examples]
        return dataclasses.replace(drawn, examples=examples, labels=labels, pairs=None)
