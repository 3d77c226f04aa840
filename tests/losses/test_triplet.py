"""Triplet: against NumPy, the peer, and triplets done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pytorch_metric_learning.distances import CosineSimilarity, LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss

from scoring import (
    COMPARATORS,
    batch_of,
    comparator_of,
    cost,
    loss_of,
    rows_of,
    score_matrix,
    triplets_of,
)
from twinlens.comparators import Euclidean
from twinlens.losses import TripletIndex
from twinlens.types import FloatArray


def hinge(s: FloatArray, rows: list[tuple[int, ...]], margin: float) -> float:
    """Equation 2 of Schroff et al. on scores, over the triplets that cost something."""
    terms = [max(0.0, s[a, n] - s[a, p] + margin) for a, p, n in rows]
    active = [term for term in terms if term > 0]
    return sum(active) / max(1, len(active))


def soft(s: FloatArray, rows: list[tuple[int, ...]]) -> float:
    """The soft margin of Hermans et al., over all triplets."""
    return sum(math.log1p(math.exp(s[a, n] - s[a, p])) for a, p, n in rows) / len(rows)


@pytest.mark.parametrize("name", COMPARATORS)
def test_it_is_the_equation_of_the_paper(name: str) -> None:
    embeddings, labels = batch_of()
    triplets = triplets_of(labels)
    s = score_matrix(comparator_of(name), embeddings)
    found = cost(loss_of("triplet", margin=0.3), embeddings, triplets, name)
    np.testing.assert_allclose(found.item(), hinge(s, rows_of(triplets), 0.3), rtol=1e-9)
    found = cost(loss_of("triplet", soft=True), embeddings, triplets, name)
    np.testing.assert_allclose(found.item(), soft(s, rows_of(triplets)), rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "distance"),
    [("euclidean", LpDistance(normalize_embeddings=False)), ("cosine", CosineSimilarity())],
)
def test_it_agrees_with_the_peer(name: str, distance: torch.nn.Module) -> None:
    embeddings, labels = batch_of()
    found = cost(loss_of("triplet", margin=0.3), embeddings, triplets_of(labels), name)
    expected = TripletMarginLoss(margin=0.3, distance=distance)(embeddings, labels)
    np.testing.assert_allclose(found.item(), expected.item(), rtol=1e-6)


def test_by_hand() -> None:
    """On a line: d(a, p) = 1. Under a margin of 0.8 a negative at 1.5 costs 0.3, one at 9 none."""
    embeddings = torch.tensor([[0.0], [1.0], [1.5], [9.0]])
    row = torch.tensor
    triplets = TripletIndex(row([0, 0]), row([1, 1]), row([2, 3]))
    value = loss_of("triplet", margin=0.8)(embeddings, triplets, Euclidean(1))
    np.testing.assert_allclose(value.total.item(), 0.3, rtol=1e-6)
    parts = {name: round(part.item(), 6) for name, part in value.parts.items()}
    assert parts == {
        "empty_share": 0.0,
        "active_share": 0.5,
        "positive_score": -1.0,
        "negative_score": -5.25,
    }


def test_triplets_that_all_keep_the_margin_cost_nothing() -> None:
    embeddings = torch.tensor([[0.0], [1.0], [9.0]], requires_grad=True)
    triplets = TripletIndex(torch.tensor([0]), torch.tensor([1]), torch.tensor([2]))
    value = loss_of("triplet", margin=0.8)(embeddings, triplets, Euclidean(1))
    value.total.backward()
    assert value.total.item() == 0
    assert value.parts["active_share"].item() == 0
    assert embeddings.grad is not None
    assert not embeddings.grad.any()


def test_margin_and_distances_scale_alike() -> None:
    embeddings, labels = batch_of()
    triplets = triplets_of(labels)
    small = cost(loss_of("triplet", margin=0.3), embeddings, triplets, "euclidean")
    large = cost(loss_of("triplet", margin=1.2), 4 * embeddings, triplets, "euclidean")
    np.testing.assert_allclose(4 * small.item(), large.item(), rtol=1e-9)
