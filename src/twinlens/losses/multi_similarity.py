from __future__ import annotations

import torch
from torch import Tensor

from twinlens.comparators.base import Comparator
from twinlens.functional.distance import negative_mask, positive_mask
from twinlens.functional.log_sum import log1p_sum_exp
from twinlens.losses.base import Loss, LossValue, Targets, empty, taught
from twinlens.registry import register
from twinlens.settings import require_above_0


@register("loss", "multi_similarity")
class MultiSimilarity(Loss):
    """Weigh each pair by its own and by its relative similarity, after mining the hard ones.

    Mining keeps positives less alike than the hardest negative + ε and negatives more alike than
    the hardest positive − ε. Then L = mean over anchors of 1/α log(1 + Σ e^{−α(s(i,p) − λ)}) +
    1/β log(1 + Σ e^{β(s(i,n) − λ)}).

    Made for cosine similarities; with another comparator λ must be moved. Needs no tuned miner.

    Source:
        Wang et al. Multi-similarity loss with general pair weighting. CVPR 2019, equations 10-15.
    """

    consumes = "labels"

    def __init__(
        self,
        dim: int,
        classes: int,
        *,
        alpha: float = 2.0,
        beta: float = 50.0,
        base: float = 0.5,
        epsilon: float = 0.1,
    ) -> None:
        """Args:
        dim, classes: supplied.
        alpha, beta: sharpness over positives and over negatives.
        base: λ, the score around which pairs are weighed.
        epsilon: slack of the mining.
        """
        super().__init__(dim, classes)
        require_above_0({"loss.alpha": alpha, "loss.beta": beta})
        self.alpha, self.beta, self.base, self.epsilon = alpha, beta, base, epsilon

    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        assert isinstance(targets, Tensor)
        positive, negative = positive_mask(targets), negative_mask(targets)  # [n, n]
        if not (positive.any() and negative.any()):
            return empty(embeddings)
        scores = comparator.matrix(embeddings, embeddings)  # [n, n]
        with torch.no_grad():
            hardest_negative = scores.masked_fill(~negative, -torch.inf).amax(1, keepdim=True)
            hardest_positive = scores.masked_fill(~positive, torch.inf).amin(1, keepdim=True)
            kept_positive = positive & (scores < hardest_negative + self.epsilon)
            kept_negative = negative & (scores > hardest_positive - self.epsilon)
            anchors = kept_positive.any(1) & kept_negative.any(1)
        pull = log1p_sum_exp(-self.alpha * (scores - self.base), kept_positive, dim=1) / self.alpha
        push = log1p_sum_exp(self.beta * (scores - self.base), kept_negative, dim=1) / self.beta
        return taught((pull + push).mean(), {"active_share": anchors.float().mean()})
