from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from twinlens.comparators.base import Comparator
from twinlens.functional.distance import cosine_matrix
from twinlens.functional.log_sum import log1p_sum_exp
from twinlens.losses.base import Loss, LossValue, Targets, empty, taught
from twinlens.registry import register
from twinlens.settings import require_above_0


@register("loss", "proxy_anchor")
class ProxyAnchor(Loss):
    """One learned proxy a class is the anchor; the examples of a batch are pulled and pushed.

    L = mean over proxies with a positive in the batch of log(1 + Σ e^{−α(s(x,p) − δ)}) + mean over
    all proxies of log(1 + Σ over negatives of e^{α(s(x,p) + δ)}), s the cosine.

    Converges fast and needs no pairs in a batch. Like ArcFace it owns a vector a class, so it wants
    many examples of each, and compares by cosine whatever the comparator: use comparator=cosine.

    Source:
        Kim, Kim, Cho, Kwak. Proxy anchor loss for deep metric learning. CVPR 2020, equation 4.
    """

    consumes = "labels"
    trains_comparator = False

    def __init__(
        self, dim: int, classes: int, *, margin: float = 0.1, sharpness: float = 32.0
    ) -> None:
        """Args:
        dim, classes: supplied; one proxy a class.
        margin: δ.
        sharpness: α.
        """
        super().__init__(dim, classes)
        require_above_0({"loss.sharpness": sharpness})
        self.margin, self.sharpness = margin, sharpness
        self.proxies = nn.Parameter(torch.randn(classes, dim) / math.sqrt(dim))

    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        assert isinstance(targets, Tensor)
        if not len(targets):
            return empty(embeddings)
        cosine = cosine_matrix(embeddings, self.proxies)  # [n, classes]
        own = torch.zeros_like(cosine, dtype=torch.bool).scatter_(1, targets[:, None], True)
        pull = log1p_sum_exp(-self.sharpness * (cosine - self.margin), own, dim=0)  # [classes]
        push = log1p_sum_exp(self.sharpness * (cosine + self.margin), ~own, dim=0)
        return taught(pull[own.any(0)].mean() + push.mean())
