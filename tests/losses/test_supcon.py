"""Supervised contrastive: against NumPy, the peer, and a batch done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import SupConLoss

from scoring import (
    COMPARATORS,
    batch_of,
    comparator_of,
    cost,
    loss_of,
    positives,
    score_matrix,
    unit,
)
from twinlens.comparators import Cosine
from twinlens.types import FloatArray, IntArray


def oracle(s: FloatArray, labels: IntArray, temperature: float) -> float:
    """Equation 2 of Khosla et al., averaged over the anchors that have a positive."""
    anchors: list[float] = []
    for i in range(len(s)):
        terms = []
        for p in positives(labels, i):
            total = sum(math.exp(s[i, a] / temperature) for a in range(len(s)) if a != i)
            terms.append(-math.log(math.exp(s[i, p] / temperature) / total))
        anchors += [sum(terms) / len(terms)] if terms else []
    return sum(anchors) / len(anchors)


@pytest.mark.parametrize("temperature", [0.2, 1.0])
@pytest.mark.parametrize("name", COMPARATORS)
def test_it_is_the_equation_of_the_paper(name: str, temperature: float) -> None:
    embeddings, labels = batch_of()
    expected = oracle(score_matrix(comparator_of(name), embeddings), labels.numpy(), temperature)
    found = cost(loss_of("supcon", temperature=temperature), embeddings, labels, name)
    np.testing.assert_allclose(found.item(), expected, rtol=1e-9)


def test_it_agrees_with_the_peer() -> None:
    embeddings, labels = batch_of()
    found = cost(loss_of("supcon", temperature=0.1), embeddings, labels)
    # The peer averages over the anchors whose loss is above 0: here those with a positive.
    expected = SupConLoss(temperature=0.1)(embeddings, labels)
    np.testing.assert_allclose(found.item(), expected.item(), rtol=1e-6)
    distance = LpDistance(normalize_embeddings=False)
    expected = SupConLoss(temperature=0.5, distance=distance)(embeddings, labels)
    found = cost(loss_of("supcon", temperature=0.5), embeddings, labels, "euclidean")
    np.testing.assert_allclose(found.item(), expected.item(), rtol=1e-6)


def test_by_hand() -> None:
    """Two classes at a right angle: each anchor has scores 1, 0, 0, so −log(e / (e + 2))."""
    embeddings = unit(0.0, 0.0, math.pi / 2, math.pi / 2)
    value = loss_of("supcon", temperature=1.0)(embeddings, torch.tensor([3, 3, 1, 1]), Cosine(2))
    np.testing.assert_allclose(value.total.item(), -math.log(math.e / (math.e + 2)), rtol=1e-12)


def test_a_batch_of_one_class_is_empty() -> None:
    embeddings, labels = batch_of([2, 2, 2])
    value = loss_of("supcon")(embeddings, labels, comparator_of("euclidean"))
    assert (value.total.item(), value.parts["empty_share"].item()) == (0.0, 1.0)


def test_temperature_and_scale_of_distances_cancel() -> None:
    embeddings, labels = batch_of()
    small = cost(loss_of("supcon", temperature=0.5), embeddings, labels, "euclidean")
    large = cost(loss_of("supcon", temperature=1.5), 3 * embeddings, labels, "euclidean")
    np.testing.assert_allclose(small.item(), large.item(), rtol=1e-9)
