"""Given pairs."""

from __future__ import annotations

import numpy as np

from twinlens.data.dataset import Dataset
from twinlens.data.samplers.base import Draw, Sampler
from twinlens.data.samplers.epochs import Epochs
from twinlens.errors import ConfigError, DataError
from twinlens.registry import register
from twinlens.types import Pairs


@register("sampler", "pairs")
class PairSampler(Sampler):
    """The pairs that the data gives, each once an epoch.

    An example that is in several pairs of a batch is in the batch, and embedded, once. Each rank
    goes through all pairs in an order of its own.
    """

    consumes = "pairs"

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
        variants: unused; a pair is compared as it was given.
        seed: of all randomness.
        batch: pairs in a batch, at most; fewer when fewer are given.
        balanced: whether half of each batch is same pairs and half different ones. The rarer
            kind then comes round more often, and more than once a batch when there are few.

        Raises:
            ConfigError: `batch` is out of range.
            DataError: no pairs, or `balanced` with pairs of only one kind.
        """
        super().__init__(dataset, variants, seed)
        if batch < 2:
            raise ConfigError(f"sampler.batch must be at least 2. Got {batch}.")
        if dataset.pairs is None or not len(dataset.pairs):
            raise DataError(f"Training on pairs must have pairs. Got none in {dataset.root}.")
        self.pairs = dataset.pairs
        same = self.pairs.same
        kinds = [same, ~same] if balanced else [np.ones_like(same)]
        self._positions = [np.flatnonzero(kind) for kind in kinds]
        if not all(len(positions) for positions in self._positions):
            raise DataError(
                f"sampler.balanced must have pairs of both kinds. Got {int(same.sum())} same and "
                f"{int((~same).sum())} different in {dataset.root}. Add some of the other kind."
            )
        self._epochs = [
            Epochs(len(positions), seed=seed, stream=stream)
            for stream, positions in enumerate(self._positions)
        ]
        largest = max(epochs.count for epochs in self._epochs)
        self._share = min(batch // len(kinds), largest)

    def draw(self, step: int, rank: int = 0) -> Draw:
        chosen = np.concatenate(
            [
                positions[epochs.take(step * self._share, self._share, rank=rank)]
                for positions, epochs in zip(self._positions, self._epochs, strict=True)
            ]
        )
        sides = np.stack([self.pairs.left[chosen], self.pairs.right[chosen]])  # [2, n]
        examples, place = np.unique(sides, return_inverse=True)
        left, right = place.reshape(sides.shape)
        given = self.pairs.chosen(chosen)
        pairs = Pairs(left, right, given.same, given.grade)
        return Draw(examples, None, np.zeros_like(examples), pairs=pairs)
