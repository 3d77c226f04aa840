from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twinlens.comparators.base import Comparator
from twinlens.losses.base import Loss, LossValue, Targets, empty, taught
from twinlens.registry import register
from twinlens.settings import require, require_above_0


@register("loss", "template")
class Template(Loss):
    """Binary cross-entropy of what several references decide together.

    The examples of a class are references of one another. A questioned example q has the margin
    m = mean over references r of s(q, r) − mean over pairs of references of s(r, r'), which is how
    `calibration.combine = "relative"` scores; one of the class itself is left out of its own
    references. L = mean over classes of ½ mean over their own of −log σ(z) + ½ mean over others of
    −log(1 − σ(z)), z = a·m + b with learned a > 0 and b. Of the others, as many count as the class
    has examples: those of the largest margin.

    Use it for verification against several references (signatures), where one threshold must do
    for all identities, and with a comparator of few parameters or an encoder that has learned
    already. Of a class that has no more than `references` examples in a batch nobody is verified;
    its examples are others to all: so imitations are, where the sampler draws fewer of them.

    Source:
        The margin: Fierrez-Aguilar, Ortega-Garcia, Gonzalez-Rodriguez. Target dependent score
        normalization techniques and their application to signature verification. IEEE SMC C 35,
        2005. A logistic loss of scores with learned scale and bias: Zhai, Mustafa, Kolesnikov,
        Beyer. Sigmoid loss for language image pre-training. ICCV 2023.
    """

    consumes = "labels"

    def __init__(self, dim: int, classes: int, *, references: int = 2, scale: float = 10.0) -> None:
        """Args:
        dim, classes: supplied.
        references: fewest that anyone is verified by, 2 or more.
        scale: a at the beginning.
        """
        super().__init__(dim, classes)
        require(references >= 2, "loss.references", "at least 2", references)
        require_above_0({"loss.scale": scale})
        self.references = references
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.bias = nn.Parameter(torch.tensor(0.0))

    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        assert isinstance(targets, Tensor)
        _, place, sizes = targets.unique(return_inverse=True, return_counts=True)
        verified = torch.nonzero(sizes > self.references)[:, 0]  # [classes]
        if not len(verified) or len(sizes) < 2:
            return empty(embeddings)
        member = place[:, None] == verified  # [n, classes]
        scores = comparator.matrix(embeddings, embeddings)  # [n, n]
        logits = self.log_scale.exp() * margins(scores, member) + self.bias  # [n, classes]
        costs = [
            (F.softplus(-own).mean() + F.softplus(other.topk(min(len(own), len(other)))[0]).mean())
            / 2
            for logit, mine in zip(logits.T, member.T, strict=True)
            for own, other in [(logit[mine], logit[~mine])]
        ]
        right = ((logits > 0) == member).float().mean()
        return taught(torch.stack(costs).mean(), {"accuracy": right})


def margins(scores: Tensor, member: Tensor) -> Tensor:
    """How much less alike each example is to a class than its members are to one another.

    Args:
        scores: [n, n], symmetric; of an example with itself is not looked at.
        member: [n, classes] bool; at least 3 of each class.

    Returns:
        [n, classes]; a member is compared with the others, and they among themselves.
    """
    inside = member.to(scores.dtype)
    itself = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    to_class = scores.masked_fill(itself, 0) @ inside  # [n, classes]: sums over members
    among = (to_class * inside).sum(0)  # [classes]: each pair twice
    size = inside.sum(0)
    outsider = to_class / size - among / (size * (size - 1))
    rest = (among - 2 * to_class) / ((size - 1) * (size - 2))
    return torch.where(member, to_class / (size - 1) - rest, outsider)
