"""Distances and similarities between embeddings (torch).

Together with the losses that need them, the only place where "smaller is more alike" exists.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

EPS = 1e-12


def l2_normalise(x: Tensor) -> Tensor:
    """Rows scaled to unit length. [n, dim] -> [n, dim]; a zero row stays zero."""
    return F.normalize(x, dim=-1, eps=EPS)


def paired_euclidean(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distance row by row. [n, dim], [n, dim] -> [n]. Its gradient at 0 is 0."""
    return (a - b).square().sum(dim=-1).clamp_min(EPS).sqrt()


def euclidean_matrix(a: Tensor, b: Tensor) -> Tensor:
    """All Euclidean distances. [n, dim], [m, dim] -> [n, m].

    Through |a|² + |b|² − 2ab, which is fast and needs no [n, m, dim]. In float64, or what two near
    duplicates of large norm differ by would drown in rounding; clamped at `EPS` before the root,
    where the gradient is 0.
    """
    x, y = a.double(), b.double()
    square = x.square().sum(1)[:, None] + y.square().sum(1)[None] - 2 * x @ y.T  # [n, m]
    return square.clamp_min(EPS).sqrt().to(a.dtype)


def cosine_matrix(a: Tensor, b: Tensor) -> Tensor:
    """All cosine similarities. [n, dim], [m, dim] -> [n, m]."""
    return l2_normalise(a) @ l2_normalise(b).T


def positive_mask(labels: Tensor) -> Tensor:
    """Which pairs share a label, self-pairs left out. [n] -> [n, n] bool."""
    same = labels[:, None] == labels[None]  # [n, n]
    return same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)


def negative_mask(labels: Tensor) -> Tensor:
    """Which pairs differ in label. [n] -> [n, n] bool."""
    return labels[:, None] != labels[None]
