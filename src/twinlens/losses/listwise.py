from __future__ import annotations

import torch
from torch import Tensor

from twinlens.comparators.base import Comparator
from twinlens.losses.base import Loss, LossValue, PairIndex, Targets, empty, taught
from twinlens.registry import register
from twinlens.settings import require_above_0


@register("loss", "listwise")
class Listwise(Loss):
    """Out of the candidates of a question, the right ones; or none, where none is right.

    Each example of the batch that is in two pairs or more has a list: its partners, and "none",
    whose score is 0 for a logit and `none` otherwise. L = −mean over lists of the mean, over the
    right entries, of log softmax(s/τ); "none" is right where no partner is.

    For pairs of questions and candidates, drawn by the sampler `lists`, which keeps a question's
    candidates together. "None" ties the scores of all questions to one level, so that one
    threshold can tell that a question has no good answer.

    Source:
        Cao, Qin, Liu, Tsai, Li. Learning to rank: from pairwise approach to listwise approach.
        ICML 2007, section 4 (top one probability).
    """

    consumes = "pairs"
    usual_sampler = "lists"

    def __init__(
        self, dim: int, classes: int, *, temperature: float = 1.0, none: float = 0.5
    ) -> None:
        """Args:
        dim, classes: supplied.
        temperature: τ, by which scores are divided; 1 suits logits, 0.1 suits cosines.
        none: score of "none" for a comparator that gives no logit.
        """
        super().__init__(dim, classes)
        require_above_0({"loss.temperature": temperature})
        self.temperature, self.none = temperature, none

    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        assert isinstance(targets, PairIndex)
        owner = torch.cat([targets.left, targets.right])  # each pair is in both partners' lists
        size = torch.bincount(owner, minlength=len(embeddings))
        heads = torch.nonzero(size > 1).squeeze(1)  # [lists]
        if not len(heads):
            return empty(embeddings)
        scores = comparator.paired(embeddings[targets.left], embeddings[targets.right])  # [n]
        level = 0.0 if comparator.is_logit else self.none
        of_head = owner == heads[:, None]  # [lists, 2 n]
        same = torch.cat([targets.same, targets.same])
        right = of_head & same
        nothing = ~right.any(1, keepdim=True)  # [lists, 1]
        offered = torch.cat([scores, scores]).expand(len(heads), -1)
        offered = offered.masked_fill(~of_head, -torch.inf)
        offered = torch.cat([offered, offered.new_full((len(heads), 1), level)], 1)
        chance = (offered / self.temperature).log_softmax(1)  # [lists, 2 n + 1]
        wanted = torch.cat([right, nothing], 1)
        cost = -chance.masked_fill(~wanted, 0).sum(1) / wanted.sum(1)  # [lists]
        return taught(cost.mean(), {"first": _first(chance, wanted)})


def _first(chance: Tensor, wanted: Tensor) -> Tensor:
    """Share of lists whose likeliest entry is right. -> scalar."""
    return wanted.gather(1, chance.argmax(1, keepdim=True)).float().mean()
