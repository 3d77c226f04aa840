"""Each way to get a sampler wrong is found by the rule that forbids it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytest

from twinlens import registry
from twinlens.data.dataset import Dataset
from twinlens.data.samplers import Draw, IdentitySampler, PairSampler, Sampler, TripletSampler
from twinlens.errors import ConfigError
from twinlens.registry import Setting
from twinlens.testing import broken, check_sampler
from twinlens.types import Pairs, Triplets


class Remembering(IdentitySampler):
    """One generator for all draws."""

    def __init__(self, dataset: Dataset, variants: int, seed: int) -> None:
        super().__init__(dataset, variants, seed)
        self.one = np.random.default_rng(seed)

    def generator(self, step: int, rank: int) -> np.random.Generator:
        return self.one


class SameOnAllRanks(IdentitySampler):
    def generator(self, step: int, rank: int) -> np.random.Generator:
        return super().generator(step, 0)


class Seedless(IdentitySampler):
    def generator(self, step: int, rank: int) -> np.random.Generator:
        return np.random.default_rng([step, rank])


class Beyond(IdentitySampler):
    def draw(self, step: int, rank: int = 0) -> Draw:
        draw = super().draw(step, rank)
        return dataclasses.replace(draw, examples=draw.examples + 1)


class Uneven(IdentitySampler):
    def draw(self, step: int, rank: int = 0) -> Draw:
        draw = super().draw(step, rank)
        return dataclasses.replace(draw, variants=draw.variants[:-1])


class Narrow(IdentitySampler):
    def draw(self, step: int, rank: int = 0) -> Draw:
        draw = super().draw(step, rank)
        return dataclasses.replace(draw, examples=draw.examples.astype(np.int32))


class Unturned(IdentitySampler):
    """Labels that do not tell derived classes apart."""

    def draw(self, step: int, rank: int = 0) -> Draw:
        draw = super().draw(step, rank)
        return dataclasses.replace(draw, labels=self.dataset.labels()[draw.examples])


class Turning(IdentitySampler):
    """Draws derived classes, whether or not there are any."""

    def draw(self, step: int, rank: int = 0) -> Draw:
        draw = super().draw(step, rank)
        assert draw.labels is not None
        variants = np.full_like(draw.variants, step % 4)
        labels = self.dataset.labels()[draw.examples] * self.variants + variants
        return dataclasses.replace(draw, variants=variants, labels=labels)


class Lonely(Sampler):
    """One identity at a time."""

    def draw(self, step: int, rank: int = 0) -> Draw:
        labels = self.dataset.labels()
        chosen = self.generator(step, rank).integers(labels.max() + 1)
        examples = np.flatnonzero(labels == chosen)
        return Draw(examples, labels[examples] * self.variants, np.zeros_like(examples))


class FirstOnly(IdentitySampler):
    """Only the first example of an identity."""

    def draw(self, step: int, rank: int = 0) -> Draw:
        draw = super().draw(step, rank)
        labels = self.dataset.labels()
        first = np.searchsorted(labels, labels[draw.examples])
        return dataclasses.replace(draw, examples=first)


class Undecided(IdentitySampler):
    @classmethod
    def settle(cls, settings: Mapping[str, Setting], dataset: Dataset) -> dict[str, Setting]:
        return {**settings, "within": "auto"}


class Opposite(PairSampler):
    def draw(self, step: int, rank: int = 0) -> Draw:
        draw = super().draw(step, rank)
        assert draw.pairs is not None
        pairs = Pairs(draw.pairs.left, draw.pairs.right, ~draw.pairs.same)
        return dataclasses.replace(draw, pairs=pairs)


class OfTheDataSet(PairSampler):
    """Pairs numbered by their place in the data set."""

    def draw(self, step: int, rank: int = 0) -> Draw:
        draw = super().draw(step, rank)
        assert draw.pairs is not None
        pairs = Pairs(
            *(draw.examples[side] for side in (draw.pairs.left, draw.pairs.right)), draw.pairs.same
        )
        return dataclasses.replace(draw, examples=draw.examples[::-1].copy(), pairs=pairs)


class Swapped(TripletSampler):
    def draw(self, step: int, rank: int = 0) -> Draw:
        draw = super().draw(step, rank)
        assert draw.triplets is not None
        given = draw.triplets
        turned = Triplets(given.anchor, given.negative, given.positive)
        return dataclasses.replace(draw, triplets=turned)


class MinedPairs(IdentitySampler):
    """Pairs made of labels, all called the same."""

    def draw(self, step: int, rank: int = 0) -> Draw:
        draw = super().draw(step, rank)
        left = np.arange(len(draw.examples) - 1)
        same = np.ones_like(left, np.bool_)
        return dataclasses.replace(draw, pairs=Pairs(left, left + 1, same))


class Nothing(PairSampler):
    def draw(self, step: int, rank: int = 0) -> Draw:
        draw = super().draw(step, rank)
        none = np.zeros(0, np.int64)
        return dataclasses.replace(draw, pairs=Pairs(none, none, none.astype(np.bool_)))


@pytest.mark.parametrize(
    ("cls", "rule"),
    [
        (Remembering, "the same seed, step and rank always give the same draw"),
        (SameOnAllRanks, "another seed, step or rank gives another draw"),
        (Seedless, "another seed, step or rank gives another draw"),
        (Beyond, "a draw names examples of the data set"),
        (Uneven, "a draw names examples of the data set"),
        (Narrow, "a draw names examples of the data set"),
        (Unturned, "labels count derived classes apart and lie below classes"),
        (Turning, "without variants nothing is turned"),
        (Lonely, "every draw has something to compare"),
        (FirstOnly, "every example comes up"),
        (Undecided, 'settle leaves no "auto"'),
        (Opposite, "pairs and triplets are what the data says"),
        (OfTheDataSet, "pairs and triplets are what the data says"),
        (Swapped, "pairs and triplets are what the data says"),
        (MinedPairs, "pairs and triplets are what the data says"),
        (Nothing, "every draw has something to compare"),
        (dict, "it is a Sampler"),
    ],
)
def test_a_fault_is_found(monkeypatch: pytest.MonkeyPatch, cls: type[object], rule: str) -> None:
    known = {**registry._components["sampler"], "mine": cls}
    monkeypatch.setitem(registry._components, "sampler", known)
    found = {result.rule.partition(" (")[0] for result in broken(check_sampler("mine"))}
    assert rule in found
    if cls in (SameOnAllRanks, Seedless, Narrow, FirstOnly, Undecided, Swapped):
        assert found == {rule}


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="'identities'"):
        check_sampler("identity")
