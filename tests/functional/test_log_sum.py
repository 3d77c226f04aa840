"""Sums of exponentials, against NumPy and at the ends of the range."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.autograd.gradcheck import gradcheck

from twinlens.functional.log_sum import log1p_sum_exp, log_sum_exp

KEPT = torch.tensor([[True, False, True], [True, True, False]])


def values() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("dim", [0, 1])
def test_it_is_the_sum_over_what_is_kept(dim: int) -> None:
    x, kept = values().numpy(), KEPT.numpy()
    sums = np.where(kept, np.exp(x), 0).sum(axis=dim)
    np.testing.assert_allclose(log_sum_exp(values(), KEPT, dim).numpy(), np.log(sums), rtol=1e-12)
    found = log1p_sum_exp(values(), KEPT, dim).numpy()
    np.testing.assert_allclose(found, np.log(1 + sums), rtol=1e-12)


@pytest.mark.parametrize("dim", [0, 1])
def test_gradients_are_those_of_finite_differences(dim: int) -> None:
    for function in (log_sum_exp, log1p_sum_exp):
        assert gradcheck(lambda x, f=function: f(x, KEPT, dim), (values().requires_grad_(),))


def test_where_nothing_is_kept_value_and_gradient_are_0() -> None:
    x = values().requires_grad_()
    total = log1p_sum_exp(x, torch.zeros_like(KEPT), dim=1)
    total.sum().backward()
    assert total.tolist() == [0, 0]
    assert x.grad is not None
    assert x.grad.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_exponents_of_any_size_do_not_overflow() -> None:
    kept = torch.ones(1, 2, dtype=torch.bool)
    assert log1p_sum_exp(torch.tensor([[1e4, -1e4]]), kept, dim=1).item() == 1e4
    found = log1p_sum_exp(torch.full((1, 2), -20.0, dtype=torch.float64), kept, dim=1).item()
    np.testing.assert_allclose(found, 2 * math.exp(-20), rtol=1e-6)
