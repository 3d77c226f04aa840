from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twinlens.data.samplers.epochs import Epochs


@given(count=st.integers(1, 9), start=st.integers(0, 40), size=st.integers(1, 30))
def test_any_stretch_is_part_of_one_endless_sequence(count: int, start: int, size: int) -> None:
    whole = Epochs(count, seed=3).take(0, start + size, rank=0)
    np.testing.assert_array_equal(Epochs(count, seed=3).take(start, size, rank=0), whole[start:])


@given(count=st.integers(1, 9), epoch=st.integers(0, 5))
def test_each_epoch_has_everything_once(count: int, epoch: int) -> None:
    taken = Epochs(count, seed=0).take(epoch * count, count, rank=0)
    assert sorted(taken.tolist()) == list(range(count))


def test_epochs_ranks_streams_and_seeds_differ() -> None:
    def order(seed: int = 0, stream: int = 0, rank: int = 0, epoch: int = 0) -> tuple[int, ...]:
        return tuple(Epochs(20, seed=seed, stream=stream).take(20 * epoch, 20, rank=rank).tolist())

    orders = {order(), order(seed=1), order(stream=1), order(rank=1), order(epoch=1)}
    assert len(orders) == 5


def test_asking_back_and_forth_changes_nothing() -> None:
    epochs = Epochs(5, seed=0)
    first = epochs.take(0, 5, rank=0).tolist()
    epochs.take(37, 4, rank=2)
    assert epochs.take(0, 5, rank=0).tolist() == first
