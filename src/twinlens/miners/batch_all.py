from __future__ import annotations

import torch
from torch import Tensor

from twinlens.comparators.base import Comparator
from twinlens.functional.distance import negative_mask, positive_mask
from twinlens.losses.base import TripletIndex
from twinlens.miners.base import Miner
from twinlens.miners.thin import require_limit, thin
from twinlens.registry import register


@register("miner", "batch_all")
class BatchAll(Miner):
    """Every triplet of a batch; past a limit, so many of them by chance, each equally likely.

    The gentlest miner: it looks at no score, so it cannot starve or fall for a wrong label, but
    soon most of its triplets are easy. A batch has [anchors, positives, negatives] triplets; they
    are counted and numbered, never formed. Memory: [batch, batch] and `limit` triplets.

    Source:
        Hermans, Beyer, Leibe. In defense of the triplet loss for person re-identification. 2017,
        equation 6.
    """

    produces = "triplets"

    def __init__(self, *, limit: int = 8192) -> None:
        """Args:
        limit: triplets at most.

        Raises:
            ConfigError: no room for a triplet.
        """
        super().__init__()
        require_limit(limit)
        self.limit = limit

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        comparator: Comparator,
        generator: torch.Generator,
    ) -> TripletIndex:
        negative = negative_mask(labels)
        anchor, positive = positive_mask(labels).nonzero().unbind(1)  # [pairs] each
        # Triplets are numbered pair after pair, so a number names its pair and which negative.
        ends = negative.sum(1)[anchor].cumsum(0)  # [pairs]
        total = int(ends[-1]) if len(ends) else 0
        number = thin(total, self.limit, generator).to(labels.device)  # [n]
        pair = torch.searchsorted(ends, number, right=True)
        anchor, positive, before_end = anchor[pair], positive[pair], ends[pair] - number
        others = negative.int().argsort(dim=1, stable=True)  # [batch, batch], negatives last
        return TripletIndex(anchor, positive, others[anchor, len(labels) - before_end])
