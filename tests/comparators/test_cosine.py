from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from twinlens.comparators import Cosine
from twinlens.testing import broken, check_comparator


def test_the_contract() -> None:
    assert [str(result) for result in broken(check_comparator("cosine"))] == []


def test_by_hand() -> None:
    cosine = Cosine(2)
    a = cosine.project(torch.tensor([[3.0, 4.0], [1.0, 0.0], [1.0, 1.0]]))
    b = cosine.project(torch.tensor([[3.0, 4.0], [-2.0, 0.0], [1.0, 0.0]]))
    torch.testing.assert_close(cosine.paired(a, b), torch.tensor([1.0, -1.0, 0.5**0.5]))


@given(rows=st.integers(1, 6), others=st.integers(1, 6), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_against_scipy_at_any_length(rows: int, others: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(rows, 5)), rng.normal(size=(others, 5)) * 1e3
    cosine = Cosine(5)
    matrix = cosine.matrix(cosine.project(torch.tensor(a)), cosine.project(torch.tensor(b)))
    np.testing.assert_allclose(matrix.numpy(), 1 - cdist(a, b, "cosine"), atol=1e-12)


def test_a_zero_embedding_is_like_nothing() -> None:
    cosine = Cosine(3)
    zero, other = cosine.project(torch.stack([torch.zeros(3), torch.ones(3)]))
    assert cosine.paired(zero[None], other[None]).tolist() == [0]
