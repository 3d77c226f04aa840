from __future__ import annotations

import torch
from torch import Tensor

from twinlens.comparators.base import Comparator
from twinlens.functional.distance import negative_mask, positive_mask
from twinlens.losses.base import Loss, LossValue, Targets, empty, taught
from twinlens.registry import register
from twinlens.settings import require_above_0


@register("loss", "supcon")
class SupCon(Loss):
    """Supervised contrastive: each example must pick its own kind out of the whole batch.

    L = −mean over anchors i, over positives p of i, of log softmax over all others a of s(i, a)/τ,
    taken at p (the form L_out). Anchors without a positive are left out, and so is a batch of one
    class, in which there is nothing to tell apart.

    The default, and the first to try: every pair of a batch teaches, hard ones the most, and there
    is nothing to mine. It wants a few examples of many identities in each batch (the sampler
    `identities`). Not for data of given pairs only.

    Source:
        Khosla et al. Supervised contrastive learning. NeurIPS 2020, equation 2.
    """

    consumes = "labels"

    def __init__(self, dim: int, classes: int, *, temperature: float = 0.07) -> None:
        """Args:
        dim, classes: supplied.
        temperature: τ, by which scores are divided; small = hard negatives count more.
        """
        super().__init__(dim, classes)
        require_above_0({"loss.temperature": temperature})
        self.temperature = temperature

    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        assert isinstance(targets, Tensor)
        positive = positive_mask(targets)  # [n, n]
        count = positive.sum(1)
        if not (count.any() and negative_mask(targets).any()):
            return empty(embeddings)
        scores = comparator.matrix(embeddings, embeddings) / self.temperature  # [n, n]
        itself = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
        scores = scores.masked_fill(itself, -torch.inf)
        chance = scores - scores.logsumexp(1, keepdim=True)
        mean = chance.masked_fill(~positive, 0).sum(1) / count.clamp_min(1)
        return taught(-mean[count > 0].mean())
