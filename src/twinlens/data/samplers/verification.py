"""P identities × K examples, as the pairs that verification asks about."""

from __future__ import annotations

import dataclasses

import numpy as np

from twinlens.data.samplers.base import Draw
from twinlens.data.samplers.identities import IdentitySampler
from twinlens.registry import register
from twinlens.types import Pairs


@register("sampler", "verification")
class VerificationSampler(IdentitySampler):
    """The draws of `identities`, as the pairs that verification asks about.

    These are each two examples of an identity, the same; each example with each imitation of its
    identity, different; and each example with one of the identity drawn next, different. With
    two imitations of each identity or more, most that is different is an imitation; and two
    imitations are never held to be the same, as they are by the labels of `identities`.

    Source:
        Genuine pairs, skilled forgeries and random forgeries as the kinds to tell apart: Dey et al.
        SigNet: convolutional Siamese network for writer independent offline signature
        verification. 2017.
    """

    gives = "pairs"
    fewest_examples = 2

    def draw(self, step: int, rank: int = 0) -> Draw:
        drawn = super().draw(step, rank)
        assert drawn.labels is not None
        owner = drawn.labels // self.variants
        known = len(self._genuine.sizes)
        genuine = np.flatnonzero(owner < known).reshape(-1, self.examples)  # [identities, K]
        false = np.flatnonzero(owner >= known)
        whose = genuine[(owner[false, None] - known == owner[genuine[:, 0]]).argmax(1)]  # [n, K]
        one, other = np.triu_indices(self.examples, 1)
        sides = [
            (genuine[:, one], genuine[:, other]),  # the same; the others are not
            (whose, np.broadcast_to(false[:, None], whose.shape)),
            (genuine, np.roll(genuine, 1, axis=0)),  # of one identity alone, itself: left out below
        ]
        left, right = (np.concatenate([both[side].ravel() for both in sides]) for side in (0, 1))
        same = np.arange(len(left)) < sides[0][0].size
        others = drawn.examples[left] != drawn.examples[right]
        pairs = Pairs(left, right, same).chosen(others)
        return dataclasses.replace(drawn, labels=None, pairs=pairs)
