from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from twinlens.comparators.base import Comparator
from twinlens.functional.distance import negative_mask, positive_mask
from twinlens.functional.log_sum import log_sum_exp
from twinlens.losses.base import Loss, LossValue, Targets, empty, taught
from twinlens.registry import register
from twinlens.settings import require_above_0


@register("loss", "circle")
class Circle(Loss):
    """Each score is pulled to its own optimum, the harder the further it is from it.

    L = mean over anchors of log(1 + Σ e^{γ a(n) (s(i,n) − m)} · Σ e^{−γ a(p) (s(i,p) − 1 + m)}),
    a(n) = max(0, s(i,n) + m) and a(p) = max(0, 1 + m − s(i,p)). The weights a are held still: no
    gradient goes through them, so the gradient is not the derivative of the value. Anchors
    without a positive or a negative are left out.

    Where supcon and the triplet loss only care for s(p) − s(n), this one wants s(p) near 1 and
    s(n) near 0, so one threshold fits all anchors: try it for verification. Made for cosines;
    with another comparator the optima 1 and 0 mean little.

    Source:
        Sun et al. Circle loss: a unified perspective of pair similarity optimization. CVPR 2020,
        equations 5, 6 and 8; the defaults are theirs for retrieval.
    """

    consumes = "labels"
    gradient_is_exact = False

    def __init__(self, dim: int, classes: int, *, margin: float = 0.4, scale: float = 80.0) -> None:
        """Args:
        dim, classes: supplied.
        margin: m; smaller is stricter.
        scale: γ, the inverse of a temperature.
        """
        super().__init__(dim, classes)
        require_above_0({"loss.scale": scale})
        self.margin, self.scale = margin, scale

    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        assert isinstance(targets, Tensor)
        positive, negative = positive_mask(targets), negative_mask(targets)  # [n, n]
        anchors = positive.any(1) & negative.any(1)
        if not anchors.any():
            return empty(embeddings)
        scores = comparator.matrix(embeddings, embeddings)  # [n, n]
        still = scores.detach()
        pull = torch.relu(1 + self.margin - still) * (1 - self.margin - scores)
        push = torch.relu(still + self.margin) * (scores - self.margin)
        cost = F.softplus(
            log_sum_exp(self.scale * push, negative, dim=1)
            + log_sum_exp(self.scale * pull, positive, dim=1)
        )  # [n]
        return taught(cost[anchors].mean())
