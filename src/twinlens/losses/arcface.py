from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twinlens.comparators.base import Comparator
from twinlens.functional.distance import cosine_matrix
from twinlens.losses.base import Loss, LossValue, Targets, empty, taught
from twinlens.registry import register
from twinlens.settings import require_above_0


@register("loss", "arcface")
class ArcFace(Loss):
    """Classify training identities by the angle to a learned centre, with an angular margin.

    L = cross-entropy of s·cos(θ + m·[own class]), θ the angle between an embedding and a class
    centre. Where θ + m would pass π, the linear cos θ − m sin m goes on falling instead.

    Strong with many identities and many examples of each (faces). It owns one centre a class, so
    with a few examples each, or when every batch brings new classes, prefer supcon. It compares by
    cosine whatever the comparator, so use it with comparator=cosine.

    Source:
        Deng, Guo, Xue, Zafeiriou. ArcFace: additive angular margin loss. CVPR 2019, equation 3.
    """

    consumes = "labels"
    trains_comparator = False

    def __init__(
        self, dim: int, classes: int, *, margin_rad: float = 0.3, scale: float = 16.0
    ) -> None:
        """Args:
        dim, classes: supplied; one centre a class.
        margin_rad: m, in radians.
        scale: s, the inverse of a temperature.
        """
        super().__init__(dim, classes)
        require_above_0({"loss.scale": scale})
        self.margin_rad, self.scale = margin_rad, scale
        self.centres = nn.Parameter(torch.randn(classes, dim) / math.sqrt(dim))

    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        assert isinstance(targets, Tensor)
        if not len(targets):
            return empty(embeddings)
        cosine = cosine_matrix(embeddings, self.centres).clamp(-1, 1)  # [n, classes]
        own = cosine.gather(1, targets[:, None])  # [n, 1]
        sine = (1 - own.square()).clamp_min(1e-7).sqrt()
        turned = own * math.cos(self.margin_rad) - sine * math.sin(self.margin_rad)
        beyond = own - math.sin(self.margin_rad) * self.margin_rad
        marked = torch.where(own > math.cos(math.pi - self.margin_rad), turned, beyond)
        logits = self.scale * cosine.scatter(1, targets[:, None], marked)
        accuracy = (cosine.argmax(1) == targets).float().mean()
        return taught(F.cross_entropy(logits, targets), {"accuracy": accuracy})
