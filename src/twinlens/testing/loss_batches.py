"""The batches that the contract of a loss looks at, and all that can be said of them."""

from __future__ import annotations

import torch
from torch import Tensor

from twinlens.comparators.base import Comparator
from twinlens.functional.distance import negative_mask, positive_mask
from twinlens.losses.base import PairIndex, Targets, TripletIndex

DIM = 8
CLASSES = 7
"""More than a batch has, as in training."""
LABELS = (0, 0, 0, 2, 2, 3, 3, 3, 6, 6, 6, 5)
"""Of an ordinary batch: classes with gaps between them, one of which has a lone example."""


def ordinary_batch() -> tuple[Tensor, Tensor]:
    """Overlapping classes, so that every kind of pair and triplet has something to learn."""
    embeddings = torch.randn(len(LABELS), DIM, generator=torch.Generator().manual_seed(0))
    return 0.5 * embeddings, torch.tensor(LABELS)


def odd_batches() -> dict[str, tuple[Tensor, Tensor]]:
    """What a loss may meet, if rarely: name -> (embeddings, labels)."""

    def at(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return embeddings.clone(), labels.clone()

    embeddings, labels = ordinary_batch()
    return {
        "a batch of one class": at(embeddings, labels * 0),
        "a batch of lone examples": at(embeddings[:CLASSES], torch.arange(CLASSES)),
        "a batch of one example": at(embeddings[:1], labels[:1]),
        "a batch of one embedding": at(embeddings[:1].expand(len(labels), -1), labels),
        "a batch of opposite embeddings": at(
            embeddings[:1] * (1 - 2 * (torch.arange(len(labels)) % 2))[:, None], labels
        ),
        "a batch of zeros": at(embeddings * 0, labels),
        "a batch of huge embeddings": at(embeddings * 1e4, labels),
        "a batch of tiny embeddings": at(embeddings * 1e-6, labels),
    }


def targets_of(labels: Tensor, consumes: str) -> Targets:
    """All that can be said of a batch."""
    return {"labels": lambda x: x, "pairs": pairs_of, "triplets": triplets_of}[consumes](labels)


def pairs_of(labels: Tensor) -> PairIndex:
    """Every pair."""
    left, right = torch.combinations(torch.arange(len(labels))).unbind(1)
    return PairIndex(left, right, labels[left] == labels[right])


def triplets_of(labels: Tensor) -> TripletIndex:
    """Every triplet."""
    positive, negative = positive_mask(labels), negative_mask(labels)
    return TripletIndex(*(positive[:, :, None] & negative[:, None]).nonzero().unbind(1))


@torch.no_grad()
def contrast(embeddings: Tensor, labels: Tensor, comparator: Comparator) -> float:
    """Mean genuine score over the mean impostor score."""
    projected = comparator.project(embeddings.double())
    scores = comparator.double().matrix(projected, projected)
    comparator.float()
    genuine, impostor = scores[positive_mask(labels)], scores[negative_mask(labels)]
    return float(genuine.mean() - impostor.mean())
