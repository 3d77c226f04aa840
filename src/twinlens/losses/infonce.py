from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from twinlens.comparators.base import Comparator
from twinlens.functional.distance import negative_mask, positive_mask
from twinlens.functional.log_sum import log_sum_exp
from twinlens.losses.base import Loss, LossValue, Targets, empty, taught
from twinlens.registry import register
from twinlens.settings import require_above_0


@register("loss", "infonce")
class InfoNCE(Loss):
    """Pick one positive among negatives; further positives are left out of the choice.

    L = −mean over pairs (i, p) of the same of log e^{s(i,p)/τ} / (e^{s(i,p)/τ} + Σ over negatives
    of e^{s(i,n)/τ}). With one positive an identity and inner products this is the N-pair loss.

    Differs from supcon in that positives do not compete with each other, so tight classes are not
    pushed to spread. Prefer it when a batch has two examples of each identity.

    Source:
        Sohn. Improved deep metric learning with multi-class N-pair loss objective. NeurIPS 2016,
        equation 6; van den Oord, Li, Vinyals. Contrastive predictive coding. 2018, equation 4.
    """

    consumes = "labels"

    def __init__(self, dim: int, classes: int, *, temperature: float = 0.07) -> None:
        """Args:
        dim, classes: supplied.
        temperature: τ, by which scores are divided.
        """
        super().__init__(dim, classes)
        require_above_0({"loss.temperature": temperature})
        self.temperature = temperature

    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        assert isinstance(targets, Tensor)
        positive, negative = positive_mask(targets), negative_mask(targets)  # [n, n]
        if not (positive.any() and negative.any()):
            return empty(embeddings)
        scores = comparator.matrix(embeddings, embeddings) / self.temperature  # [n, n]
        rest = log_sum_exp(scores, negative, dim=1)[:, None]  # [n, 1]
        cost = F.softplus(rest - scores)  # −log of the choice
        return taught(cost[positive].mean())
