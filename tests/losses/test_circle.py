"""Circle: against NumPy, the peer, and a batch done by hand; value and gradient."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pytorch_metric_learning.losses import CircleLoss

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

MARGIN, SCALE = 0.25, 3.0


def sums(s: FloatArray, labels: IntArray, i: int) -> tuple[dict[int, float], dict[int, float]]:
    """The terms of equation 6 of Sun et al. for one anchor, by positive and by negative."""
    near = {
        p: math.exp(-SCALE * max(0.0, 1 + MARGIN - s[i, p]) * (s[i, p] - (1 - MARGIN)))
        for p in positives(labels, i)
    }
    far = {
        n: math.exp(SCALE * max(0.0, s[i, n] + MARGIN) * (s[i, n] - MARGIN))
        for n in negatives(labels, i)
    }
    return near, far


def oracle(s: FloatArray, labels: IntArray) -> tuple[float, FloatArray]:
    """The value, and its gradient by score with the weights α held still. [n, n]."""
    costs: list[float] = []
    slopes = np.zeros_like(s)
    for i in range(len(s)):
        near, far = sums(s, labels, i)
        if not (near and far):
            continue
        costs.append(math.log(1 + sum(near.values()) * sum(far.values())))
        z = 1 - math.exp(-costs[-1])
        for p, term in near.items():
            slopes[i, p] = -z * term / sum(near.values()) * SCALE * max(0.0, 1 + MARGIN - s[i, p])
        for n, term in far.items():
            slopes[i, n] = z * term / sum(far.values()) * SCALE * max(0.0, s[i, n] + MARGIN)
    return sum(costs) / len(costs), slopes / len(costs)


@pytest.mark.parametrize("name", COMPARATORS)
def test_it_is_the_equation_of_the_paper(name: str) -> None:
    embeddings, labels = batch_of()
    expected, _ = oracle(score_matrix(comparator_of(name), embeddings), labels.numpy())
    found = cost(loss_of("circle", margin=MARGIN, scale=SCALE), embeddings, labels, name)
    np.testing.assert_allclose(found.item(), expected, rtol=1e-8)


def test_its_gradient_holds_the_weights_still() -> None:
    embeddings, labels = batch_of()
    scores = torch.from_numpy(score_matrix(comparator_of("cosine"), embeddings)).requires_grad_()
    loss = loss_of("circle", margin=MARGIN, scale=SCALE)
    loss(numbered(len(labels)), labels, Given(scores)).total.backward()
    _, slopes = oracle(scores.detach().numpy(), labels.numpy())
    assert scores.grad is not None
    np.testing.assert_allclose(scores.grad.numpy(), slopes, rtol=1e-7, atol=1e-12)


def test_it_agrees_with_the_peer() -> None:
    embeddings, labels = batch_of()
    # The peer averages over the anchors whose loss is above 0: here all that have a positive.
    expected = CircleLoss(m=0.4, gamma=80)(embeddings, labels)
    np.testing.assert_allclose(
        cost(loss_of("circle"), embeddings, labels).item(), expected.item(), rtol=1e-6
    )


def test_by_hand() -> None:
    """Scores 1, 0, 0 of each anchor; m = ¼, γ = 1: all exponents are −1/16."""
    embeddings = unit(0.0, 0.0, math.pi / 2, math.pi / 2)
    loss = loss_of("circle", margin=0.25, scale=1.0)
    value = loss(embeddings, torch.tensor([3, 3, 1, 1]), Cosine(2))
    expected = math.log(1 + math.exp(-1 / 16) * 2 * math.exp(-1 / 16))
    np.testing.assert_allclose(value.total.item(), expected, rtol=1e-12)


def test_a_score_past_its_optimum_is_left_alone() -> None:
    """Positives at 2, negatives at −2: nothing weighs."""
    same = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]])
    scores = (4.0 * same - 2).double().requires_grad_()
    loss = loss_of("circle")(numbered(4), torch.tensor([0, 0, 1, 1]), Given(scores))
    loss.total.backward()
    assert scores.grad is not None
    assert not scores.grad.any()
