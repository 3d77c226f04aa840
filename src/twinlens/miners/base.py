"""What a miner is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from twinlens.comparators.base import Comparator
from twinlens.losses.base import PairIndex, TripletIndex


class Miner(nn.Module, ABC):
    """Embeddings and labels -> the pairs or triplets worth learning from.

    Memory is bounded: nothing larger than [batch, batch] plus `limit` tuples is formed. An empty
    answer is returned as an empty index, which the loss reports as "empty_share". A subclass takes
    its settings as keyword-only arguments.

    Attributes:
        produces: "pairs" or "triplets".
    """

    produces: ClassVar[Literal["pairs", "triplets"]]

    @abstractmethod
    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        comparator: Comparator,
        generator: torch.Generator,
    ) -> PairIndex | TripletIndex:
        """Choose tuples of one batch. Called without gradient.

        Args:
            embeddings: [batch, dim], already projected by the comparator.
            labels: [batch] int64.
            comparator: gives scores; larger = more alike.
            generator: the only source of randomness.
        """
