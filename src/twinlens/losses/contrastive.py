from __future__ import annotations

import torch
from torch import Tensor

from twinlens.comparators.base import Comparator
from twinlens.functional.distance import paired_euclidean
from twinlens.losses.base import Loss, LossValue, PairIndex, Targets, empty, taught
from twinlens.registry import register
from twinlens.settings import require_above_0


@register("loss", "contrastive")
class Contrastive(Loss):
    """Pull pairs of the same together, push others apart until a margin.

    L = mean(d²) over the same + mean(max(0, m − d)²) over the different, d the Euclidean distance
    of projected embeddings. Each kind is averaged apart, or the many different pairs of a batch
    would drown the few that are the same. With the cosine comparator d lies in [0, 2].

    Use it when all you have is pairs. With identities, a loss that ranks (supcon, triplet) learns
    more from each batch, since this one asks every class for the same radius.

    Source:
        Hadsell, Chopra, LeCun. Dimensionality reduction by learning an invariant mapping. CVPR
        2006, equation 4.
    """

    consumes = "pairs"
    trains_comparator = False
    usual_miner = "hard_pairs"

    def __init__(self, dim: int, classes: int, *, margin: float = 1.0) -> None:
        """Args:
        dim, classes: supplied.
        margin: distance beyond which a different pair costs nothing.
        """
        super().__init__(dim, classes)
        require_above_0({"loss.margin": margin})
        self.margin = margin

    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        assert isinstance(targets, PairIndex)
        if not len(targets):
            return empty(embeddings)
        distance = paired_euclidean(embeddings[targets.left], embeddings[targets.right])  # [n]
        same = targets.same
        near = distance[same].square()
        far = torch.relu(self.margin - distance[~same]).square()
        total = sum((part.mean() for part in (near, far) if len(part)), embeddings.sum() * 0)
        return taught(total, {"active_share": (same | (distance < self.margin)).float().mean()})
