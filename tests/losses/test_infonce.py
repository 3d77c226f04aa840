"""InfoNCE: against NumPy, the peer, and a batch done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pytorch_metric_learning.losses import NTXentLoss

from scoring import (
    COMPARATORS,
    batch_of,
    comparator_of,
    cost,
    loss_of,
    negatives,
    positives,
    score_matrix,
    unit,
)
from twinlens.comparators import Cosine
from twinlens.types import FloatArray, IntArray


def oracle(s: FloatArray, labels: IntArray, temperature: float) -> float:
    """Equation 4 of van den Oord et al. for each pair of the same, averaged."""
    terms: list[float] = []
    for i in range(len(s)):
        rest = sum(math.exp(s[i, n] / temperature) for n in negatives(labels, i))
        for p in positives(labels, i):
            own = math.exp(s[i, p] / temperature)
            terms.append(-math.log(own / (own + rest)))
    return sum(terms) / len(terms)


@pytest.mark.parametrize("temperature", [0.2, 1.0])
@pytest.mark.parametrize("name", COMPARATORS)
def test_it_is_the_equation_of_the_paper(name: str, temperature: float) -> None:
    embeddings, labels = batch_of()
    expected = oracle(score_matrix(comparator_of(name), embeddings), labels.numpy(), temperature)
    found = cost(loss_of("infonce", temperature=temperature), embeddings, labels, name)
    np.testing.assert_allclose(found.item(), expected, rtol=1e-8)


def test_it_agrees_with_the_peer() -> None:
    embeddings, labels = batch_of()
    found = cost(loss_of("infonce", temperature=0.1), embeddings, labels)
    expected = NTXentLoss(temperature=0.1)(embeddings, labels)
    np.testing.assert_allclose(found.item(), expected.item(), rtol=1e-6)


def test_by_hand() -> None:
    """Scores 1 to the positive and 0 to both negatives: log(1 + 2 / e)."""
    embeddings = unit(0.0, 0.0, math.pi / 2, math.pi / 2)
    value = loss_of("infonce", temperature=1.0)(embeddings, torch.tensor([3, 3, 1, 1]), Cosine(2))
    np.testing.assert_allclose(value.total.item(), math.log(1 + 2 / math.e), rtol=1e-12)


def test_with_two_of_each_class_it_is_supcon() -> None:
    embeddings, labels = batch_of([0, 1, 2, 2, 1, 0])
    one, other = (cost(loss_of(name), embeddings, labels) for name in ("infonce", "supcon"))
    np.testing.assert_allclose(one.item(), other.item(), rtol=1e-9)


def test_positives_do_not_compete() -> None:
    """A third equal example of a class changes nothing, as it would with supcon."""
    apart, _ = batch_of([0, 1, 2])
    embeddings = apart[[0, 0, 0, 1, 2]]
    loss = loss_of("infonce")
    two = cost(loss, embeddings[1:], torch.tensor([0, 0, 1, 2]))
    three = cost(loss, embeddings, torch.tensor([0, 0, 0, 1, 2]))
    np.testing.assert_allclose(two.item(), three.item(), rtol=1e-9)


def test_a_batch_of_one_class_is_empty() -> None:
    embeddings, labels = batch_of([2, 2, 2])
    value = loss_of("infonce")(embeddings, labels, comparator_of("euclidean"))
    assert (value.total.item(), value.parts["empty_share"].item()) == (0.0, 1.0)
