"""Dynamic time warping against the recurrence written down, and its gradient."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from twinlens.functional.alignment import dtw
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


@given(st.integers(1, 5), st.integers(1, 7), st.integers(1, 7), st.integers(0, 10**6))
@settings(deadline=None)
def test_it_is_the_recurrence(pairs: int, rows: int, columns: int, seed: int) -> None:
    cost = torch.rand(pairs, rows, columns, generator=torch.Generator().manual_seed(seed))
    expected = [oracle(one.numpy()) for one in cost]
    np.testing.assert_allclose(dtw(cost).numpy(), expected, rtol=1e-5)


def test_the_gradient_is_the_path() -> None:
    cost = torch.rand(4, 6, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(dtw, cost)
    dtw(cost).sum().backward()
    assert cost.grad is not None
    assert set(cost.grad.unique().tolist()) == {0.0, 1.0}
    assert (cost.grad[:, 0, 0] == 1).all() and (cost.grad[:, -1, -1] == 1).all()
    assert (cost.grad.sum((1, 2)) >= 6).all() and (cost.grad.sum((1, 2)) <= 11).all()


def test_a_slower_copy_matches() -> None:
    series = torch.arange(5.0)
    slow = series.repeat_interleave(2)
    cost = (series[:, None] - slow[None]).abs()[None]
    assert dtw(cost).item() == 0
