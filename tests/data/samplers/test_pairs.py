"""Given pairs: each once an epoch, each example once a batch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinlens.data.dataset import Dataset
from twinlens.data.samplers import PairSampler, default_sampler
from twinlens.data.samplers.base import Draw
from twinlens.errors import ConfigError, DataError
from twinlens.testing import broken, check_sampler
from twinlens.testing.datasets import labelled_dataset, paired_dataset, triplet_dataset

CHAIN = [(0, 1, True), (1, 2, False), (2, 3, True), (3, 4, False), (0, 4, False)]


def named(draw: Draw) -> list[tuple[int, int, bool]]:
    """The pairs of a draw by positions in the data set."""
    assert draw.pairs is not None
    left, right = draw.examples[draw.pairs.left], draw.examples[draw.pairs.right]
    return list(zip(left.tolist(), right.tolist(), draw.pairs.same.tolist(), strict=True))


@pytest.mark.parametrize("changed", [{}, {"batch": 2}, {"balanced": True, "batch": 10}])
def test_the_contract(changed: dict[str, Any]) -> None:
    assert [str(result) for result in broken(check_sampler("pairs", changed))] == []


def test_an_example_of_several_pairs_is_there_once() -> None:
    draw = PairSampler(paired_dataset(5, CHAIN), 1, 0).draw(0)
    assert draw.examples.tolist() == [0, 1, 2, 3, 4]
    assert draw.labels is None and draw.variants.tolist() == [0] * 5
    assert sorted(named(draw)) == sorted(CHAIN)


@given(batch=st.integers(2, 7), seed=st.integers(0, 20))
@settings(max_examples=30, deadline=None)
def test_each_pair_comes_once_an_epoch(batch: int, seed: int) -> None:
    sampler = PairSampler(paired_dataset(5, CHAIN), 1, seed, batch=batch)
    size = min(batch, 5)
    seen = [pair for step in range(5) for pair in named(sampler.draw(step))]
    assert Counter(seen) == dict.fromkeys(CHAIN, size)  # size epochs of five pairs


def test_balanced_batches_have_as_many_of_both_kinds() -> None:
    pairs = [(0, 1, True), *((i, i + 1, False) for i in range(2, 30))]
    sampler = PairSampler(paired_dataset(40, pairs), 1, 0, batch=8, balanced=True)
    for step in range(5):
        assert Counter(same for *_, same in named(sampler.draw(step))) == {True: 4, False: 4}


def test_each_rank_goes_its_own_way_through_all() -> None:
    sampler = PairSampler(paired_dataset(5, CHAIN), 1, 0, batch=5)
    orders = [named(sampler.draw(0, rank)) for rank in range(4)]
    assert len({tuple(order) for order in orders}) > 1
    assert all(sorted(order) == sorted(CHAIN) for order in orders)


def test_what_cannot_be_drawn_from_is_refused() -> None:
    one_kind = paired_dataset(4, [(0, 1, True), (2, 3, True)])
    with pytest.raises(DataError, match="both kinds. Got 2 same and 0 different"):
        PairSampler(one_kind, 1, 0, balanced=True)
    with pytest.raises(ConfigError, match="sampler.batch must be at least 2. Got 1"):
        PairSampler(one_kind, 1, 0, batch=1)
    with pytest.raises(DataError, match="must have pairs. Got none"):
        PairSampler(Dataset(Path("none"), (), "pairs"), 1, 0)
    with pytest.raises(ConfigError, match='Set sampler.name = "auto"'):
        PairSampler(labelled_dataset([2, 2]), 1, 0)


def test_the_default_sampler_fits_the_data() -> None:
    sets = [labelled_dataset([1]), paired_dataset(2, CHAIN[:1]), triplet_dataset(3, [(0, 1, 2)])]
    assert [default_sampler(each) for each in sets] == ["identities", "pairs", "triplets"]
    assert np.array_equal(sets[0].labels(), [0])
