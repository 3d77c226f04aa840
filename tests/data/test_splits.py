"""No identity on two sides, whatever the data looks like."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinlens.config import Side
from twinlens.data.dataset import Dataset
from twinlens.data.splits import assert_disjoint, split
from twinlens.errors import ConfigError, DataError
from twinlens.types import Example, Pairs, Triplets

ROOT = Path("data")


def labelled(identities: int, *, examples: int = 3, groups: int = 0) -> Dataset:
    return Dataset(
        ROOT,
        tuple(
            Example(
                f"{identity:03d}/{example}.png",
                f"{identity:03d}",
                group=f"group{identity % groups}" if groups else None,
                fields={"image": f"data/{identity:03d}/{example}.png"},
            )
            for identity in range(identities)
            for example in range(examples)
        ),
    )


def bare(count: int) -> tuple[Example, ...]:
    return tuple(Example(f"{i:03d}", None, fields={"image": f"{i:03d}"}) for i in range(count))


def paired(left: list[int], right: list[int]) -> Dataset:
    same = np.arange(len(left)) % 2 == 0
    count = max(left + right) + 1
    return Dataset(ROOT, bare(count), "pairs", pairs=Pairs(np.array(left), np.array(right), same))


def ids(dataset: Dataset) -> set[str]:
    return {e.id for e in dataset.examples}


def test_shares_count_identities() -> None:
    sides = split(labelled(20), shares={"validation": 0.1, "test": 0.25}, seed=0)
    assert [len(side.identities()) for side in sides.sides().values()] == [13, 2, 0, 5]
    assert len(ids(sides.train) | ids(sides.validation) | ids(sides.test)) == 60


def test_a_share_for_calibration_is_a_side_of_its_own() -> None:
    shares: dict[Side, float] = {"validation": 0.1, "calibration": 0.2, "test": 0.1}
    sides = split(labelled(20), shares=shares, seed=0)
    assert [len(side.identities()) for side in sides.sides().values()] == [12, 2, 4, 2]
    assert sides.audit.calibration_share == 0.2
    assert len(sides.audit.calibration.identities) == 4


def test_imitations_go_with_what_they_imitate() -> None:
    genuine = labelled(20)
    forged = [
        Example(f"forged{i}", None, imitates=f"{i:03d}", fields={"image": f"forged{i}"})
        for i in range(20)
    ]
    dataset = Dataset(ROOT, (*genuine.examples, *forged))
    shares: dict[Side, float] = {"validation": 0.2, "calibration": 0.2, "test": 0.2}
    for side in split(dataset, shares=shares, seed=0).sides().values():
        own = {e.identity for e in side.examples if e.identity}
        assert {e.imitates for e in side.examples if e.imitates} == own


def test_a_share_of_zero_is_an_empty_side() -> None:
    sides = split(labelled(2), shares={"validation": 0, "test": 0}, seed=0)
    assert (len(sides.train), len(sides.validation), len(sides.test)) == (6, 0, 0)


def test_a_small_share_still_gets_two_identities() -> None:
    sides = split(labelled(6), shares={"validation": 0.1, "test": 0.01}, seed=0)
    assert [len(side.identities()) for side in sides.sides().values()] == [2, 2, 0, 2]


def test_too_few_identities_are_refused_with_what_to_do() -> None:
    with pytest.raises(DataError, match=r"at least 6 identities.*Got 5\..*test_share=0"):
        split(labelled(5), shares={"validation": 0.1, "test": 0.1}, seed=0)
    with pytest.raises(DataError, match=r"at least 2 identities.*Got 1\."):
        split(labelled(1), shares={"validation": 0, "test": 0}, seed=0)
    with pytest.raises(DataError, match=r"Got 0\."):
        split(labelled(0), shares={"validation": 0, "test": 0}, seed=0)


def test_groups_stay_whole() -> None:
    sides = split(labelled(30, groups=10), shares={"validation": 0.2, "test": 0.1}, seed=3)
    groups = [{e.group for e in side.examples} for side in sides.sides().values()]
    assert [len(side) for side in groups] == [7, 2, 0, 1]
    assert len(set.union(*groups)) == 10
    assert sides.audit.unit == "group" and sides.audit.units == 10


def test_too_few_groups_are_refused_with_what_to_do() -> None:
    with pytest.raises(DataError, match="data.group=none"):
        split(labelled(30, groups=2), shares={"validation": 0.1, "test": 0.1}, seed=0)


def test_an_identity_in_two_groups_binds_them() -> None:
    whole = labelled(12, groups=6)
    stray = dataclasses.replace(whole.examples[0], id="stray", group="group1", fields={})
    dataset = Dataset(ROOT, (*whole.examples, stray))
    for seed in range(10):
        sides = split(dataset, shares={"validation": 0.2, "test": 0.2}, seed=seed)
        assert sides.audit.units == 5
        assert any(
            {"group0", "group1"} <= {e.group for e in side.examples}
            for side in sides.sides().values()
        )


def test_the_seed_decides() -> None:
    def train(seed: int) -> set[str]:
        return ids(split(labelled(40), shares={"validation": 0.2, "test": 0.2}, seed=seed).train)

    assert train(1) == train(1)
    assert len({frozenset(train(seed)) for seed in range(5)}) == 5


@pytest.mark.parametrize(("validation", "test"), [(-0.1, 0), (0.5, 0.5), (0, 1), (float("nan"), 0)])
def test_impossible_shares_are_refused(validation: float, test: float) -> None:
    with pytest.raises(ConfigError, match="sum to less than 1"):
        split(labelled(20), shares={"validation": validation, "test": test}, seed=0)


def test_duplicates_across_sides_are_in_the_audit() -> None:
    dataset = labelled(20, examples=1)
    content = {e.id: f"hash{i // 2}" for i, e in enumerate(dataset.examples)}  # pairs of twins
    sides = split(dataset, shares={"validation": 0.3, "test": 0.3}, seed=0, content=content)
    side_of = {e.id: name for name, side in sides.sides().items() for e in side.examples}
    twins = zip(dataset.examples[::2], dataset.examples[1::2], strict=True)
    parted = sum(side_of[a.id] != side_of[b.id] for a, b in twins)
    assert 0 < parted == sides.audit.shared_content_count == len(sides.audit.shared_content)
    assert sides.audit.content_compared
    for shared in sides.audit.shared_content:
        for named in shared.examples:
            side, _, id = named.partition(": ")
            assert side_of[id] == side and content[id] == shared.content


def test_the_audit_is_plain_data() -> None:
    audit = split(labelled(20, groups=10), shares={"validation": 0.1, "test": 0.1}, seed=7).audit
    plain = json.loads(json.dumps(dataclasses.asdict(audit)))
    assert plain["seed"] == 7 and not plain["content_compared"]
    assert plain["train"]["examples"] == 3 * len(plain["train"]["identities"])
    assert "no identity is on two sides" in plain["checks"]


@pytest.mark.parametrize("what", ["identity", "group", "file", "example"])
def test_an_overlap_is_found(what: str) -> None:
    sides = split(labelled(20), shares={"validation": 0.1, "test": 0.1}, seed=0)
    mine, theirs = sides.train.examples[0], sides.test.examples[0]
    mine, theirs = (dataclasses.replace(e, group=e.identity) for e in (mine, theirs))
    leak = {
        "identity": dataclasses.replace(theirs, identity=mine.identity),
        "group": dataclasses.replace(theirs, group=mine.group),
        "file": dataclasses.replace(theirs, fields=mine.fields),
        "example": dataclasses.replace(theirs, id=mine.id),
    }[what]
    leaky = dataclasses.replace(sides, train=Dataset(ROOT, (mine,)), test=Dataset(ROOT, (leak,)))
    with pytest.raises(DataError, match=f"share no {what}"):
        assert_disjoint(leaky)


def test_pairs_that_share_an_example_stay_together() -> None:
    dataset = paired([0, 1, 3, 5, 7, 9], [1, 2, 4, 6, 8, 10])  # 0-1-2 is one part
    sides = split(dataset, shares={"validation": 0.2, "test": 0.2}, seed=0)
    assert sides.audit.unit == "component" and sides.audit.units == 5
    for side in (sides.train, sides.validation, sides.test):
        assert side.kind == "pairs" and side.pairs is not None and len(side.pairs)
        assert side.pairs.left.max() < len(side)
        names = ids(side)
        assert not names & {"000", "001", "002"} or {"000", "001", "002"} <= names
    total = sum(len(side.pairs or ()) for side in sides.sides().values())
    assert total == 6


def test_the_largest_part_is_trained_on() -> None:
    dataset = paired([0] * 20 + [21, 23, 25, 27], [*range(1, 21), 22, 24, 26, 28])
    for seed in range(5):
        sides = split(dataset, shares={"validation": 0.1, "test": 0.1}, seed=seed)
        assert "000" in ids(sides.train)
        assert min(len(sides.validation), len(sides.test)) > 0


def test_pairs_that_all_hang_together_cannot_be_split() -> None:
    with pytest.raises(DataError, match="all connected"):
        split(paired([0, 1, 2], [1, 2, 3]), shares={"validation": 0.1, "test": 0.1}, seed=0)
    whole = split(paired([0, 1, 2], [1, 2, 3]), shares={"validation": 0, "test": 0}, seed=0)
    assert whole.train.pairs is not None and whole.train.pairs.right.tolist() == [1, 2, 3]


def test_triplets_keep_their_order() -> None:
    columns = np.arange(30).reshape(10, 3).T
    dataset = Dataset(ROOT, bare(30), "triplets", triplets=Triplets(*columns))
    sides = split(dataset, shares={"validation": 0.2, "test": 0.2}, seed=1)
    for side in sides.sides().values():
        triplets = side.triplets
        assert triplets is not None and len(triplets) * 3 == len(side)
        for a, p, n in zip(triplets.anchor, triplets.positive, triplets.negative, strict=True):
            anchor = int(side.examples[a].id)
            assert int(side.examples[p].id) == anchor + 1
            assert int(side.examples[n].id) == anchor + 2


@given(
    identities=st.integers(1, 30),
    groups=st.integers(0, 8),
    validation=st.sampled_from([0.0, 0.05, 0.3]),
    test=st.sampled_from([0.0, 0.1, 0.5]),
    seed=st.integers(0, 5),
)
@settings(max_examples=100, deadline=None)
def test_sides_are_whole_and_disjoint_or_refused(
    identities: int, groups: int, validation: float, test: float, seed: int
) -> None:
    dataset = labelled(identities, groups=groups)
    try:
        sides = split(dataset, shares={"validation": validation, "test": test}, seed=seed)
    except DataError:
        wanted = 1 + (validation > 0) + (test > 0)
        assert identities < 2 * wanted or groups > 0
        return
    named = [(side, {e.identity for e in side.examples}) for side in sides.sides().values()]
    assert sum(len(names) for _, names in named) == identities
    assert set.union(*(names for _, names in named)) == set(dataset.identities())
    for (_, names), share in zip(named, (1.0, validation, 0.0, test), strict=True):
        assert len(names) >= 2 if share else not names
