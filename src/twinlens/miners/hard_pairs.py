from __future__ import annotations

import torch
from torch import Tensor

from twinlens.comparators.base import Comparator
from twinlens.errors import ConfigError
from twinlens.functional.distance import negative_mask, positive_mask
from twinlens.losses.base import PairIndex
from twinlens.miners.base import Miner
from twinlens.miners.thin import require_limit, thin_pairs
from twinlens.registry import register


@register("miner", "hard_pairs")
class HardPairs(Miner):
    """Every pair of the same, and of each example the negatives that are most alike to it.

    Use it when the contrastive loss has gone quiet under all_pairs: most pairs of a batch are far
    beyond the margin and cost nothing. Mislabelled examples are the hardest of all, so clean the
    labels first. Memory: [batch, batch].

    Source:
        Simo-Serra et al. Discriminative learning of deep convolutional feature point descriptors.
        ICCV 2015, section 3.3.
    """

    produces = "pairs"

    def __init__(self, *, negatives: int = 2, limit: int = 8192) -> None:
        """Args:
        negatives: hardest negatives of each example. A pair that is hard for both counts once.
        limit: pairs at most, half of each kind; a kind that has fewer gives all it has.

        Raises:
            ConfigError: no negative, or no room for a pair of each kind.
        """
        super().__init__()
        require_limit(limit, 2)
        if negatives < 1:
            raise ConfigError(f"miner.negatives must be at least 1. Got {negatives}.")
        self.negatives, self.limit = negatives, limit

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        comparator: Comparator,
        generator: torch.Generator,
    ) -> PairIndex:
        negative = negative_mask(labels)  # [n, n]
        scores = comparator.matrix(embeddings, embeddings).masked_fill(~negative, -torch.inf)
        hardest = scores.topk(min(self.negatives, len(scores)), dim=1).indices  # [n, negatives]
        hard = torch.zeros_like(negative).scatter_(1, hardest, True) & negative
        return thin_pairs(positive_mask(labels), hard | hard.T, self.limit, generator)
