"""Contrastive: against NumPy, the peer, and pairs done by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import ContrastiveLoss
from pytorch_metric_learning.reducers import DoNothingReducer

from scoring import batch_of, comparator_of, cost, loss_of, pairs_of, rows_of
from twinlens.comparators import Euclidean
from twinlens.losses import PairIndex
from twinlens.types import FloatArray


def oracle(rows: FloatArray, pairs: list[tuple[int, ...]], margin: float) -> float:
    """Equation 4 of Hadsell et al. without its ½, each kind averaged apart."""
    kinds: dict[int, list[float]] = {True: [], False: []}
    for left, right, same in pairs:
        d = float(np.sqrt(((rows[left] - rows[right]) ** 2).sum()))
        kinds[same].append(d**2 if same else max(0.0, margin - d) ** 2)
    return sum(sum(kind) / len(kind) for kind in kinds.values() if kind)


@pytest.mark.parametrize("margin", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("name", ["cosine", "euclidean"])
def test_it_is_the_equation_of_the_paper(name: str, margin: float) -> None:
    embeddings, labels = batch_of()
    pairs = pairs_of(labels)
    projected = comparator_of(name).project(embeddings).numpy()
    found = cost(loss_of("contrastive", margin=margin), embeddings, pairs, name)
    np.testing.assert_allclose(found.item(), oracle(projected, rows_of(pairs), margin), rtol=1e-9)


def test_it_agrees_with_the_peer() -> None:
    """The peer's pair costs are not squared, nor averaged over those that cost nothing."""
    embeddings, labels = batch_of()
    peer = ContrastiveLoss(
        neg_margin=3.0,
        distance=LpDistance(normalize_embeddings=False),
        reducer=DoNothingReducer(),
    )(embeddings, labels)
    expected = sum((peer[kind]["losses"] ** 2).mean() for kind in ("pos_loss", "neg_loss"))
    found = cost(loss_of("contrastive", margin=3.0), embeddings, pairs_of(labels), "euclidean")
    np.testing.assert_allclose(found.item(), expected.item(), rtol=1e-6)


def test_by_hand() -> None:
    """On a line: the same at 2 costs 4, strangers at ½ cost (1 − ½)², strangers at 7 nothing."""
    embeddings = torch.tensor([[0.0], [2.0], [0.5], [7.0]])
    row = torch.tensor
    pairs = PairIndex(row([0, 0, 0]), row([1, 2, 3]), row([True, False, False]))
    value = loss_of("contrastive", margin=1.0)(embeddings, pairs, Euclidean(1))
    np.testing.assert_allclose(value.total.item(), 4 + 0.25 / 2, rtol=1e-6)
    np.testing.assert_allclose(value.parts["active_share"].item(), 2 / 3, rtol=1e-6)


def test_pairs_of_one_kind_are_no_trouble() -> None:
    embeddings, labels = batch_of([1, 1, 2])
    pairs = pairs_of(labels)
    for kind in (pairs.same, ~pairs.same):
        some = PairIndex(pairs.left[kind], pairs.right[kind], pairs.same[kind])
        assert torch.isfinite(cost(loss_of("contrastive", margin=9.0), embeddings, some))


def test_it_grows_with_the_square_of_the_scale() -> None:
    embeddings, labels = batch_of()
    pairs = pairs_of(labels)
    small = cost(loss_of("contrastive", margin=1.5), embeddings, pairs, "euclidean")
    large = cost(loss_of("contrastive", margin=4.5), 3 * embeddings, pairs, "euclidean")
    np.testing.assert_allclose(9 * small.item(), large.item(), rtol=1e-9)
