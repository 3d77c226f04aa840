"""Given triplets."""

from __future__ import annotations

import numpy as np

from twinlens.data.dataset import Dataset
from twinlens.data.samplers.base import Draw, Sampler
from twinlens.data.samplers.epochs import Epochs
from twinlens.errors import ConfigError, DataError
from twinlens.registry import register
from twinlens.types import Triplets


@register("sampler", "triplets")
class TripletSampler(Sampler):
    """The triplets that the data gives, each once an epoch.

    An example that is in several triplets of a batch is in the batch, and embedded, once. Each
    rank goes through all triplets in an order of its own.
    """

    consumes = "triplets"

    def __init__(self, dataset: Dataset, variants: int, seed: int, *, batch: int = 128) -> None:
        """Args:
        dataset: examples with given triplets.
        variants: unused; a triplet is compared as it was given.
        seed: of all randomness.
        batch: triplets in a batch, at most; fewer when fewer are given.

        Raises:
            ConfigError: `batch` is out of range.
            DataError: no triplets.
        """
        super().__init__(dataset, variants, seed)
        if batch < 1:
            raise ConfigError(f"sampler.batch must be at least 1. Got {batch}.")
        if dataset.triplets is None or not len(dataset.triplets):
            raise DataError(f"Training on triplets must have triplets. Got none in {dataset.root}.")
        self.triplets = dataset.triplets
        self.batch = min(batch, len(self.triplets))
        self._epochs = Epochs(len(self.triplets), seed=seed)

    def draw(self, step: int, rank: int = 0) -> Draw:
        chosen = self._epochs.take(step * self.batch, self.batch, rank=rank)
        given = self.triplets
        corners = np.stack(
            [side[chosen] for side in (given.anchor, given.positive, given.negative)]
        )
        examples, place = np.unique(corners, return_inverse=True)  # corners: [3, n]
        triplets = Triplets(*place.reshape(corners.shape))
        return Draw(examples, None, np.zeros_like(examples), triplets=triplets)
