"""Dynamic time warping against the recurrence written down."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from twinlens.functional.alignment import best_path, least_cost
from twinlens.types import FloatArray


def oracle(cost: FloatArray) -> float:
    rows, columns = cost.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0
    for i in range(rows):
        for j in range(columns):
            ways = (total[i, j], total[i, j + 1], total[i + 1, j])
            total[i + 1, j + 1] = cost[i, j] + min(ways)
    return float(total[rows, columns])


def along(cost: Tensor) -> Tensor:
    """Total cost of the best path of each pair."""
    beyond = torch.cat([cost.flatten(1), cost.new_zeros(len(cost), 1)], 1)
    return beyond.gather(1, best_path(cost)).sum(1)


@given(st.integers(1, 5), st.integers(1, 7), st.integers(1, 7), st.integers(0, 10**6))
@settings(deadline=None)
def test_no_path_is_cheaper(pairs: int, rows: int, columns: int, seed: int) -> None:
    cost = torch.rand(pairs, rows, columns, generator=torch.Generator().manual_seed(seed))
    expected = [oracle(one.numpy()) for one in cost]
    np.testing.assert_allclose(along(cost).numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(least_cost(cost).numpy(), expected, rtol=1e-5)


def test_a_path_goes_on_from_one_end_to_the_other() -> None:
    path = best_path(torch.rand(20, 6, 4))
    for places in path.tolist():
        cells = [divmod(place, 4) for place in reversed(places) if place < 24]
        assert cells[0] == (0, 0) and cells[-1] == (5, 3)
        steps = {(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(cells)}
        assert steps <= {(0, 1), (1, 0), (1, 1)}


def test_a_slower_copy_matches() -> None:
    series = torch.arange(5.0)
    slow = series.repeat_interleave(2)
    assert along((series[:, None] - slow[None]).abs()[None]).item() == 0
