"""A miner of your own in one file: easy positives with hard negatives.

    twinlens check examples/easy_positive_miner.py
    twinlens train DATA --out MODEL --plugin examples/easy_positive_miner.py \
      --set loss=triplet --set miner=easy_positive
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from twinlens.comparators import Comparator
from twinlens.functional.distance import negative_mask, positive_mask
from twinlens.losses import TripletIndex
from twinlens.miners.base import Miner
from twinlens.registry import register


@register("miner", "easy_positive")
class EasyPositive(Miner):
    """For each example its most alike positive, and its most alike negative below that.

    A class with several looks (a digit written in two ways) need not be pulled into one point, so
    the embedding stays able to tell new classes apart.

    Source:
        Xuan, Stylianou, Pless. Improved embeddings with easy positive triplet mining. WACV 2020.
    """

    produces: ClassVar[Literal["pairs", "triplets"]] = "triplets"

    def __init__(self, *, slack: float = 0.1) -> None:
        """Args:
        slack: by how much a negative may be more alike than the positive.
        """
        super().__init__()
        self.slack = slack

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        comparator: Comparator,
        generator: torch.Generator,
    ) -> TripletIndex:
        if not len(labels):
            return TripletIndex(labels, labels, labels)
        scores = comparator.matrix(embeddings, embeddings)  # [n, n]
        near = scores.masked_fill(~positive_mask(labels), -torch.inf)
        best, positive = near.max(1)  # [n]
        allowed = negative_mask(labels) & (scores < best[:, None] + self.slack)
        negative = scores.masked_fill(~allowed, -torch.inf).argmax(1)  # [n]
        anchor = (near.isfinite().any(1) & allowed.any(1)).nonzero().squeeze(1)
        return TripletIndex(anchor, positive[anchor], negative[anchor])
