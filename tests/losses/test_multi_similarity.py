"""Multi-similarity: against NumPy, the peer, and a batch done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pytorch_metric_learning.losses import MultiSimilarityLoss
from pytorch_metric_learning.miners import MultiSimilarityMiner

from scoring import (
    COMPARATORS,
    Given,
    batch_of,
    comparator_of,
    cost,
    loss_of,
    negatives,
    numbered,
    positives,
    score_matrix,
    unit,
)
from twinlens.comparators import Cosine
from twinlens.types import FloatArray, IntArray

ALPHA, BETA, BASE, EPSILON = 2.0, 5.0, 0.3, 0.4


def oracle(s: FloatArray, labels: IntArray) -> float:
    """Mining and loss as Wang et al. write them, averaged over all anchors."""
    total = 0.0
    for i in range(len(s)):
        same, other = positives(labels, i), negatives(labels, i)
        if not (same and other):
            continue
        near = [p for p in same if s[i, p] < max(s[i, n] for n in other) + EPSILON]
        far = [n for n in other if s[i, n] > min(s[i, p] for p in same) - EPSILON]
        total += math.log(1 + sum(math.exp(-ALPHA * (s[i, p] - BASE)) for p in near)) / ALPHA
        total += math.log(1 + sum(math.exp(BETA * (s[i, n] - BASE)) for n in far)) / BETA
    return total / len(s)


@pytest.mark.parametrize("name", COMPARATORS)
def test_it_is_the_equation_of_the_paper(name: str) -> None:
    embeddings, labels = batch_of()
    loss = loss_of("multi_similarity", alpha=ALPHA, beta=BETA, base=BASE, epsilon=EPSILON)
    expected = oracle(score_matrix(comparator_of(name), embeddings), labels.numpy())
    np.testing.assert_allclose(
        cost(loss, embeddings, labels, name).item(), expected, rtol=1e-9, atol=1e-12
    )


def test_it_agrees_with_the_peer() -> None:
    embeddings, labels = batch_of()
    mined = MultiSimilarityMiner(epsilon=0.1)(embeddings, labels)
    expected = MultiSimilarityLoss(alpha=2, beta=50, base=0.5)(embeddings, labels, mined)
    found = cost(loss_of("multi_similarity"), embeddings, labels)
    np.testing.assert_allclose(found.item(), expected.item(), rtol=1e-6)


def test_by_hand() -> None:
    """Scores 1, 0, 0 of each anchor. With a slack of 2 all count, with 0.1 none is hard."""
    embeddings = unit(0.0, 0.0, math.pi / 2, math.pi / 2)
    labels = torch.tensor([3, 3, 1, 1])
    loose = loss_of("multi_similarity", epsilon=2.0)(embeddings, labels, Cosine(2))
    expected = math.log(1 + math.exp(-1)) / 2 + math.log(1 + 2 * math.exp(-25)) / 50
    np.testing.assert_allclose(loose.total.item(), expected, rtol=1e-12)
    strict = loss_of("multi_similarity")(embeddings, labels, Cosine(2))
    assert strict.total.item() == 0
    assert (loose.parts["active_share"].item(), strict.parts["active_share"].item()) == (1, 0)
    assert strict.parts["empty_share"].item() == 0


def test_scores_of_any_size_cost_what_they_are() -> None:
    """log(1 + e^{50 · 1000}) / 50 must be 1000, not infinity."""
    scores = torch.full((4, 4), 1000.5, dtype=torch.float64)
    value = loss_of("multi_similarity")(numbered(4), torch.tensor([0, 0, 1, 1]), Given(scores))
    np.testing.assert_allclose(value.total.item(), 1000 + math.log(2) / 50, rtol=1e-9)
