"""What must stay whole, and how it is dealt; whole splits are in `test_splits`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinlens.config import Side
from twinlens.data.dataset import Dataset
from twinlens.data.units import FEWEST, Units, deal, deal_identities, units_of
from twinlens.errors import DataError
from twinlens.testing.datasets import labelled_dataset, paired_dataset, triplet_dataset
from twinlens.types import Example


def members(units: Units) -> list[list[int]]:
    return [positions.tolist() for positions in units.members]


def test_identities_are_units() -> None:
    units = units_of(labelled_dataset([2, 1, 3]))
    assert units.kind == "identity"
    assert members(units) == [[0, 1], [2], [3, 4, 5]]
    assert units.weights.tolist() == [1, 1, 1]


def test_groups_are_units_that_weigh_as_their_identities() -> None:
    units = units_of(labelled_dataset([1, 1, 2, 1], groups=[0, 1, 1, 1]))
    assert units.kind == "group"
    assert members(units) == [[0], [1, 2, 3, 4]]
    assert units.weights.tolist() == [1, 3]


def test_groups_that_share_an_identity_are_one() -> None:
    rows = [("x", "g"), ("y", "h"), ("x", "h"), ("z", "i")]
    examples = tuple(Example(str(i), who, group=group) for i, (who, group) in enumerate(rows))
    units = units_of(Dataset(Path("data"), examples))
    assert sorted(members(units)) == [[0, 1, 2], [3]]
    assert sorted(units.weights.tolist()) == [1, 2]


def test_pairs_and_triplets_bind_what_they_name() -> None:
    pairs = paired_dataset(6, [(0, 2, True), (2, 4, False), (1, 3, True), (1, 3, True)])
    units = units_of(pairs)
    assert units.kind == "component"
    assert sorted(zip(members(units), units.weights.tolist(), strict=True)) == [
        ([0, 2, 4], 2), ([1, 3], 2), ([5], 0),
    ]  # fmt: skip
    units = units_of(triplet_dataset(7, [(0, 1, 2), (3, 4, 5), (6, 4, 3)]))
    assert sorted(zip(members(units), units.weights.tolist(), strict=True)) == [
        ([0, 1, 2], 1), ([3, 4, 5, 6], 2),
    ]  # fmt: skip


def test_nothing_has_no_units() -> None:
    assert units_of(Dataset(Path("data"), ())).members == ()
    assert units_of(Dataset(Path("data"), (), "pairs")).members == ()


sizes = st.lists(st.integers(1, 4), min_size=1, max_size=12)
shares = st.sampled_from([0.0, 0.1, 0.4])


@given(sizes=sizes, validation=shares, test=shares, seed=st.integers(0, 9))
@settings(max_examples=80, deadline=None)
def test_identities_are_dealt_whole_and_enough_to_each_or_refused(
    sizes: list[int], validation: float, test: float, seed: int
) -> None:
    groups = [group for group, size in enumerate(sizes) for _ in range(size)]
    units = units_of(labelled_dataset([1] * sum(sizes), groups=groups))
    given: dict[Side, float] = {"test": test, "validation": validation}
    rng = np.random.default_rng(seed)
    wanted = [1, *(share for share in given.values() if share)]
    try:
        taken = deal_identities(units, shares=given, rng=rng, source="data")
    except DataError as error:
        assert len(sizes) < FEWEST * len(wanted)  # with more groups there is always a way
        assert str(error).startswith("data must have")
        return
    sides_of: list[set[str]] = [set() for _ in sizes]
    for side, positions in taken.items():
        assert len(positions) >= (FEWEST if side == "train" or given.get(side) else 0)
        assert (np.diff(positions) > 0).all()
        for position in positions:
            sides_of[groups[position]].add(side)
    assert all(len(sides) == 1 for sides in sides_of)
    assert sum(map(len, taken.values())) == len(groups)


@given(
    ends=st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), min_size=1, max_size=12),
    validation=shares,
    test=shares,
    seed=st.integers(0, 9),
)
@settings(max_examples=80, deadline=None)
def test_connected_parts_are_dealt_whole_or_refused(
    ends: list[tuple[int, int]], validation: float, test: float, seed: int
) -> None:
    dataset = paired_dataset(15, [(a, b, True) for a, b in ends])
    units = units_of(dataset)
    given: dict[Side, float] = {"test": test, "validation": validation}
    sides = 1 + sum(share > 0 for share in given.values())
    try:
        taken = deal(units, shares=given, rng=np.random.default_rng(seed), source="data")
    except DataError as error:
        assert np.count_nonzero(units.weights) < sides
        assert "must fall apart into at least" in str(error)
        return
    side_of = {int(p): side for side, positions in taken.items() for p in positions}
    assert len(side_of) == 15
    assert all(side_of[a] == side_of[b] for a, b in ends)
    for side, share in {**given, "train": 1}.items():
        assert (sum(side_of[a] == side for a, _ in ends) > 0) == (share > 0)


def test_the_advice_fits_what_is_missing() -> None:
    given: dict[Side, float] = {"test": 0.1, "validation": 0.1}
    rng = np.random.default_rng(0)
    few_groups = units_of(labelled_dataset([1] * 12, groups=[0] * 6 + [1] * 6))
    with pytest.raises(DataError, match=r"Got 2 groups\. Set data\.group=none"):
        deal_identities(few_groups, shares=given, rng=rng, source="data")
    few = units_of(labelled_dataset([1] * 5))
    with pytest.raises(DataError, match=r"at least 6 identities.*Got 5\. Add identities"):
        deal_identities(few, shares=given, rng=rng, source="data")
