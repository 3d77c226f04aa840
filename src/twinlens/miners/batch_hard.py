from __future__ import annotations

import torch
from torch import Tensor

from twinlens.comparators.base import Comparator
from twinlens.functional.distance import negative_mask, positive_mask
from twinlens.losses.base import TripletIndex
from twinlens.miners.base import Miner
from twinlens.registry import register


@register("miner", "batch_hard")
class BatchHard(Miner):
    """Of each anchor the positive least alike and the negative most alike.

    One triplet an anchor, and each is the one that teaches most. Strong once training is under
    way; from scratch, or with wrong labels, it can pull all embeddings into one point, which the
    soft margin of the triplet loss makes less likely. Start with semi_hard then. Anchors without
    a positive or a negative are left out. Memory: [batch, batch].

    Source:
        Hermans, Beyer, Leibe. In defense of the triplet loss for person re-identification. 2017,
        equation 5.
    """

    produces = "triplets"

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        comparator: Comparator,
        generator: torch.Generator,
    ) -> TripletIndex:
        positive, negative = positive_mask(labels), negative_mask(labels)  # [batch, batch]
        anchor = (positive.any(1) & negative.any(1)).nonzero().squeeze(1)  # [n]
        if not len(anchor):
            return TripletIndex(anchor, anchor, anchor)
        scores = comparator.matrix(embeddings, embeddings)
        least = scores.masked_fill(~positive, torch.inf).argmin(1)
        most = scores.masked_fill(~negative, -torch.inf).argmax(1)
        return TripletIndex(anchor, least[anchor], most[anchor])
