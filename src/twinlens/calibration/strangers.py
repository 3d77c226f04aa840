"""How often strangers are taken for somebody of a gallery, averaged over all galleries of a size.

Source:
    The chance of a gallery: hypergeometric. Its variance: Efron. The jackknife, the bootstrap and
    other resampling plans. SIAM 1982, each identity left out in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import gammaln

from twinlens.calibration.evidence import effective_trials, jackknife
from twinlens.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Chances:
    """By how many of the others a stranger is taken for: the chance that a gallery holds one.

    Attributes:
        size: of the gallery.
        all: drawn from all others, [n + 1].
        less: drawn from all others but one, [n].
    """

    size: int
    all: FloatArray
    less: FloatArray

    @classmethod
    def of(cls, others: int, size: int) -> Chances:
        """Of `others` identities."""
        fewer = others - 1
        return cls(
            size,
            _chance(np.arange(others + 1), others, size),
            _chance(np.arange(others), fewer, min(size, fewer)),
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """How often strangers are taken for somebody of a gallery of one size.

    Attributes:
        rate: the mean over galleries.
        worst: how much one more identity like the worst would raise it.
        effective: as many independent trials, of `rate` and `worst` together, would vary as much as
            the difference of the rate from that of one new gallery and new strangers.
    """

    rate: float
    worst: float
    effective: float


def measured(hits: BoolArray, owner: IntArray, chances: Sequence[Chances]) -> list[Taken]:
    """How often strangers are taken for somebody, for each size.

    Args:
        hits: [p, c] whether a probe reaches the threshold with an identity that is not its own.
        owner: [p] whose it is.
        chances: for each size of gallery.
    """
    probes, identities = hits.shape
    count = hits.sum(axis=1)  # [p] of the others that each is taken for
    if not count.any():
        return [Taken(0.0, 0.0, groups(identities, c.size) / 2) for c in chances]
    matrix = sparse.csr_matrix(hits)
    mine = np.bincount(owner, minlength=identities)  # [c] probes of each
    found: list[Taken] = []
    for by_count in chances:
        chance = by_count.all[count]  # [p]
        rate = float(chance.mean())
        # each identity left out: as a stranger, from the galleries, and as both
        stranger = (chance.sum() - np.bincount(owner, chance, identities)) / (probes - mine)
        with_it = by_count.less[np.minimum(count, identities - 2)]
        change = matrix.T @ (by_count.less[np.maximum(count - 1, 0)] - with_it)  # [c]
        member = (with_it.sum() + change) / probes
        both = (with_it.sum() - np.bincount(owner, with_it, identities) + change) / (probes - mine)
        known, worst = jackknife(both), max(0.0, float(both.mean() - both.min()))
        # new strangers are as many as these; one new gallery varies more, the smaller it is
        galleries = (identities - 1) / by_count.size
        new = jackknife(stranger) + jackknife(member) * galleries
        variance = known + max(known, new) + worst**2
        trials = effective_trials(min(1.0, rate + worst), variance, probes * galleries)
        found.append(Taken(rate, worst, trials))
    return found


def groups(identities: int, size: int) -> float:
    """How many galleries of a size, each with a stranger of its own, pairs of identities make."""
    return identities * (identities - 1) / 2 / size


def _chance(count: IntArray, others: int, size: int) -> FloatArray:
    """Chance that a random gallery holds at least one of `count` among `others` identities.

    >>> _chance(np.array([0, 1, 4]), 4, 2).round(9).tolist()
    [0.0, 0.5, 1.0]
    """
    left = others - count
    possible = left >= size
    left = np.where(possible, left, size)
    miss = gammaln(left + 1) - gammaln(left - size + 1)
    miss = miss - gammaln(others + 1) + gammaln(others - size + 1)
    return np.where(possible, -np.expm1(np.minimum(miss, 0)), 1.0)
