"""What a loss is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from twinlens.comparators.base import Comparator


@dataclass(frozen=True, slots=True)
class PairIndex:
    """Pairs of rows of a batch: left, right [n] int64; same [n] bool; grade [n] 0..1 or None."""

    left: Tensor
    right: Tensor
    same: Tensor
    grade: Tensor | None = None

    def __len__(self) -> int:
        return len(self.left)


@dataclass(frozen=True, slots=True)
class TripletIndex:
    """Triplets of rows of a batch, each [n] int64."""

    anchor: Tensor
    positive: Tensor
    negative: Tensor

    def __len__(self) -> int:
        return len(self.anchor)


Targets = Tensor | PairIndex | TripletIndex
"""What a loss is told about a batch: labels [batch] int64, pairs, or triplets."""


@dataclass(frozen=True, slots=True)
class LossValue:
    """A scalar to minimise, and named detached parts for the log.

    Attributes:
        total: scalar, with a graph.
        parts: the loop means each over the batches that have it. "empty_share" is in every batch:
            1 when there was nothing to learn from, else 0. "active_share", where a loss has tuples
            that cost nothing, is the share of the others; an empty batch has none.
    """

    total: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)


class Loss(nn.Module, ABC):
    """Embeddings and what is known of them -> a scalar.

    A subclass takes `(dim, classes)` first, which the framework supplies (`classes` = number of
    training identities times variants; only proxy losses use it), then its settings as
    keyword-only arguments. It is a module, so that a loss may own parameters.

    Attributes:
        consumes: what `targets` is: "labels", "pairs" or "triplets".
        needs_learned: whether only a comparator whose score is a logit makes sense.
        trains_comparator: whether it compares by the comparator's score. One that takes a distance
            of its own would leave the head of a learned comparator as it began.
        usual_miner: name of the miner that it is trained with unless another is named; None = the
            usual one of what it consumes.
        usual_sampler: name of the sampler that it is trained with, on data of the kind that this
            draws from, unless another is named; None = the usual one of the data.
        needs_order: whether it learns only from two pairs of one example, one of them better: given
            pairs without any such two are refused.
        gradient_is_exact: whether the gradient is the derivative of the value; not so where
            weights are held still on purpose.
    """

    consumes: ClassVar[Literal["labels", "pairs", "triplets"]]
    needs_learned: ClassVar[bool] = False
    trains_comparator: ClassVar[bool] = True
    usual_miner: ClassVar[str | None] = None
    usual_sampler: ClassVar[str | None] = None
    needs_order: ClassVar[bool] = False
    gradient_is_exact: ClassVar[bool] = True

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.dim = dim
        self.classes = classes

    @abstractmethod
    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        """The loss of one batch.

        Args:
            embeddings: [batch, dim] float32 (float64 in checks), already `comparator.project`ed.
            targets: as `consumes` says.
            comparator: scores pairs; its score is larger when more alike.

        Returns:
            A scalar that is finite and >= 0 or bounded below; 0 with a gradient graph when no
            pair or triplet contributes, never NaN.
        """


def empty(embeddings: Tensor) -> LossValue:
    """The value of a batch that taught nothing: 0, with a graph. [batch, dim] -> scalar."""
    zero = embeddings.sum() * 0
    return LossValue(zero, {"empty_share": torch.ones_like(zero.detach())})


def taught(total: Tensor, parts: Mapping[str, Tensor] | None = None) -> LossValue:
    """The value of a batch that had something to learn from.

    Args:
        total: scalar, with a graph.
        parts: further ones for the log, each a scalar; detached here.
    """
    detached = {name: part.detach() for name, part in (parts or {}).items()}
    return LossValue(total, {"empty_share": torch.zeros_like(total.detach()), **detached})
