from __future__ import annotations

import torch
from torch import Tensor

from twinlens.comparators.base import Comparator
from twinlens.losses.base import Loss, LossValue, PairIndex, Targets, empty, taught
from twinlens.registry import register
from twinlens.settings import require_at_least


@register("loss", "ranked_triplet")
class RankedTriplet(Loss):
    """A better candidate of a question must score above each worse one of it, by a margin.

    Each example of the batch that is in two pairs or more is a question, its partners are its
    candidates. Where pairs are graded, a better one is of a higher grade; else the same is better
    than the different. L = mean over active triplets (question q, better b, worse w) of
    max(0, s(q, w) − s(q, b) + m (g(b) − g(w))), s the comparator's score and g the grade, 1 or 0
    where there is only yes and no. Candidates as good as one another have no order.

    For pairs of questions and candidates, drawn by the sampler `lists`, which keeps a question's
    candidates together. It learns an order and nothing else: scores of two questions are not
    compared, so take `listwise` where one threshold shall tell that a question has no good answer.

    Source:
        Joachims. Optimizing search engines using clickthrough data. KDD 2002, section 4.2
        (preferences among the documents of one query, with a hinge); the mean over active
        triplets: Hermans, Beyer, Leibe. In defense of the triplet loss. 2017.
    """

    consumes = "pairs"
    usual_sampler = "lists"
    needs_order = True

    def __init__(self, dim: int, classes: int, *, margin: float = 0.2) -> None:
        """Args:
        dim, classes: supplied.
        margin: by how much the best must beat the worst; 0.2 suits cosines, 1 suits logits.
        """
        super().__init__(dim, classes)
        require_at_least(0, {"loss.margin": margin})
        self.margin = margin

    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        assert isinstance(targets, PairIndex)
        owner = torch.cat([targets.left, targets.right])  # each pair is in both partners' lists
        scores = comparator.paired(embeddings[targets.left], embeddings[targets.right])  # [n]
        grade = targets.same if targets.grade is None else targets.grade
        scores, grade = scores.repeat(2), grade.to(scores.dtype).repeat(2)  # [2 n]
        better, worse = _ordered(owner, grade)  # [triplets]
        if not len(better):
            return empty(embeddings)
        gap = scores[worse] - scores[better]
        cost = torch.relu(gap + self.margin * (grade[better] - grade[worse]))
        active = cost > 0
        parts = {
            "active_share": active.float().mean(),
            "better_score": scores[better].mean(),
            "worse_score": scores[worse].mean(),
        }
        return taught(cost.sum() / active.sum().clamp_min(1), parts)


def _ordered(owner: Tensor, grade: Tensor) -> tuple[Tensor, Tensor]:
    """Every two entries of one owner of which the first has a higher grade.

    Args:
        owner: [n] int64 whose list each entry is in.
        grade: [n].

    Returns:
        Positions of the better and of the worse entries, [k] int64 each.
    """
    lists = owner.argsort(stable=True).split(owner.bincount().tolist())
    pairs = [torch.nonzero(grade[one][:, None] > grade[one]) for one in lists]  # [k, 2] each
    places = [one[two] for one, two in zip(lists, pairs, strict=True)]
    better, worse = torch.cat([owner.new_zeros((0, 2)), *places]).T
    return better, worse
