from __future__ import annotations

import torch
from torch import Tensor

from twinlens.comparators.base import Comparator
from twinlens.errors import ConfigError
from twinlens.functional.distance import negative_mask, positive_mask
from twinlens.losses.base import TripletIndex
from twinlens.miners.base import Miner
from twinlens.miners.thin import require_limit, thin
from twinlens.registry import register


@register("miner", "semi_hard")
class SemiHard(Miner):
    """To every pair of the same, a negative that is less alike, but by less than a margin.

    s(a, p) − m < s(a, n) < s(a, p), one such n by chance. The triplet is in the right order and
    still has a loss: it teaches, yet never asks for what the embedding gets plainly wrong, which
    is what makes the hardest negatives collapse a young network. A pair without such a negative
    is left out; if no pair has one the answer is empty. Set `margin` as loss.margin is.

    Both ends of the window are found by binary search in the sorted scores of the anchor, so no
    [pairs, batch] is formed. Memory: [batch, batch] and `limit` triplets.

    Source:
        Schroff, Kalenichenko, Philbin. FaceNet. CVPR 2015, section 3.2, equation 4.
    """

    produces = "triplets"

    def __init__(self, *, margin: float = 0.2, limit: int = 8192) -> None:
        """Args:
        margin: how much less alike a negative may be than the positive, in units of the score.
        limit: triplets at most; past it, so many pairs by chance.

        Raises:
            ConfigError: the margin is not above 0, or no room for a triplet.
        """
        super().__init__()
        require_limit(limit)
        if not margin > 0:
            raise ConfigError(f"miner.margin must be above 0. Got {margin}.")
        self.margin, self.limit = margin, limit

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        comparator: Comparator,
        generator: torch.Generator,
    ) -> TripletIndex:
        scores = comparator.matrix(embeddings, embeddings)  # [batch, batch]
        ladder = scores.masked_fill(~negative_mask(labels), torch.inf).sort(dim=1)
        low = torch.searchsorted(ladder.values, scores - self.margin, right=True)
        high = torch.searchsorted(ladder.values, scores)  # [batch, batch]: rungs below s(a, p)
        pairs = (positive_mask(labels) & (high > low)).nonzero()  # [pairs, 2]
        anchor, positive = pairs[thin(len(pairs), self.limit, generator)].unbind(1)  # [n] each
        low, high = low[anchor, positive], high[anchor, positive]
        share = torch.rand(len(anchor), generator=generator).to(scores.device)
        rung = torch.minimum(low + (share * (high - low)).long(), high - 1)  # rounding may reach it
        return TripletIndex(anchor, positive, ladder.indices[anchor, rung])
