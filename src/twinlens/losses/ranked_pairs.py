from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from twinlens.comparators.base import Comparator
from twinlens.losses.base import Loss, LossValue, PairIndex, Targets, empty, taught
from twinlens.registry import register
from twinlens.settings import require_above_0


@register("loss", "ranked_pairs")
class RankedPairs(Loss):
    """Every pair of the same must score above every pair of different ones.

    L = mean over pairs p of the same and pairs n of different ones of
    log(1 + exp((s(n) − s(p)) / τ)), a smooth count of how often the order is wrong: 1 − the area
    under the ROC curve of the batch. Whoever the pairs are of, they are compared: so it is one
    threshold for all that gets better.

    For verification, where the pairs of a batch are those that will be asked about, as the sampler
    `verification` draws them. Many easy pairs of strangers among them would hide what the hard ones
    teach; for such take supcon.

    Source:
        Burges et al. Learning to rank using gradient descent. ICML 2005, equation 3 (RankNet), of
        all pairs against all. As a bound of the area under the curve: Gao, Zhou. On the consistency
        of AUC pairwise optimization. IJCAI 2015.
    """

    consumes = "pairs"
    usual_sampler = "verification"

    def __init__(self, dim: int, classes: int, *, temperature: float = 0.08) -> None:
        """Args:
        dim, classes: supplied.
        temperature: τ, by which differences of scores are divided.
        """
        super().__init__(dim, classes)
        require_above_0({"loss.temperature": temperature})
        self.temperature = temperature

    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        assert isinstance(targets, PairIndex)
        same = targets.same
        if not (same.any() and (~same).any()):
            return empty(embeddings)
        scores = comparator.paired(embeddings[targets.left], embeddings[targets.right])  # [n]
        gap = scores[~same] - scores[same][:, None]  # [same, different]
        parts = {"auc": (gap < 0).float().mean()}
        return taught(F.softplus(gap / self.temperature).mean(), parts)
