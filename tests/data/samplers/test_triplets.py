"""Given triplets: each once an epoch, each example once a batch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinlens.data.dataset import Dataset
from twinlens.data.samplers import TripletSampler
from twinlens.data.samplers.base import Draw
from twinlens.errors import ConfigError, DataError
from twinlens.testing import broken, check_sampler
from twinlens.testing.datasets import paired_dataset, triplet_dataset

GIVEN = [(0, 1, 2), (1, 0, 3), (3, 4, 0), (4, 3, 2)]


def named(draw: Draw) -> list[tuple[int, int, int]]:
    """The triplets of a draw by positions in the data set."""
    assert draw.triplets is not None
    corners = (draw.triplets.anchor, draw.triplets.positive, draw.triplets.negative)
    a, p, n = (draw.examples[corner].tolist() for corner in corners)
    return list(zip(a, p, n, strict=True))


@pytest.mark.parametrize("changed", [{}, {"batch": 1}, {"batch": 7}])
def test_the_contract(changed: dict[str, Any]) -> None:
    assert [str(result) for result in broken(check_sampler("triplets", changed))] == []


def test_an_example_of_several_triplets_is_there_once() -> None:
    draw = TripletSampler(triplet_dataset(5, GIVEN), 1, 0).draw(0)
    assert draw.examples.tolist() == [0, 1, 2, 3, 4]
    assert draw.labels is None and draw.pairs is None
    assert sorted(named(draw)) == sorted(GIVEN)


@given(batch=st.integers(1, 6), seed=st.integers(0, 20), rank=st.integers(0, 2))
@settings(max_examples=30, deadline=None)
def test_each_triplet_comes_once_an_epoch(batch: int, seed: int, rank: int) -> None:
    sampler = TripletSampler(triplet_dataset(5, GIVEN), 1, seed, batch=batch)
    seen = [triplet for step in range(4) for triplet in named(sampler.draw(step, rank))]
    assert Counter(seen) == {triplet: min(batch, 4) for triplet in GIVEN}


def test_what_cannot_be_drawn_from_is_refused() -> None:
    with pytest.raises(ConfigError, match="sampler.batch must be at least 1. Got 0"):
        TripletSampler(triplet_dataset(5, GIVEN), 1, 0, batch=0)
    with pytest.raises(DataError, match="must have triplets. Got none"):
        TripletSampler(Dataset(Path("none"), (), "triplets"), 1, 0)
    with pytest.raises(ConfigError, match="data that gives pairs"):
        TripletSampler(paired_dataset(2, [(0, 1, True)]), 1, 0)
