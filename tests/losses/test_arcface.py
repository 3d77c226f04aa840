"""ArcFace: against NumPy, the peer, and a batch done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pytorch_metric_learning.losses import ArcFaceLoss

from scoring import DIM, batch_of, comparator_of, cost, loss_of, score
from twinlens.comparators import Cosine
from twinlens.losses import ArcFace
from twinlens.types import FloatArray, IntArray


def oracle(
    rows: FloatArray, labels: IntArray, centres: FloatArray, margin_rad: float, scale: float
) -> float:
    """Equation 3 of Deng et al., by the angle itself."""
    cosine = comparator_of("cosine")
    terms: list[float] = []
    for row, own in zip(rows, labels, strict=True):
        angles = [math.acos(score(cosine, row, centre)) for centre in centres]
        logits = [scale * math.cos(angle) for angle in angles]
        if angles[own] + margin_rad < math.pi:
            logits[own] = scale * math.cos(angles[own] + margin_rad)
        else:
            logits[own] = scale * (math.cos(angles[own]) - margin_rad * math.sin(margin_rad))
        terms.append(-logits[own] + math.log(sum(math.exp(logit) for logit in logits)))
    return sum(terms) / len(terms)


@pytest.mark.parametrize("margin_rad", [0.3, 1.2])
def test_it_is_the_equation_of_the_paper(margin_rad: float) -> None:
    embeddings, labels = batch_of()
    loss = loss_of("arcface", margin_rad=margin_rad, scale=9.0)
    assert isinstance(loss, ArcFace)
    centres = loss.centres.detach().numpy()
    expected = oracle(embeddings.numpy(), labels.numpy(), centres, margin_rad, 9.0)
    np.testing.assert_allclose(cost(loss, embeddings, labels).item(), expected, rtol=1e-9)


def test_it_agrees_with_the_peer() -> None:
    embeddings, labels = batch_of()
    loss = loss_of("arcface", margin_rad=0.5, scale=16.0)
    assert isinstance(loss, ArcFace)
    peer = ArcFaceLoss(num_classes=6, embedding_size=DIM, margin=math.degrees(0.5), scale=16)
    peer.W.data = loss.centres.detach().T.clone()
    found = cost(loss, embeddings, labels)
    np.testing.assert_allclose(found.item(), peer(embeddings, labels).item(), rtol=1e-6)


def test_by_hand() -> None:
    """On its own centre, at a right angle to the other: logits s cos m and 0."""
    loss = ArcFace(2, 2, margin_rad=0.5, scale=3.0)
    with torch.no_grad():
        loss.centres.copy_(torch.eye(2))
    value = loss(torch.tensor([[5.0, 0.0]]), torch.tensor([0]), Cosine(2))
    # The sine is held above √1e-7 ≈ 3e-4, so that its gradient at an angle of 0 is not infinite.
    expected = math.log(1 + math.exp(-3 * math.cos(0.5)))
    np.testing.assert_allclose(value.total.item(), expected, rtol=1e-3)
    assert value.parts["accuracy"].item() == 1


def test_the_worse_the_angle_the_higher_the_cost() -> None:
    """All the way to π, also where θ + m is past it. The other centre is at a right angle."""
    loss = ArcFace(3, 2, margin_rad=0.8, scale=4.0)
    with torch.no_grad():
        loss.centres.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    costs = [
        loss(torch.tensor([[math.cos(a), math.sin(a), 0.0]]), torch.tensor([0]), Cosine(3)).total
        for a in np.linspace(0.01, math.pi - 0.01, 60)
    ]
    assert (torch.stack(costs).diff() > 0).all()


def test_only_the_direction_of_an_embedding_counts() -> None:
    embeddings, labels = batch_of()
    loss = loss_of("arcface")
    one, other = cost(loss, embeddings, labels), cost(loss, 7 * embeddings, labels)
    np.testing.assert_allclose(one.item(), other.item(), rtol=1e-9)
