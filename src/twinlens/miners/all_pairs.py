from __future__ import annotations

import torch
from torch import Tensor

from twinlens.comparators.base import Comparator
from twinlens.functional.distance import negative_mask, positive_mask
from twinlens.losses.base import PairIndex
from twinlens.miners.base import Miner
from twinlens.miners.thin import require_limit, thin_pairs
from twinlens.registry import register


@register("miner", "all_pairs")
class AllPairs(Miner):
    """Every pair of a batch, once; past a limit as many of one kind as of the other.

    The default for losses that take pairs. It looks at no score, so it is fair to every identity
    and cannot starve. Memory: [batch, batch].
    """

    produces = "pairs"

    def __init__(self, *, limit: int = 8192) -> None:
        """Args:
        limit: pairs at most, half of each kind; a kind that has fewer gives all it has.

        Raises:
            ConfigError: no room for a pair of each kind.
        """
        super().__init__()
        require_limit(limit, 2)
        self.limit = limit

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        comparator: Comparator,
        generator: torch.Generator,
    ) -> PairIndex:
        return thin_pairs(positive_mask(labels), negative_mask(labels), self.limit, generator)
