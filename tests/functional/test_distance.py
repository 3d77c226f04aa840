"""Distances against NumPy, and their gradients where they are delicate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd.gradcheck import gradcheck

from twinlens.functional.distance import (
    cosine_matrix,
    euclidean_matrix,
    l2_normalise,
    negative_mask,
    paired_euclidean,
    positive_mask,
)


def rows(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 4, dtype=torch.float64, generator=generator)


def test_euclidean_distances_are_those_of_numpy() -> None:
    a, b = rows(3), rows(5, seed=1)
    expected = np.array([[np.linalg.norm(x - y) for y in b.numpy()] for x in a.numpy()])
    np.testing.assert_allclose(euclidean_matrix(a, b).numpy(), expected, rtol=1e-9)
    np.testing.assert_allclose(paired_euclidean(a, b[:3]).numpy(), expected.diagonal(), rtol=1e-9)


def test_cosines_are_those_of_numpy() -> None:
    a, b = rows(3), rows(5, seed=1)
    expected = np.array(
        [[x @ y / np.linalg.norm(x) / np.linalg.norm(y) for y in b.numpy()] for x in a.numpy()]
    )
    np.testing.assert_allclose(cosine_matrix(a, b).numpy(), expected, rtol=1e-9)


def test_by_hand() -> None:
    a, b = torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 8.0]])
    assert paired_euclidean(a, b).item() == 5
    assert euclidean_matrix(a, b).item() == 5
    np.testing.assert_allclose(cosine_matrix(a, b).item(), 0.8, rtol=1e-6)
    np.testing.assert_allclose(l2_normalise(a).numpy(), [[0.6, 0.8]], rtol=1e-6)


def test_a_zero_row_has_no_direction() -> None:
    zero = torch.zeros(1, 4, dtype=torch.float64)
    assert not l2_normalise(zero).any()
    assert not cosine_matrix(zero, rows(3)).any()


def test_gradients_are_those_of_finite_differences() -> None:
    a, b = rows(3).requires_grad_(), rows(3, seed=1).requires_grad_()
    for function in (paired_euclidean, euclidean_matrix, cosine_matrix):
        assert gradcheck(function, (a, b))


@pytest.mark.parametrize("function", [paired_euclidean, euclidean_matrix])
def test_between_equal_embeddings_the_gradient_is_finite(function) -> None:
    a = torch.tensor([[100.0, -50.0, 3.0], [0.0, 0.0, 0.0]], requires_grad=True)
    function(a, a.detach()).sum().backward()
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()


def test_the_gradient_of_a_paired_distance_at_0_is_0() -> None:
    a = rows(2).requires_grad_()
    paired_euclidean(a, a.detach()).sum().backward()
    assert a.grad is not None
    assert not a.grad.any()


def test_rounding_never_makes_a_distance_nan() -> None:
    a = 1e4 * rows(20).float()
    distance = euclidean_matrix(a, a)
    assert (distance >= 0).all()


@given(st.lists(st.integers(0, 3), max_size=8))
def test_masks_part_all_pairs_but_those_of_an_example_with_itself(labels: list[int]) -> None:
    positive, negative = positive_mask(torch.tensor(labels)), negative_mask(torch.tensor(labels))
    for i, one in enumerate(labels):
        for j, other in enumerate(labels):
            assert bool(positive[i, j]) == (one == other and i != j)
            assert bool(negative[i, j]) == (one != other)


def test_near_duplicates_of_large_norm_keep_their_distance() -> None:
    a = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
    a = 100 * a / a.norm(dim=1, keepdim=True)
    b = a.clone()
    b[:, 0] += 0.01
    found = euclidean_matrix(a, b).diagonal()
    torch.testing.assert_close(found, paired_euclidean(a, b), rtol=1e-4, atol=0)
