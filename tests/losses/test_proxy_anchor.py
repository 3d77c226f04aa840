"""Proxy anchor: against NumPy, the peer, and a batch done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pytorch_metric_learning.losses import ProxyAnchorLoss

from scoring import DIM, batch_of, comparator_of, cost, loss_of, score
from twinlens.comparators import Cosine
from twinlens.losses import ProxyAnchor
from twinlens.types import FloatArray, IntArray


def oracle(
    rows: FloatArray, labels: IntArray, proxies: FloatArray, margin: float, sharpness: float
) -> float:
    """Equation 4 of Kim et al."""
    cosine = comparator_of("cosine")
    pull: list[float] = []
    push: list[float] = []
    for c, proxy in enumerate(proxies):
        s = [score(cosine, row, proxy) for row in rows]
        own = [
            math.exp(-sharpness * (x - margin)) for x, y in zip(s, labels, strict=True) if y == c
        ]
        rest = [
            math.exp(sharpness * (x + margin)) for x, y in zip(s, labels, strict=True) if y != c
        ]
        pull += [math.log(1 + sum(own))] if own else []
        push.append(math.log(1 + sum(rest)))
    return sum(pull) / len(pull) + sum(push) / len(push)


@pytest.mark.parametrize("name", ["cosine", "euclidean"])
def test_it_is_the_equation_of_the_paper(name: str) -> None:
    embeddings, labels = batch_of()
    loss = loss_of("proxy_anchor", margin=0.2, sharpness=8.0)
    assert isinstance(loss, ProxyAnchor)
    proxies = loss.proxies.detach().numpy()
    expected = oracle(embeddings.numpy(), labels.numpy(), proxies, 0.2, 8.0)
    np.testing.assert_allclose(cost(loss, embeddings, labels, name).item(), expected, rtol=1e-9)


def test_it_agrees_with_the_peer() -> None:
    embeddings, labels = batch_of()
    loss = loss_of("proxy_anchor")
    assert isinstance(loss, ProxyAnchor)
    peer = ProxyAnchorLoss(num_classes=6, embedding_size=DIM, margin=0.1, alpha=32)
    peer.proxies.data = loss.proxies.detach().clone()
    found = cost(loss, embeddings, labels)
    np.testing.assert_allclose(found.item(), peer(embeddings, labels).item(), rtol=1e-6)


def test_by_hand() -> None:
    """One example on its proxy, at a right angle to the other, which has none of its own."""
    loss = ProxyAnchor(2, 2, margin=0.1, sharpness=4.0)
    with torch.no_grad():
        loss.proxies.copy_(torch.eye(2))
    found = loss(torch.tensor([[1.0, 0.0]]), torch.tensor([0]), Cosine(2)).total
    expected = math.log(1 + math.exp(-3.6)) + (0 + math.log(1 + math.exp(0.4))) / 2
    np.testing.assert_allclose(found.item(), expected, rtol=1e-6)


def test_only_the_direction_of_an_embedding_counts() -> None:
    embeddings, labels = batch_of()
    loss = loss_of("proxy_anchor")
    one, other = cost(loss, embeddings, labels), cost(loss, 7 * embeddings, labels)
    np.testing.assert_allclose(one.item(), other.item(), rtol=1e-9)
