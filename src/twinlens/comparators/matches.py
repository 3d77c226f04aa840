from __future__ import annotations

import torch
from torch import Tensor, nn

from twinlens.comparators.base import Comparator, require_parts
from twinlens.functional.late import (
    Parts,
    coverage,
    following,
    in_blocks,
    in_order,
    of_like_size,
    similarities,
)
from twinlens.registry import register
from twinlens.settings import require_at_least, require_share

_CENTRES = (1.0, 0.9, 0.7, 0.5, 0.3, 0.1, -0.1, -0.3, -0.5)
_WIDTHS = (0.02, *(0.1,) * 8)
"""Of the kernels: the first counts parts that are the same, each other those about as alike."""
_LENGTHS = 3
_STEEPNESS = 4.0
"""How soon one side is the longer one: at a quarter more, 7 to 3."""


@register("comparator", "matches")
class Matches(Comparator):
    """How many counterparts each part finds, and how near: the score is a logit of "the same".

    For an encoder that gives a row of `steps` parts, as `stepwise`. What a head learns from:

    * lexical evidence: the share of parts that the other has too, each weighed by how much it
      counts (for texts: as its inverse document frequency, at first), and how many;
    * soft evidence: the same for parts that are about 0.9, 0.7 … −0.5 alike, and the best match;
    * order: the same of every two parts that follow one another;
    * lengths: how many parts there are, and what they count together;
    * the whole: |a − b| and a · b of the weighed means of all parts.

    Each is taken both ways: what the shorter one finds in the longer, a question in an answer, and
    the other way round; so a score is the same from both sides. Made for little data: what is the
    same is seen before anything is learned. An index cannot serve it: retrieve by another model,
    then rank by this.

    Source:
        Xiong, Dai, Callan, Liu, Power. End-to-end neural ad-hoc ranking with kernel pooling. SIGIR
        2017, equations 4 to 7.
    """

    is_logit = True

    def __init__(
        self,
        dim: int,
        *,
        steps: int = 32,
        hidden: int = 64,
        order: bool = True,
        whole: bool = True,
        dropout: float = 0.2,
    ) -> None:
        """Args:
        dim: supplied.
        steps: parts in a row, as the encoder has them.
        hidden: width of the head's hidden layer; 0 = one linear layer.
        order: whether parts that follow one another are matched too.
        whole: whether the weighed means enter; without them only what matches counts.
        dropout: share of the head's inputs, and of its hidden features, zeroed in training.

        Raises:
            ConfigError: a setting is out of range, or an embedding does not fall into so many
                parts.
        """
        super().__init__()
        require_parts(dim, steps)
        require_at_least(0, {"comparator.hidden": hidden})
        require_share("comparator.dropout", dropout)
        self.steps, self.local = steps, dim // steps
        self.order, self.whole = order, whole
        rounds = 2 if self.order else 1
        count = rounds * 2 * (len(_CENTRES) + 1) + _LENGTHS + (2 * self.local if whole else 0)
        hides = [nn.Linear(count, hidden), nn.ReLU(), nn.Dropout(dropout)] if hidden else []
        self.scale = nn.BatchNorm1d(count, affine=False)
        self.head = nn.Sequential(nn.Dropout(dropout), *hides, nn.Linear(hidden or count, 1))

    def paired(self, a: Tensor, b: Tensor) -> Tensor:
        features = of_like_size(self._features, a, b, self.steps)  # [n, features]
        return self.head(self._scaled(features)).squeeze(1)  # [n]

    def _features(self, a: Tensor, b: Tensor) -> Tensor:
        """What the head learns from. [n, any number of steps · local] twice -> [n, features]."""
        left, right = Parts.of(a, self.local), Parts.of(b, self.local)
        cosine = similarities(left, right)  # [n, steps, steps]
        longer = torch.sigmoid(_STEEPNESS * (left.total.log() - right.total.log()))  # [n]
        found = _found(left.counts, right.counts, cosine)
        features = [*_by_length(*found, longer), _lengths(left, right)]
        if self.order:
            found = _found(following(left), following(right), in_order(cosine))
            features += _by_length(*found, longer)
        if self.whole:
            p, q = _mean(left), _mean(right)
            features += [(p - q).abs(), p * q]
        return torch.cat(features, 1)

    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        return in_blocks(self.paired, a, b, cells=self.steps**2 * len(_CENTRES))

    def _scaled(self, features: Tensor) -> Tensor:
        """Each feature with mean 0 and deviation 1 over the pairs of training. [n, features]."""
        if self.training and len(features) > 1:
            return self.scale(features)
        mean, variance = self.scale.running_mean, self.scale.running_var
        return nn.functional.batch_norm(features, mean, variance, eps=self.scale.eps)


def _found(left: Tensor, right: Tensor, cosine: Tensor) -> tuple[Tensor, Tensor]:
    """What the parts of either side found in the other.

    Args:
        left, right: [n, steps] how much each part counts.
        cosine: [n, steps, steps].

    Returns:
        Each [n, kernels + 1].
    """
    apart = (cosine[..., None] - cosine.new_tensor(_CENTRES)) / cosine.new_tensor(_WIDTHS)
    near = torch.exp(-apart.square() / 2)  # [n, steps, steps, kernels]
    best = cosine.clamp_min(-1)
    if not cosine.shape[1]:  # single parts have no neighbours
        nothing = cosine.new_zeros(len(cosine), near.shape[3] + 1)
        return nothing, nothing
    there = torch.cat([torch.log1p(near.sum(2)), best.amax(2)[..., None]], 2)
    back = torch.cat([torch.log1p(near.sum(1)), best.amax(1)[..., None]], 2)
    return coverage(left, there), coverage(right, back)


def _by_length(there: Tensor, back: Tensor, longer: Tensor) -> tuple[Tensor, Tensor]:
    """What the shorter side found in the longer, and the longer in the shorter.

    Args:
        there, back: [n, features] what the left side found, and the right.
        longer: [n] how far the left side is the longer one, in (0, 1); one half of equal ones.

    Returns:
        Each [n, features]; the same when left and right change places.
    """
    share = longer[:, None]
    return there + share * (back - there), back + share * (there - back)


def _lengths(a: Parts, b: Parts) -> Tensor:
    """How the two differ in parts and in what they count, and the smaller number. -> [n, 3]."""
    one, other = a.there.sum(1), b.there.sum(1)
    counts = (a.total.log() - b.total.log()).abs()
    return torch.stack([counts, (one - other).abs() / 10, torch.minimum(one, other) / 10], 1)


def _mean(parts: Parts) -> Tensor:
    """Mean direction of all parts, the more the one counts the more it tells. -> [n, local]."""
    return coverage(parts.counts, parts.directions)
