"""The contract of a sampler."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from twinlens.data.dataset import Dataset
from twinlens.data.samplers.base import Draw, Sampler
from twinlens.data.units import same_components
from twinlens.registry import Component, Setting, build, lookup, resolve
from twinlens.testing.contract import Broken, CheckResult, Rule, check_rules
from twinlens.testing.datasets import labelled_dataset, paired_dataset, triplet_dataset
from twinlens.types import BoolArray, IntArray

_VARIANTS = 4
_STEPS = 3000
"""Within these every example must have come up, whatever the size of a batch."""
_Relation = tuple[str, int, int, int]
"""("pair", lesser, greater, same) or ("triplet", anchor, positive, negative)."""


def check_sampler(name: str, settings: Mapping[str, Setting] | None = None) -> list[CheckResult]:
    """Check every rule of a sampler, on small data of the kind that it `consumes`.

    Args:
        name: under which it is registered.
        settings: to check it under; the rest keep their defaults.
    """
    cls = lookup("sampler", name)
    rules: dict[str, Rule] = {}
    for what, dataset in _datasets(getattr(cls, "consumes", "labels")).items():
        case = _Case(name, dict(settings or {}), dataset)
        rules |= {f"{rule} ({what})": check for rule, check in case.rules().items()}
    return check_rules("sampler", name, rules)


def _datasets(kind: str) -> dict[str, Dataset]:
    rng = np.random.default_rng(0)
    if kind == "pairs":
        ends = rng.permutation(list(itertools.combinations(range(40), 2)))[:60].tolist()
        return {"pairs": paired_dataset(40, [(a, b, i % 3 == 0) for i, (a, b) in enumerate(ends)])}
    if kind == "triplets":
        ends = rng.permuted(np.tile(np.arange(40), (60, 1)), axis=1)[:, :3].tolist()
        return {"triplets": triplet_dataset(40, [(a, b, c) for a, b, c in ends])}
    sizes = [1, 2, 3, 4, 5, 20] * 3
    groups = [0] * 2 + [1] * 4 + [2] * 12
    return {
        "labels": labelled_dataset(sizes),
        "labels in groups": labelled_dataset(sizes, groups=groups),
    }


@dataclass(frozen=True, slots=True)
class _Case:
    """One sampler on one data set."""

    name: str
    settings: dict[str, Setting] = field(hash=False)
    dataset: Dataset

    def rules(self) -> dict[str, Rule]:
        return {
            "it is a Sampler": self.is_sampler,
            "the same seed, step and rank always give the same draw": self.repeatable,
            "another seed, step or rank gives another draw": self.fresh,
            "a draw names examples of the data set": self.positions,
            "labels count derived classes apart and lie below classes": self.labels,
            "pairs and triplets are what the data says": self.relations,
            "every draw has something to compare": self.contrast,
            "without variants nothing is turned": self.one_variant,
            "every example comes up": self.coverage,
            'settle leaves no "auto"': self.settles,
        }

    def build(self, *, seed: int = 0, variants: int = _VARIANTS) -> Sampler:
        component = Component(self.name, self.settings)
        return build("sampler", component, self.dataset, variants, seed)

    def is_sampler(self) -> None:
        if not issubclass(lookup("sampler", self.name), Sampler):
            raise Broken("It must derive from Sampler. Got another class. Change its base class.")

    def repeatable(self) -> None:
        first, second = self.build(), self.build()
        ahead = [first.draw(step, rank) for step in range(6) for rank in range(2)]
        back = [second.draw(step, rank) for step in reversed(range(6)) for rank in (1, 0)]
        for one, other in zip(ahead, reversed(back), strict=True):
            if not _equal(one, other):
                raise Broken(
                    "A draw must be a function of (seed, step, rank), whatever was drawn before. "
                    "Got two draws. Take all randomness from self.generator(step, rank)."
                )

    def fresh(self) -> None:
        draws = {
            "step": (self.build().draw(0), self.build().draw(1)),
            "rank": (self.build().draw(0), self.build().draw(0, rank=1)),
            "seed": (self.build().draw(0), self.build(seed=1).draw(0)),
        }
        alike = [what for what, (one, other) in draws.items() if _equal(one, other)]
        if alike:
            raise Broken(
                f"Another {' or '.join(alike)} must give another draw. Got the same one. "
                "Take all randomness from self.generator(step, rank)."
            )

    def positions(self) -> None:
        for draw in self.draws(20):
            sizes = {len(draw.examples), len(draw.variants)}
            sizes |= set() if draw.labels is None else {len(draw.labels)}
            if len(sizes) != 1 or not len(draw.examples):
                raise Broken(
                    "examples, labels and variants must have one length, above 0. "
                    f"Got {sorted(sizes)}. Give each example its own."
                )
            _require_range(draw.examples, "examples", len(self.dataset))
            _require_range(draw.variants, "variants", _VARIANTS)

    def labels(self) -> None:
        pairs = self.dataset.kind == "pairs"
        truth = same_components(self.dataset) if pairs else self.dataset.classes()
        variants = 1 if pairs else _VARIANTS  # a given pair is compared as it was given
        for draw in self.draws(20):
            if draw.labels is None:
                continue
            _require_range(draw.labels, "labels", self.build().classes)
            expected = truth[draw.examples] * variants + draw.variants
            if not np.array_equal(draw.labels, expected):
                raise Broken(
                    "labels must be dataset.classes()[examples] * variants + variants. "
                    f"Got {draw.labels[:4]} instead of {expected[:4]}. Compute them so."
                )

    def relations(self) -> None:
        truth = self.dataset.labels()
        given = _relations(self.dataset)
        for draw in self.draws(20):
            for places in _places(draw):
                _require_range(places, "positions of pairs and triplets", len(draw.examples))
            if self.dataset.kind == "labels":
                classes = truth[draw.examples] * _VARIANTS + draw.variants
                unknown = {row for row in _relations(draw) if not _agrees(row, classes)}
            else:
                unknown = _relations(draw, draw.examples) - given
            if unknown:
                raise Broken(
                    "Pairs and triplets must say what the data says. "
                    f"Got {sorted(unknown)[0]}. Number them by their place in the draw."
                )

    def contrast(self) -> None:
        for draw in self.draws(20):
            tuples = len(draw.pairs or ()) + len(draw.triplets or ())
            if tuples or (draw.labels is not None and len(np.unique(draw.labels)) > 1):
                continue
            raise Broken(
                "A draw must hold two classes, a pair or a triplet. Got none of them. "
                "Draw more than one identity."
            )

    def one_variant(self) -> None:
        sampler = self.build(variants=1)
        if any(sampler.draw(step).variants.any() for step in range(20)):
            raise Broken("With variants = 1 all variants must be 0. Got others. Draw below it.")

    def coverage(self) -> None:
        used = [place for places in _places(self.dataset) for place in places.tolist()]
        wanted = set(used or range(len(self.dataset)))
        never, sampler = set(wanted), self.build()
        for step in range(_STEPS):
            never.difference_update(sampler.draw(step).examples.tolist())
            if not never:
                return
        raise Broken(
            f"Every example must come up. Got {len(never)} of {len(wanted)} never in "
            f"{_STEPS} draws. Give each a chance."
        )

    def settles(self) -> None:
        settings = dict(resolve("sampler", Component(self.name, self.settings)).settings)
        cls: type[Sampler] = lookup("sampler", self.name)
        settled = cls.settle(settings, self.dataset)
        if "auto" in settled.values() or settled.keys() != settings.keys():
            raise Broken(
                'settle must give every setting, and none as "auto". '
                f"Got {settled}. Decide it by the data set."
            )

    def draws(self, count: int) -> list[Draw]:
        sampler = self.build()
        return [sampler.draw(step) for step in range(count)]


def _equal(one: Draw, other: Draw) -> bool:
    """Whether two draws are the same in every number."""
    columns = zip(_columns(one), _columns(other), strict=True)
    return all(a is b if a is None or b is None else np.array_equal(a, b) for a, b in columns)


def _columns(draw: Draw) -> list[IntArray | BoolArray | None]:
    """All arrays of a draw, None where it has none."""
    pairs, triplets = draw.pairs, draw.triplets
    return [
        draw.examples,
        draw.labels,
        draw.variants,
        *((None,) * 3 if pairs is None else (pairs.left, pairs.right, pairs.same)),
        *(
            (None,) * 3
            if triplets is None
            else (triplets.anchor, triplets.positive, triplets.negative)
        ),
    ]


def _places(given: Dataset | Draw) -> list[IntArray]:
    """Every array of positions that pairs and triplets hold."""
    pairs, triplets = given.pairs, given.triplets
    places = [] if pairs is None else [pairs.left, pairs.right]
    if triplets is not None:
        places += [triplets.anchor, triplets.positive, triplets.negative]
    return places


def _relations(given: Dataset | Draw, names: IntArray | None = None) -> set[_Relation]:
    """All pairs and triplets, by position or by the name that `names` gives each position."""
    named = [(p if names is None else names[p]).tolist() for p in _places(given)]
    found: set[_Relation] = set()
    if given.pairs is not None:
        left, right, *named = named
        for a, b, same in zip(left, right, given.pairs.same.tolist(), strict=True):
            found.add(("pair", min(a, b), max(a, b), int(same)))
    if given.triplets is not None:
        found |= {("triplet", a, p, n) for a, p, n in zip(*named, strict=True)}
    return found


def _agrees(relation: _Relation, classes: IntArray) -> bool:
    """Whether a pair or triplet of two or three other examples is true of their classes."""
    kind, first, second, third = relation
    if kind == "pair":
        return first != second and (classes[first] == classes[second]) == bool(third)
    return first != second and classes[first] == classes[second] != classes[third]


def _require_range(values: IntArray, what: str, below: int) -> None:
    """Raises:
    Broken: not whole numbers of 64 bits, or some below 0 or not below `below`.
    """
    if values.dtype != np.int64:
        raise Broken(f"{what} must be int64. Got {values.dtype}. Convert them with .astype.")
    wrong = values[(values < 0) | (values >= below)]
    if len(wrong):
        raise Broken(f"{what} must lie in 0 … {below - 1}. Got {wrong[0]}. Draw within it.")
