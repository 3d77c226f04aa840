"""A loss of your own in one file: lifted structured similarity.

    twinlens check examples/lifted_loss.py
    twinlens train DATA --out MODEL --plugin examples/lifted_loss.py --set loss=lifted

What follows the `*` are its settings, with type and default: they can be set from TOML and --set
like those of a built-in loss, and a wrong one is named.
"""

from __future__ import annotations

import torch
from torch import Tensor

from twinlens.comparators import Comparator
from twinlens.functional.distance import negative_mask, positive_mask
from twinlens.losses import Loss, LossValue, Targets
from twinlens.losses.base import empty, taught
from twinlens.registry import register


@register("loss", "lifted")
class Lifted(Loss):
    """Each positive pair must beat, softly, every negative of either of its ends.

    L = mean over positive pairs (i, j) of max(0, m − s(i, j) + log Σ over negatives k of i and l
    of j of e^{s(i, k)} + e^{s(j, l)})², s the score scaled by 1/τ.

    Source:
        Oh Song, Xiang, Jegelka, Savarese. Deep metric learning via lifted structured feature
        embedding. CVPR 2016, equation 4, with scores in place of distances.
    """

    consumes = "labels"

    def __init__(
        self, dim: int, classes: int, *, margin: float = 1.0, temperature: float = 0.1
    ) -> None:
        """Args:
        dim, classes: supplied.
        margin: m, in units of the scaled score.
        temperature: τ, by which scores are divided.
        """
        super().__init__(dim, classes)
        self.margin, self.temperature = margin, temperature

    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        assert isinstance(targets, Tensor)
        positive, negative = positive_mask(targets), negative_mask(targets)  # [n, n]
        if not positive.any() or not negative.any():
            return empty(embeddings)
        scores = comparator.matrix(embeddings, embeddings) / self.temperature  # [n, n]
        rest = scores.masked_fill(~negative, -torch.inf).logsumexp(1)  # [n]
        left, right = positive.triu().nonzero(as_tuple=True)  # each pair once
        hinge = torch.relu(
            self.margin - scores[left, right] + torch.logaddexp(rest[left], rest[right])
        )
        return taught(hinge.square().mean(), {"active_share": (hinge > 0).float().mean()})
