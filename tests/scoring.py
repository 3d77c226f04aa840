"""Small batches and NumPy scores, shared by the tests of losses and miners."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from twinlens.comparators import Comparator, Learned
from twinlens.losses import Loss, PairIndex, TripletIndex
from twinlens.registry import Component, Setting, build
from twinlens.types import FloatArray, IntArray

DIM = 5
COMPARATORS = ("cosine", "euclidean", "learned")


class Given(Comparator):
    """Scores that a test sets by hand: row i of a batch against row j."""

    def __init__(self, scores: Tensor) -> None:
        super().__init__()
        self.scores = scores

    def paired(self, a: Tensor, b: Tensor) -> Tensor:
        return self.scores[a[:, 0].long(), b[:, 0].long()]

    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        return self.scores


def numbered(count: int) -> Tensor:
    """The embeddings that `Given` knows: each is its own row number. [count, 1] float64."""
    return torch.arange(count, dtype=torch.float64)[:, None].requires_grad_()


def comparator_of(name: str) -> Comparator:
    """In float64, its parameters a function of nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return build("comparator", Component(name), DIM).double()


def loss_of(name: str, classes: int = 6, **settings: Setting) -> Loss:
    """In float64, its parameters a function of nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        return build("loss", Component(name, settings), DIM, classes).double()


def batch_of(labels: list[int] | None = None, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Embeddings [n, dim] float64 of overlapping classes, and labels [n]."""
    chosen = torch.tensor([0, 1, 0, 2, 4, 1, 0, 4, 2, 4, 5] if labels is None else labels)
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(len(chosen), DIM, dtype=torch.float64, generator=generator)
    return embeddings, chosen.long()


labels_of_a_batch = st.lists(st.integers(0, 4), min_size=1, max_size=12)
"""Few classes, so that batches of one class, lone examples and ordinary ones all come up."""


def score(comparator: Comparator, a: FloatArray, b: FloatArray) -> float:
    """One score between two embeddings as they come from the encoder, without torch."""
    name = type(comparator).__name__
    if name == "Cosine":
        return float(a @ b / math.sqrt((a @ a) * (b @ b)))
    if name == "Euclidean":
        return -math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))
    assert isinstance(comparator, Learned)
    weights = [p.detach().numpy() for p in comparator.head.parameters()]
    hidden = np.maximum(weights[0] @ np.concatenate([np.abs(a - b), a * b]) + weights[1], 0)
    return float(weights[2][0] @ hidden + weights[3][0])


def score_matrix(comparator: Comparator, embeddings: Tensor) -> FloatArray:
    """Every score of a batch, without torch. [n, dim] -> [n, n]."""
    rows = embeddings.detach().numpy()
    return np.array([[score(comparator, a, b) for b in rows] for a in rows])


def cost(
    loss: Loss, embeddings: Tensor, targets: Tensor | PairIndex | TripletIndex, name: str = "cosine"
) -> Tensor:
    """The value of a batch, given as it comes from the encoder."""
    comparator = comparator_of(name)
    return loss(comparator.project(embeddings), targets, comparator).total


def pairs_of(labels: Tensor) -> PairIndex:
    """Every pair of a batch."""
    rows = [(i, j) for j in range(len(labels)) for i in range(j)]
    left, right = torch.tensor(rows).reshape(-1, 2).long().unbind(1)
    return PairIndex(left, right, labels[left] == labels[right])


def triplets_of(labels: Tensor) -> TripletIndex:
    """Every triplet of a batch."""
    n = range(len(labels))
    rows = [
        (a, p, x)
        for a in n
        for p in n
        for x in n
        if a != p and labels[a] == labels[p] and labels[a] != labels[x]
    ]
    return TripletIndex(*torch.tensor(rows).reshape(-1, 3).long().unbind(1))


def targets_of(loss: Loss, labels: Tensor) -> Tensor | PairIndex | TripletIndex:
    """All that can be said of a batch, as the loss wants it."""
    return {"labels": lambda x: x, "pairs": pairs_of, "triplets": triplets_of}[loss.consumes](
        labels
    )


def positives(labels: IntArray, i: int) -> list[int]:
    """The others of the same class."""
    return [j for j in range(len(labels)) if j != i and labels[j] == labels[i]]


def negatives(labels: IntArray, i: int) -> list[int]:
    """The examples of other classes."""
    return [j for j in range(len(labels)) if labels[j] != labels[i]]


def rows_of(index: PairIndex | TripletIndex) -> list[tuple[int, ...]]:
    """The tuples of an index: (left, right, same) or (anchor, positive, negative)."""
    columns: list[Tensor | None] = [getattr(index, name) for name in index.__slots__]
    return list(zip(*(c.tolist() for c in columns if c is not None), strict=True))


def unit(*angles_rad: float) -> Tensor:
    """Points on the unit circle. [n, 2] float64."""
    angles = torch.tensor(angles_rad, dtype=torch.float64)
    return torch.stack([angles.cos(), angles.sin()], dim=1)
