from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from twinlens.comparators.base import Comparator
from twinlens.losses.base import Loss, LossValue, PairIndex, Targets, empty, taught
from twinlens.registry import register


@register("loss", "cross_entropy")
class CrossEntropy(Loss):
    """Binary cross-entropy of "the same", over the logit of a learned comparator.

    L = ½ mean over same of −log σ(s) + ½ mean over different of −log(1 − σ(s)): both kinds weigh
    alike, so a score of 0 means even odds at equal numbers of both.

    Use it with comparator=learned, when what makes two things alike is not a distance. The head
    has to look at every pair, so no index can search by it.

    Source:
        Koch, Zemel, Salakhutdinov. Siamese neural networks for one-shot image recognition. 2015.
    """

    consumes = "pairs"
    needs_learned = True

    def __init__(self, dim: int, classes: int, *, balanced: bool = True) -> None:
        """Args:
        dim, classes: supplied.
        balanced: weigh both kinds alike; else every pair weighs the same.
        """
        super().__init__(dim, classes)
        self.balanced = balanced

    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        assert isinstance(targets, PairIndex)
        if not len(targets):
            return empty(embeddings)
        logits = comparator.paired(embeddings[targets.left], embeddings[targets.right])  # [n]
        same = targets.same
        loss = F.binary_cross_entropy_with_logits(logits, same.to(logits.dtype), reduction="none")
        right = ((logits > 0) == same).float().mean()
        kinds = [loss[same], loss[~same]]
        if self.balanced and all(len(kind) for kind in kinds):
            return taught((kinds[0].mean() + kinds[1].mean()) / 2, {"accuracy": right})
        return taught(loss.mean(), {"accuracy": right})
