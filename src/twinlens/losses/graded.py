from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from twinlens.comparators.base import Comparator
from twinlens.losses.base import Loss, LossValue, PairIndex, Targets, empty, taught
from twinlens.registry import register
from twinlens.settings import require_above_0


@register("loss", "graded")
class Graded(Loss):
    """Scores follow how alike pairs are, from 0 to 1: for pairs with a score, not a yes or no.

    L = mean cross-entropy of σ(s) against the grade, where s is the logit of a learned comparator,
    or a (score − m) of another. Pairs that are only the same or different count as 1 or 0.

    Use it when what is asked for is an order of likeness. For a decision, other losses part the
    same from the different more sharply.

    Source:
        Reimers, Gurevych. Sentence-BERT. EMNLP 2019, section 3 (regression of the cosine).
    """

    consumes = "pairs"

    def __init__(
        self, dim: int, classes: int, *, steepness: float = 6.0, middle: float = 0.5
    ) -> None:
        """Args:
        dim, classes: supplied.
        steepness: a, by which scores other than logits are multiplied.
        middle: m, the score that stands for a grade of one half.
        """
        super().__init__(dim, classes)
        require_above_0({"loss.steepness": steepness})
        self.steepness, self.middle = steepness, middle

    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        assert isinstance(targets, PairIndex)
        if not len(targets):
            return empty(embeddings)
        scores = comparator.paired(embeddings[targets.left], embeddings[targets.right])  # [n]
        grades = targets.same if targets.grade is None else targets.grade
        grades = grades.to(scores.dtype)
        if not comparator.is_logit:
            scores = self.steepness * (scores - self.middle)
        return taught(F.binary_cross_entropy_with_logits(scores, grades))
