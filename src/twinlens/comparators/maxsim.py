from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor

from twinlens.comparators.base import Comparator, require_parts
from twinlens.functional.late import (
    Parts,
    coverage,
    each_with_each,
    of_like_size,
    similarities,
    similarities_of_all,
)
from twinlens.registry import Setting, register


@register("comparator", "maxsim")
class MaxSim(Comparator):
    """Each part of one finds its best counterpart in the other: the mean cosine of what is found.

    For an encoder that gives a row of `steps` parts, as `stepwise`. A part weighs as much as it
    counts, so before any training the score of two texts is the share of rare words that they have
    in common. In [-1, 1]. An index cannot serve it: retrieve by another model, then rank by this.

    With `direction` "both" the score is the mean of both ways, for texts that say the same. With
    "left_to_right" only the parts of the left one look for a counterpart, for pairs of a question
    (left) and an answer (right): what an answer says beyond the question costs nothing.

    Source:
        Khattab, Zaharia. ColBERT: efficient and effective passage search via contextualized late
        interaction over BERT. SIGIR 2020, equation 3: "left_to_right", there as a sum in which
        each part counts 1.
    """

    needs_parts = True
    neutral: ClassVar[Mapping[str, Setting]] = {"direction": "both"}

    def __init__(
        self,
        dim: int,
        *,
        steps: int = 32,
        direction: Literal["both", "left_to_right"] = "both",
    ) -> None:
        """Args:
        dim: supplied.
        steps: parts in a row, as the encoder has them.
        direction: whose parts have to be found: those of both, or those of the left one in the
            right one. The latter is for pairs and triplets, not for identities.

        Raises:
            ConfigError: an embedding does not fall into so many parts.
        """
        super().__init__()
        require_parts(dim, steps)
        self.steps, self.local = steps, dim // steps
        self.symmetric = direction == "both"

    def paired(self, a: Tensor, b: Tensor) -> Tensor:
        return of_like_size(self._scores, a, b, self.steps)

    def _scores(self, a: Tensor, b: Tensor) -> Tensor:
        """[n, any number of steps · local] twice -> [n]."""
        left, right = Parts.of(a, self.local), Parts.of(b, self.local)
        cosine = similarities(left, right)  # [n, steps, steps]
        there = coverage(left.counts, cosine.amax(2))
        if not self.symmetric:
            return there
        back = coverage(right.counts, cosine.amax(1))
        return (there + back) / 2

    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        if not (len(a) and len(b)):
            return a.new_zeros(len(a), len(b))
        return each_with_each(self._block, a, b, steps=self.steps, cells=self.steps**2)

    def _block(self, a: Tensor, b: Tensor) -> Tensor:
        """[p, any number of steps · local], [q, any number of steps · local] -> [p, q]."""
        left, right = Parts.of(a, self.local), Parts.of(b, self.local)
        cosine = similarities_of_all(left, right)  # [p, q, steps, steps]
        there = torch.einsum("ps,pqs->pq", left.shares, cosine.amax(3))
        if not self.symmetric:
            return there
        back = torch.einsum("qt,pqt->pq", right.shares, cosine.amax(2))
        return (there + back) / 2
