"""A data set -> sides that share nobody, to train, choose, calibrate and test on; audited."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from twinlens.config import Side
from twinlens.data.dataset import Dataset
from twinlens.data.units import SIDES, deal, deal_identities, units_of
from twinlens.errors import ConfigError, DataError
from twinlens.types import BoolArray

MOST_SHARED = 100
"""Duplicate contents that an audit lists; the rest are counted."""


DEALT: tuple[Side, ...] = ("test", "calibration", "validation")
"""Sides that get a share, in the order in which they are filled; train gets the rest."""


@dataclass(frozen=True, slots=True)
class SideAudit:
    """What one side holds."""

    examples: int
    identities: tuple[str, ...]
    groups: tuple[str, ...]
    pairs: int
    triplets: int


@dataclass(frozen=True, slots=True)
class SharedContent:
    """Files with the same bytes on more than one side.

    Attributes:
        content: the hash.
        examples: ids, each with its side before it ("test: a/1.png").
    """

    content: str
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """How a split was made and what was checked. Plain data, for JSON.

    Attributes:
        unit: what was kept whole: a group, an identity, or what given pairs or triplets connect.
        units: how many there were.
        seed, validation_share, calibration_share, test_share: what the split was asked for.
        train, validation, calibration, test: what each side holds.
        content_compared: whether contents were known, so that duplicates could be found.
        shared_content_count: contents that lie on more than one side.
        shared_content: the first of them.
        checks: what was checked and holds, in words.
    """

    unit: Literal["group", "identity", "component"]
    units: int
    seed: int
    validation_share: float
    calibration_share: float
    test_share: float
    train: SideAudit
    validation: SideAudit
    calibration: SideAudit
    test: SideAudit
    content_compared: bool
    shared_content_count: int
    shared_content: tuple[SharedContent, ...]
    checks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Splits:
    """The sides of a data set. One with a share of 0 is empty.

    Attributes:
        train: what the weights are fitted to.
        validation: by which the weights are chosen.
        calibration: on which thresholds and probabilities are fitted.
        test: of which nothing depends.
        audit: what was checked.
    """

    train: Dataset
    validation: Dataset
    calibration: Dataset
    test: Dataset
    audit: Audit

    def sides(self) -> dict[Side, Dataset]:
        """Name -> side."""
        return {side: getattr(self, side) for side in SIDES}


def split(
    dataset: Dataset,
    *,
    shares: Mapping[Side, float],
    seed: int,
    content: Mapping[str, str] | None = None,
    known: BoolArray | None = None,
) -> Splits:
    """Deal whole groups, or identities, or connected parts of given pairs, to the sides.

    Args:
        dataset: of any kind.
        shares: of the groups or identities (of the given pairs or triplets) for each side but
            train, in [0, 1); 0 where not named. A share above 0 gets at least two identities.
        seed: the same seed deals the same way.
        content: example id -> hash of its content, to find duplicates across sides.
        known: [n] examples that weights depend on already: they, and all that must stay together
            with them, train.

    Raises:
        ConfigError: the shares leave nothing to train on.
        DataError: there are too few identities, groups or connected parts for the sides.
    """
    given: dict[Side, float] = {side: shares.get(side, 0.0) for side in DEALT}
    if not (min(given.values()) >= 0 and sum(given.values()) < 1):  # refuses NaN, too
        named = ", ".join(f"data.{side}_share={share:g}" for side, share in given.items())
        raise ConfigError(
            f"The shares of a split must be at least 0 and sum to less than 1. Got {named}. "
            "Leave some data to train on."
        )
    rng = np.random.default_rng(seed)
    units = units_of(dataset)
    dealt = deal_identities if dataset.kind == "labels" else deal
    train = None if known is None else units.touched(known)
    taken = dealt(units, shares=given, rng=rng, source=str(dataset.root), train=train)
    sides: dict[Side, Dataset] = {side: dataset.subset(taken[side]) for side in taken}
    shared = _shared_content(sides, content or {})
    audit = Audit(
        unit=units.kind,
        units=len(units.members),
        seed=seed,
        validation_share=given["validation"],
        calibration_share=given["calibration"],
        test_share=given["test"],
        train=_audit(sides["train"]),
        validation=_audit(sides["validation"]),
        calibration=_audit(sides["calibration"]),
        test=_audit(sides["test"]),
        content_compared=content is not None,
        shared_content_count=len(shared),
        shared_content=tuple(shared[:MOST_SHARED]),
        checks=_CHECKS,
    )
    splits = Splits(sides["train"], sides["validation"], sides["calibration"], sides["test"], audit)
    assert_disjoint(splits)
    return splits


_CHECKS = (
    "no example is on two sides",
    "no file is on two sides",
    "no identity is on two sides",
    "no group is on two sides",
)


def assert_disjoint(splits: Splits) -> None:
    """Check that no example, file, identity or group is on two sides.

    Raises:
        DataError: something is; says what.
    """
    owner: dict[tuple[str, str], Side] = {}
    for side, dataset in splits.sides().items():
        for example in dataset.examples:
            names = [("example", example.id)]
            names += [("file", path) for path in example.fields.values()]
            names += [("identity", example.identity)] if example.identity is not None else []
            names += [("group", example.group)] if example.group is not None else []
            for name in names:
                if owner.setdefault(name, side) != side:
                    kind, value = name
                    raise DataError(
                        f"The sides of a split must share no {kind}. Got {value!r} in "
                        f"{owner[name]} and {side}. Split the whole data set anew."
                    )


def _audit(dataset: Dataset) -> SideAudit:
    return SideAudit(
        examples=len(dataset),
        identities=tuple(dataset.identities()),
        groups=tuple(sorted({e.group for e in dataset.examples if e.group is not None})),
        pairs=0 if dataset.pairs is None else len(dataset.pairs),
        triplets=0 if dataset.triplets is None else len(dataset.triplets),
    )


def _shared_content(
    sides: Mapping[Side, Dataset], content: Mapping[str, str]
) -> Sequence[SharedContent]:
    """Contents on more than one side, in order of hash."""
    places: defaultdict[str, list[tuple[Side, str]]] = defaultdict(list)
    for side, dataset in sides.items():
        for example in dataset.examples:
            if example.id in content:
                places[content[example.id]].append((side, example.id))
    return [
        SharedContent(key, tuple(f"{side}: {id}" for side, id in found))
        for key, found in sorted(places.items())
        if len({side for side, _ in found}) > 1
    ]
