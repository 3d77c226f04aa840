"""Logarithms of sums of exponentials over a part of the entries (torch)."""

from __future__ import annotations

import torch
from torch import Tensor


def log_sum_exp(exponents: Tensor, kept: Tensor, dim: int) -> Tensor:
    """log Σ exp over the kept entries. [n, m] -> [n] (dim = 1) or [m] (dim = 0).

    −inf, with a gradient of 0, where nothing is kept.
    """
    return exponents.masked_fill(~kept, -torch.inf).logsumexp(dim)


def log1p_sum_exp(exponents: Tensor, kept: Tensor, dim: int) -> Tensor:
    """log(1 + Σ exp over the kept entries), which neither overflows nor loses the 1.

    0, with a gradient of 0, where nothing is kept. [n, m] -> [n] (dim = 1) or [m] (dim = 0).

    >>> kept = torch.tensor([[True, True], [False, False]])
    >>> log1p_sum_exp(torch.tensor([[0.0, 0.0], [5.0, 5.0]]), kept, dim=1)
    tensor([1.0986, 0.0000])
    """
    one = torch.zeros_like(exponents.narrow(dim, 0, 1))
    kept = torch.cat([torch.ones_like(one, dtype=torch.bool), kept], dim)
    return log_sum_exp(torch.cat([one, exponents], dim), kept, dim)
