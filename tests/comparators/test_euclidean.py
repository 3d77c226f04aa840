from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from twinlens.comparators import Euclidean
from twinlens.testing import broken, check_comparator


def test_the_contract() -> None:
    assert [str(result) for result in broken(check_comparator("euclidean"))] == []


def test_by_hand() -> None:
    a, b = torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[3.0, 4.0], [1.0, 2.0]])
    assert Euclidean(2).paired(a, b).tolist() == [-5, -1]


@given(rows=st.integers(1, 6), others=st.integers(1, 6), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_against_scipy(rows: int, others: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(rows, 5)), rng.normal(size=(others, 5))
    matrix = Euclidean(5).matrix(torch.tensor(a), torch.tensor(b)).numpy()
    np.testing.assert_allclose(matrix, -cdist(a, b), atol=1e-6)
    pairs = Euclidean(5).paired(torch.tensor(a), torch.tensor(np.resize(b, a.shape)))
    expected = -np.linalg.norm(a - np.resize(b, a.shape), axis=1)
    np.testing.assert_allclose(pairs.numpy(), expected, atol=1e-6)


def test_no_score_is_above_that_of_equals() -> None:
    x = torch.randn(50, 8, generator=torch.Generator().manual_seed(0)) * 100
    assert (Euclidean(8).matrix(x, x) <= 0).all()
