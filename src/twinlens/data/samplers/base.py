"""What a sampler is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from twinlens.data.dataset import Dataset
from twinlens.errors import ConfigError
from twinlens.registry import Setting
from twinlens.types import IntArray, Pairs, Triplets


@dataclass(frozen=True, slots=True)
class Draw:
    """One batch to be: which examples, and what is known of them.

    Attributes:
        examples: positions in the data set, [n] int64.
        labels: [n] int64 class of each, derived classes counted apart; None for pairs, triplets.
        variants: [n] int64, which derived class to turn each example into; 0 = as it is.
        pairs, triplets: positions within this draw (not within the data set).
    """

    examples: IntArray
    labels: IntArray | None
    variants: IntArray
    pairs: Pairs | None = None
    triplets: Triplets | None = None


class Sampler(ABC):
    """Draws batches. The same (seed, step, rank) always gives the same draw.

    A subclass takes `(dataset, variants, seed)` first, which the framework supplies, then its
    settings. `variants` is how many derived classes the modality can make of one class.

    Attributes:
        consumes: the kind of data set it draws from.
        gives: what its draws hold; what it consumes unless it says otherwise.
    """

    consumes: ClassVar[Literal["labels", "pairs", "triplets"]] = "labels"
    gives: ClassVar[Literal["labels", "pairs", "triplets"] | None] = None

    def __init__(self, dataset: Dataset, variants: int, seed: int) -> None:
        """Raises:
        ConfigError: the data set is of another kind.
        """
        if dataset.kind != self.consumes:
            raise ConfigError(
                f"sampler.name must fit data that gives {dataset.kind}. Got one that draws from "
                f'{self.consumes}. Set sampler.name = "auto".'
            )
        self.dataset = dataset
        self.variants = variants
        self.seed = seed

    @classmethod
    def settle(cls, settings: Mapping[str, Setting], dataset: Dataset) -> dict[str, Setting]:
        """Replace every "auto" among the settings by what the training data shows.

        Called once before training; what it returns is stored in the model.
        """
        return dict(settings)

    @property
    def classes(self) -> int:
        """How many different labels `draw` can give."""
        identities = len(self.dataset.identities())
        imitated = any(example.imitates is not None for example in self.dataset.examples)
        return identities * (2 if imitated else 1) * self.variants

    @abstractmethod
    def draw(self, step: int, rank: int = 0) -> Draw:
        """The batch of this step."""

    def generator(self, step: int, rank: int) -> np.random.Generator:
        """Randomness of this step alone, so that a resumed run draws what the first would have."""
        return np.random.default_rng([self.seed, step, rank])
