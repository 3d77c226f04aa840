"""P identities × K examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from twinlens.data.dataset import Dataset
from twinlens.data.samplers.base import Draw, Sampler
from twinlens.errors import ConfigError, DataError
from twinlens.registry import Setting, register
from twinlens.settings import require
from twinlens.types import IntArray


@register("sampler", "identities")
class IdentitySampler(Sampler):
    """P identities, K examples of each; within one group at a time when there are groups.

    Identities of one group (the characters of an alphabet, the products of a brand) are harder
    to tell apart than any two, and telling them apart is what the model is for. A group that has
    too few identities is topped up from further groups.

    Some groups are turned into derived classes (`Modality.vary`): a picture on its side is
    another class to learn from. All identities of a group are turned alike, because a symmetric
    character must not be told apart from its own turned self.

    Source:
        Hermans, Beyer, Leibe. In defense of the triplet loss for person re-identification. 2017
        (P × K batches).
    """

    consumes = "labels"
    fewest_examples: ClassVar[int] = 1

    def __init__(
        self,
        dataset: Dataset,
        variants: int,
        seed: int,
        *,
        identities: int = 40,
        examples: int = 4,
        within: Literal["auto", "group", "across"] = "auto",
        groups: int = 1,
        derived_share: float = 0.3,
        imitations: int = 2,
    ) -> None:
        """Args:
        dataset: examples with identities.
        variants: derived classes that the modality makes of one class, itself included.
        seed: of all randomness.
        identities: P, at most; fewer when the data has fewer.
        examples: K. An identity that has fewer gives some of them twice.
        within: "group" draws a batch from `groups` groups, "across" from all identities; "auto"
            is "group" when the data has groups.
        groups: how many groups share a batch; each gives about P / groups identities.
        derived_share: share of groups (without groups, of identities) drawn as a derived class.

        imitations: how many imitations of each identity are drawn beside its examples, where there
            are any: the hardest to tell apart.

        Raises:
            ConfigError: a setting is out of range, or "group" without groups.
            DataError: fewer than two identities.
        """
        super().__init__(dataset, variants, seed)
        require(identities >= 2, "sampler.identities", "at least 2", identities)
        least = self.fewest_examples
        require(examples >= least, "sampler.examples", f"at least {least}", examples)
        require(imitations >= 0, "sampler.imitations", "at least 0", imitations)
        require(1 <= groups <= identities, "sampler.groups", "1 to sampler.identities", groups)
        require(0 <= derived_share <= 1, "sampler.derived_share", "between 0 and 1", derived_share)
        labels = dataset.labels()
        count = len(dataset.identities())
        if count < 2:
            raise DataError(
                f"Training on labels must have at least 2 identities. Got {count} in "
                f"{dataset.root}. Add examples of another identity."
            )
        self.identities, self.examples = min(identities, count), examples
        self.derived_share = derived_share if variants > 1 else 0.0
        self._genuine = _Shelf.of(labels, count)
        self._forged = _Shelf.of(dataset.claims(), count)
        self.imitations = imitations
        self._members = _members(dataset, labels, self._genuine.first(), within)
        self._quota = -(-self.identities // groups)
        if self._members is not None:
            # A group's chance is how many batches it takes to see it whole: so identities of
            # small and of large groups are seen about equally often.
            sizes = np.array([len(members) for members in self._members])
            self._batches = np.maximum(sizes / self._quota, 1.0)

    @classmethod
    def settle(cls, settings: Mapping[str, Setting], dataset: Dataset) -> dict[str, Setting]:
        if settings["within"] != "auto":
            return dict(settings)
        return {**settings, "within": "across" if dataset.groups() is None else "group"}

    def draw(self, step: int, rank: int = 0) -> Draw:
        rng = self.generator(step, rank)
        if self._members is None:
            count = len(self._genuine.sizes)
            identities = rng.choice(count, self.identities, replace=False)
            variants = self._draw_variants(len(identities), rng)
        else:
            identities, variants = self._draw_groups(self._members, rng)
        examples = self._genuine.draw(identities, self.examples, rng)  # [identities, examples]
        classes = np.repeat(identities, self.examples)
        turns = np.repeat(variants, self.examples)
        imitated = self._forged.sizes[identities] > 0
        if self.imitations and imitated.any():
            forged = self._forged.draw(identities[imitated], self.imitations, rng)
            beside = np.repeat(identities[imitated], self.imitations) + len(self._forged.sizes)
            examples = np.concatenate([examples.ravel(), forged.ravel()])
            classes = np.concatenate([classes, beside])
            turns = np.concatenate([turns, np.repeat(variants[imitated], self.imitations)])
        return Draw(examples.ravel(), classes * self.variants + turns, turns)

    def _draw_groups(
        self, members: list[IntArray], rng: np.random.Generator
    ) -> tuple[IntArray, IntArray]:
        """Identities and their variants, group after group until there are enough."""
        keys = rng.exponential(size=len(members)) / self._batches
        most = min(self.identities, len(members))  # each group gives at least one identity
        first = np.argpartition(keys, most - 1)[:most]
        turns = self._draw_variants(most, rng)
        identities: list[IntArray] = []
        variants: list[IntArray] = []
        missing = self.identities
        for group, turn in zip(first[np.argsort(keys[first])], turns, strict=True):
            size = min(self._quota, missing, len(members[group]))
            identities.append(rng.choice(members[group], size, replace=False))
            variants.append(np.full(size, turn))
            missing -= size
            if not missing:
                break
        return np.concatenate(identities), np.concatenate(variants)

    def _draw_variants(self, count: int, rng: np.random.Generator) -> IntArray:
        """[count] int64: 0, or with the chance `derived_share` one of the derived classes."""
        if not self.derived_share:
            return np.zeros(count, np.int64)
        derived = rng.random(count) < self.derived_share
        return np.where(derived, rng.integers(1, self.variants, count), 0)


@dataclass(frozen=True, slots=True)
class _Shelf:
    """Examples sorted by a number that each has.

    Attributes:
        order: positions of the examples that have one, by number.
        starts, sizes: [numbers] where each number's examples begin in `order`, and how many.
    """

    order: IntArray
    starts: IntArray
    sizes: IntArray

    @classmethod
    def of(cls, numbers: IntArray, count: int) -> _Shelf:
        """Sort by `numbers` [n], below `count`; below 0 = none."""
        order = np.argsort(numbers, kind="stable")[int(np.sum(numbers < 0)) :]
        sizes = np.bincount(numbers[numbers >= 0], minlength=count)
        return cls(order, np.cumsum(sizes) - sizes, sizes)

    def first(self) -> IntArray:
        """[numbers] the position of one example of each number."""
        return self.order[self.starts]

    def draw(self, numbers: IntArray, count: int, rng: np.random.Generator) -> IntArray:
        """[n] -> positions in the data set [n, count], distinct while there are enough.

        Floyd's algorithm (Bentley, Floyd. A sample of brilliance. CACM 1987), for all numbers at
        once: every subset is equally likely, whatever its size.
        """
        sizes = self.sizes[numbers]  # [n]
        distinct = np.minimum(sizes, count)
        chosen = np.full((len(numbers), count), -1)
        for k in range(count):
            last = np.where(k < distinct, sizes - distinct + k, sizes - 1)
            pick = rng.integers(0, last + 1)
            taken = (chosen[:, :k] == pick[:, None]).any(axis=1) & (k < distinct)
            chosen[:, k] = np.where(taken, last, pick)
        return self.order[self.starts[numbers, None] + chosen]


def _members(
    dataset: Dataset, labels: IntArray, first: IntArray, within: str
) -> list[IntArray] | None:
    """The identities of each group, or None when batches are drawn across groups.

    `first` is the position of one example of each identity; an identity lies in one group.
    """
    groups = dataset.groups() if within != "across" else None
    if groups is None:
        if within == "group":
            raise ConfigError(
                'sampler.within must be "across" for data without groups. Got "group". '
                "Name a group for every example, or leave sampler.within at its default."
            )
        return None
    astray = np.flatnonzero((groups != groups[first][labels]) & (labels >= 0))
    if astray.size:
        example = dataset.examples[int(astray[0])]
        raise DataError(
            f"An identity must lie in one group. Got {example.identity!r} in {example.group!r} and "
            f"in another ({example.source or example.id}). Correct the group column, or set "
            'data.group = "none".'
        )
    order = np.argsort(groups[first], kind="stable")
    cuts = np.flatnonzero(np.diff(groups[first][order])) + 1
    return np.split(order, cuts)
