"""What a split must keep whole, and how such units are dealt to sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from twinlens.config import Side
from twinlens.data.dataset import Dataset
from twinlens.errors import DataError
from twinlens.types import BoolArray, IntArray

SIDES: tuple[Side, ...] = ("train", "validation", "calibration", "test")

FEWEST = 2
"""Identities that a side which is not empty must have: with one, nothing can be told apart."""


@dataclass(frozen=True, slots=True)
class Units:
    """Sets of examples of which none may be torn apart.

    Attributes:
        kind: what makes a unit.
        members: for each unit the positions of its examples, sorted.
        weights: for each unit how many identities (of given pairs: pairs or triplets) it has,
            [units] int64.
    """

    kind: Literal["group", "identity", "component"]
    members: tuple[IntArray, ...]
    weights: IntArray

    def of(self) -> IntArray:
        """[n] int64: the unit of each example."""
        unit = np.zeros(sum(map(len, self.members)), np.int64)
        for number, members in enumerate(self.members):
            unit[members] = number
        return unit

    def touched(self, examples: BoolArray) -> BoolArray:
        """[units] which hold any of some examples. [n]"""
        return np.bincount(self.of(), examples, len(self.members)) > 0


def units_of(dataset: Dataset) -> Units:
    """Groups where there are any, else identities; for given pairs or triplets, what they connect.

    Groups that share an identity are one unit, so that neither is torn.
    """
    if dataset.kind == "labels":
        labels, groups = dataset.owners(), dataset.groups()
        if groups is None:
            return Units("identity", _members(labels), np.ones(len(np.unique(labels)), np.int64))
        group_of = groups + len(np.unique(labels))
        component = _components(labels, group_of, count=int(group_of.max(initial=-1)) + 1)[labels]
        members = _members(component)
        return Units("group", members, np.array([len(np.unique(labels[m])) for m in members]))
    left, right, owner = _links(dataset)
    component = _components(left, right, count=len(dataset))
    members = _members(component)
    weights = np.bincount(component[owner], minlength=len(members))
    return Units("component", members, weights)


def same_components(dataset: Dataset) -> IntArray:
    """What given pairs show to be the same, through any number of them. -> [n] int64 class.

    Raises:
        DataError: the data gives no pairs.
    """
    if dataset.pairs is None:
        raise DataError(f"{dataset.root} must give pairs. Got {dataset.kind}. Use other data.")
    same = dataset.pairs.chosen(dataset.pairs.same)
    return _components(same.left, same.right, count=len(dataset))


def deal_identities(
    units: Units,
    *,
    shares: Mapping[Side, float],
    rng: np.random.Generator,
    source: str,
    train: BoolArray | None = None,
) -> dict[Side, IntArray]:
    """Deal groups or identities at random: to each side its share, and at least two identities.

    Args:
        units: to deal.
        shares: of the units for each side but train.
        rng: decides.
        source: of the data, for errors.
        train: [units] which train, whatever is drawn; None = none.

    Returns:
        Sorted positions of examples for each side.

    Raises:
        DataError: there are too few.
    """
    kept = np.zeros(len(units.members), np.bool_) if train is None else train
    left = [int(unit) for unit in rng.permutation(len(units.members)) if not kept[unit]]
    chosen: dict[Side, list[int]] = {side: [] for side in SIDES}
    chosen["train"] = np.flatnonzero(kept).tolist()
    sides: list[Side] = [side for side in chosen if side == "train" or shares.get(side)]
    for side in sides:  # first what each cannot do without
        while left and units.weights[chosen[side]].sum() < FEWEST:
            chosen[side].append(left.pop())
    for side, share in shares.items():
        while left and len(chosen[side]) < round(share * len(units.members)):
            chosen[side].append(left.pop())
    chosen["train"] += left
    if min(int(units.weights[chosen[side]].sum()) for side in sides) < FEWEST:
        raise DataError(_too_few(units, kept, len(sides), source))
    return {side: _positions(units, taken) for side, taken in chosen.items()}


def deal(
    units: Units,
    *,
    shares: Mapping[Side, float],
    rng: np.random.Generator,
    source: str,
    train: BoolArray | None = None,
) -> dict[Side, IntArray]:
    """Deal connected parts, the largest first, each to the side that lacks most of its share.

    Takes what `deal_identities` does. Examples that are in no pair or triplet count as no part;
    they go to train.

    Returns:
        Sorted positions of examples for each side.

    Raises:
        DataError: there are fewer parts than sides.
    """
    kept = np.zeros(len(units.members), np.bool_) if train is None else train
    total = int(units.weights.sum())
    lacking: dict[Side, float] = {side: share * total for side, share in shares.items() if share}
    lacking["train"] = total - sum(lacking.values())
    chosen: dict[Side, list[int]] = {side: [] for side in SIDES}
    chosen["train"] = np.flatnonzero(kept & (units.weights > 0)).tolist()
    lacking["train"] -= float(units.weights[kept].sum())
    shuffled = rng.permutation(np.flatnonzero(units.weights * ~kept))
    for unit in shuffled[np.argsort(-units.weights[shuffled], kind="stable")]:
        side = max(lacking, key=lambda side: lacking[side])
        chosen[side].append(int(unit))
        lacking[side] -= float(units.weights[unit])
    for side in lacking:  # a share smaller than any part: the smallest that another can spare
        most = max(lacking, key=lambda side: len(chosen[side]))
        if not chosen[side] and len(chosen[most]) > 1:
            chosen[side].append(chosen[most].pop())
    if any(not chosen[side] for side in lacking):
        raise DataError(
            f"{source} must fall apart into at least {len(lacking)} parts that share no example, "
            f"one for each side of the split. Got {len(shuffled)}: its rows are all "
            f"connected. {_LEAVE_OUT} Or give examples "
            "that are in no other row."
        )
    chosen["train"] += np.flatnonzero(units.weights == 0).tolist()
    return {side: _positions(units, taken) for side, taken in chosen.items()}


_LEAVE_OUT = (
    "Set data.validation_share=0, data.calibration_share=0 or data.test_share=0 to leave a side "
    "out."
)


def _too_few(units: Units, kept: BoolArray, sides: int, source: str) -> str:
    need = FEWEST * sides
    identities = int(units.weights.sum())
    if kept.any() and identities >= need:
        new = int(units.weights[~kept].sum())
        return (
            f"{source} must have at least {FEWEST} identities for each side of the split but train "
            f"that the model of --start does not know. Got {new} new ones. Add identities. "
            f"{_LEAVE_OUT}"
        )
    if units.kind == "group" and identities >= need:
        return (
            f"{source} must have enough groups for {sides} sides of a split with {FEWEST} "
            f"identities each. Got {len(units.members)} groups. Set data.group=none to split by "
            f"identity. {_LEAVE_OUT}"
        )
    return (
        f"{source} must have at least {need} identities, {FEWEST} for each of the {sides} sides of "
        f"the split. Got {identities}. Add identities. {_LEAVE_OUT}"
    )


def _links(dataset: Dataset) -> tuple[IntArray, IntArray, IntArray]:
    """Which examples given pairs or triplets connect, and one example of each row."""
    if dataset.pairs is not None:
        return dataset.pairs.left, dataset.pairs.right, dataset.pairs.left
    if dataset.triplets is not None:
        anchor, others = dataset.triplets.anchor, dataset.triplets
        twice = np.concatenate([anchor, anchor])
        return twice, np.concatenate([others.positive, others.negative]), anchor
    nothing = np.zeros(0, np.int64)
    return nothing, nothing, nothing


def _components(left: IntArray, right: IntArray, *, count: int) -> IntArray:
    """The component of each of `count` nodes, given edges left[i] - right[i]. -> [count] int64."""
    edges = coo_array((np.ones(len(left), np.bool_), (left, right)), shape=(count, count))
    return connected_components(edges, directed=False)[1].astype(np.int64)


def _members(unit: IntArray) -> tuple[IntArray, ...]:
    """[n] unit of each position -> the sorted positions of each unit, in order of unit."""
    if not len(unit):
        return ()
    order = np.argsort(unit, kind="stable")
    return tuple(np.split(order, np.flatnonzero(np.diff(unit[order])) + 1))


def _positions(units: Units, taken: list[int]) -> IntArray:
    if not taken:
        return np.zeros(0, np.int64)
    return np.sort(np.concatenate([units.members[unit] for unit in taken]))
