from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from twinlens.comparators.base import Comparator
from twinlens.losses.base import Loss, LossValue, Targets, TripletIndex, empty, taught
from twinlens.registry import register
from twinlens.settings import require_at_least


@register("loss", "triplet")
class Triplet(Loss):
    """An anchor must be more alike its positive than its negative, by a margin.

    L = mean over active triplets of max(0, s(a, n) − s(a, p) + m), s the comparator's score. With
    the Euclidean comparator s = −d, the form of Hermans 2017 (FaceNet squares d); with cosine it
    is a margin between cosines, so take it smaller. Averaging over active triplets keeps the
    gradient from fading as most triplets become easy (Hermans 2017).

    Use it when ranking is what you want or triplets are what you have. It depends on its miner
    more than on anything else: see semi_hard, batch_hard, batch_all.

    Source:
        Schroff, Kalenichenko, Philbin. FaceNet. CVPR 2015, equation 2; soft margin and averaging:
        Hermans, Beyer, Leibe. In defense of the triplet loss. 2017.
    """

    consumes = "triplets"

    def __init__(self, dim: int, classes: int, *, margin: float = 0.2, soft: bool = False) -> None:
        """Args:
        dim, classes: supplied.
        margin: by how much a positive must beat a negative.
        soft: log(1 + exp(s(a, n) − s(a, p))) in place of the hinge; needs no margin.
        """
        super().__init__(dim, classes)
        require_at_least(0, {"loss.margin": margin})
        self.margin, self.soft = margin, soft

    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        assert isinstance(targets, TripletIndex)
        if not len(targets):
            return empty(embeddings)
        anchor = embeddings[targets.anchor]
        positive = comparator.paired(anchor, embeddings[targets.positive])  # [n]
        negative = comparator.paired(anchor, embeddings[targets.negative])  # [n]
        gap = negative - positive
        if self.soft:
            loss, active = F.softplus(gap), gap > -5  # below, the slope is under 1 %
            total = loss.mean()
        else:
            loss = torch.relu(gap + self.margin)
            active = loss > 0
            total = loss.sum() / active.sum().clamp_min(1)
        parts = {
            "active_share": active.float().mean(),
            "positive_score": positive.mean(),
            "negative_score": negative.mean(),
        }
        return taught(total, parts)
