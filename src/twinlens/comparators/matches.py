from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from twinlens.comparators.base import Comparator, require_parts
from twinlens.functional.late import Parts, coverage, each_with_each, of_like_size, similarities
from twinlens.functional.overlap import (
    KERNELS,
    bags,
    by_length,
    common,
    ends,
    kernels,
    left_over,
    lengths,
    of_shorter,
    runs,
    shared,
)
from twinlens.registry import Setting, register
from twinlens.settings import require_at_least, require_share

_FURTHEST = 5.0
"""Deviations from the mean that a feature is taken to be away at most."""
_STEEPNESS = 4.0
"""How soon one side is the longer one: at a quarter more, 7 to 3."""


@register("comparator", "matches")
class Matches(Comparator):
    """What two rows of parts have in common, and what not: the score is a logit of "the same".

    For an encoder that gives a row of `steps` parts, as `stepwise`. What a head learns from:

    * kernels: how many counterparts each part finds that are the same, or about 0.9, 0.7 … −0.5
      alike, weighed by how much the part counts (for texts: as its inverse document frequency, at
      first); and the best of them;
    * runs: the share of single parts, and of two, three … `runs` in a row, that the other has too,
      in this order: the same ones, plain and weighed, and how alike the best one is;
    * what is left: the parts that count most among those that have no counterpart;
    * both as bags: the cosine of the weighed means, and what they share counts together;
    * ends: whether the first one and two parts, and the last, are the same;
    * lengths: how many parts there are, and what they count together;
    * the whole: |a − b| and a · b of the weighed means of all parts;
    * what goes together: a bilinear form of the common parts of both, those that count little. It
      learns which words of a question ask for which in its answer: "when" for "in", "who" for "by".

    Each is taken both ways: what the shorter one finds in the longer, a question in an answer, and
    the other way round; so a score is the same from both sides. Made for little data: what is the
    same is seen before anything is learned. An index cannot serve it: retrieve by another model,
    then rank by this.

    Source:
        Kernels: Xiong, Dai, Callan, Liu, Power. End-to-end neural ad-hoc ranking with kernel
        pooling. SIGIR 2017, equations 4 to 7. Runs: Wan, Dras, Dale, Paris. Using
        dependency-based features to take the "para-farce" out of paraphrase. ALTW 2006, section
        3.1 (precision and recall of n-grams). Bilinear form beside shared words: Yu, Hermann,
        Blunsom, Pulman. Deep learning for answer sentence selection. 2014, equation 1.
    """

    neutral: ClassVar[Mapping[str, Setting]] = {"bilinear": False}
    needs_parts = True
    is_logit = True

    def __init__(
        self,
        dim: int,
        *,
        steps: int = 32,
        hidden: int = 64,
        runs: int = 4,
        whole: bool = True,
        bilinear: bool = False,
        dropout: float = 0.2,
    ) -> None:
        """Args:
        dim: supplied.
        steps: parts in a row, as the encoder has them.
        hidden: width of the head's hidden layer; 0 = one linear layer.
        runs: parts in a row that are matched, at most.
        whole: whether the weighed means enter; without them only what matches counts.
        bilinear: whether it learns which common parts go together.
        dropout: share of the head's inputs, and of its hidden features, zeroed in training.

        Raises:
            ConfigError: a setting is out of range, or an embedding does not fall into so many
                parts.
        """
        super().__init__()
        require_parts(dim, steps)
        require_at_least(0, {"comparator.hidden": hidden})
        require_at_least(1, {"comparator.runs": runs})
        require_share("comparator.dropout", dropout)
        self.steps, self.local = steps, dim // steps
        self.runs, self.whole = runs, whole
        wide = self.local + 1
        self.bilinear = nn.Parameter(torch.zeros(wide, wide)) if bilinear else None
        nothing = torch.zeros(1, dim)
        count = self._features(nothing, nothing).shape[1] - bilinear
        hides = [nn.Linear(count, hidden), nn.ReLU(), nn.Dropout(dropout)] if hidden else []
        self.scale = nn.BatchNorm1d(count, affine=False)
        self.head = nn.Sequential(nn.Dropout(dropout), *hides, nn.Linear(hidden or count, 1))

    def paired(self, a: Tensor, b: Tensor) -> Tensor:
        return self._judged(of_like_size(self._features, a, b, self.steps))

    def _judged(self, features: Tensor) -> Tensor:
        """[n, features] -> [n]. The bilinear form, which comes last, adds to what the head says."""
        if self.bilinear is None:
            return self.head(self._scaled(features)).squeeze(1)
        return self.head(self._scaled(features[:, :-1])).squeeze(1) + features[:, -1]

    def _features(self, a: Tensor, b: Tensor) -> Tensor:
        """What the head learns from. [n, any number of steps · local] twice -> [n, features]."""
        left, right = Parts.of(a, self.local), Parts.of(b, self.local)
        cosine = similarities(left, right)  # [n, steps, steps]
        longer = torch.sigmoid(_STEEPNESS * (left.total.log() - right.total.log()))  # [n]
        sides = ((left, cosine), (right, cosine.transpose(1, 2)))
        both = [
            kernels(left, right, cosine),
            tuple(runs(*side, longest=self.runs) for side in sides),
            tuple(left_over(*side) for side in sides),
        ]
        found = [by_length(there, back, longer) for there, back in both]
        found += [shared(*sides), bags(left, right), ends(left, right, cosine)]
        found.append(lengths(left, right))
        if self.whole:
            p, q = (coverage(parts.counts, parts.directions) for parts in (left, right))
            found += [(p - q).abs(), p * q]
        if self.bilinear is not None:
            p, q = common(left), common(right)
            there, back = (
                (one @ self.bilinear * other).sum(1, keepdim=True)
                for one, other in ((p, q), (q, p))
            )
            found.append(of_shorter(there, back, longer))
        return torch.cat(found, 1)

    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        if not (len(a) and len(b)):
            return a.new_zeros(len(a), len(b))
        cells = self.steps**2 * KERNELS
        found = each_with_each(self._block, a, b, steps=self.steps, cells=cells)
        if not self.training:
            return found
        return self._judged(found.flatten(0, 1)).view(len(a), len(b))

    def _block(self, a: Tensor, b: Tensor) -> Tensor:
        """Of each with each: features, which training scales by all pairs together, or scores.

        [p, any number of steps · local], [q, any number of steps · local] -> [p, q, features] or
        [p, q].
        """
        features = self._features(a.repeat_interleave(len(b), 0), b.repeat(len(a), 1))  # [p · q]
        found = features if self.training else self._judged(features)
        return found.unflatten(0, (len(a), len(b)))

    def _scaled(self, features: Tensor) -> Tensor:
        """Each feature with mean 0 and deviation 1 over the pairs of training. [n, features].

        Bounded, since what hardly ever differed there may be far off elsewhere.
        """
        if self.training and len(features) > 1:
            scaled = self.scale(features)
        else:
            mean, variance = self.scale.running_mean, self.scale.running_var
            scaled = nn.functional.batch_norm(features, mean, variance, eps=self.scale.eps)
        return scaled.clamp(-_FURTHEST, _FURTHEST)
