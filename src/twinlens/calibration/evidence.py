"""How much a share of errors is worth when comparisons share identities.

A thousand comparisons of two people are not a thousand pieces of evidence. The variance of a rate
is estimated over the units that comparisons depend on, the number of independent comparisons with
that variance is found (the effective sample size), and exact binomial bounds are taken over those.

Source:
    Variance: Efron, Stein. The jackknife estimate of variance. Annals of Statistics 9, 1981, which
    shows that it is too wide on average, never too narrow. Bounds by an effective sample size hold
    where the bootstrap does not:
    Fogliato, Patil, Perona. Confidence intervals for error rates in 1:1 matching tasks.
    International Journal of Computer Vision, 2024. Rule of 3 and rule of 30: ISO/IEC 19795-1:2021.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinlens.functional.binomial import two_sided, upper_bound
from twinlens.types import Compared, IntArray, Interval

CONFIDENCE = 0.95
"""Of the interval of a rate."""


@dataclass(frozen=True, slots=True)
class ErrorEvidence:
    """A rate of errors, and how many independent comparisons would say as much.

    Attributes:
        errors, trials: comparisons that erred, and that were made.
        effective_trials: independent comparisons whose rate would vary as much. Without any error
            it is the number of comparisons that share no unit: no more is certain.
    """

    errors: int
    trials: int
    effective_trials: float

    @property
    def rate(self) -> float:
        """Share of the comparisons that erred."""
        return self.errors / self.trials

    @property
    def effective_errors(self) -> float:
        """Errors among as many independent comparisons."""
        return self.rate * self.effective_trials

    def upper_bound(self, confidence: float) -> float:
        """Bound that the measured rate of as much new evidence stays under, at this confidence.

        New identities are as few as these, so that their rate is off by as much again: the bound is
        the exact one of half the evidence. (A bound on the rate of all people there are would be
        lower; what a user then measures on the next people would exceed it too often.)
        """
        return upper_bound(self.rate, self.effective_trials / 2, confidence)

    def interval(self, confidence: float) -> tuple[float, float]:
        """Two-sided exact bounds of the rate itself."""
        return two_sided(self.rate, self.effective_trials, confidence)


class Dependence:
    """Which comparisons depend on the same units. Memory: a few integers a comparison."""

    def __init__(self, compared: Compared) -> None:
        """Args:
        compared: of one truth: all of them genuine, or all impostors.
        """
        self._left, self._right, self._units = compared.left, compared.right, compared.units
        self._two = compared.left != compared.right  # [n] whether it depends on two units
        self._touching = self._per_unit(np.arange(len(compared)))  # [units]
        self.disjoint = _disjoint(compared)

    def evidence(self, erring: IntArray) -> ErrorEvidence:
        """Of the rate at which these comparisons err.

        Its variance is the jackknife's: the rate is computed without each unit in turn. It errs to
        the wide side, by up to a factor of two where errors are spread over pairs of units.

        Args:
            erring: [k] positions of the comparisons that err, none twice.
        """
        errors, trials = len(erring), len(self._left)
        present = self._touching > 0
        units = int(present.sum())
        left_over = trials - self._touching[present]  # [units] comparisons without each
        if errors in (0, trials) or not left_over.all():
            return ErrorEvidence(errors, trials, float(self.disjoint))
        without = (errors - self._per_unit(erring)[present]) / left_over  # [units] rates
        variance = (units - 1) / units * np.square(without - without.mean()).sum()
        rate = errors / trials
        most = rate * (1 - rate) / variance if variance > 0 else trials
        return ErrorEvidence(errors, trials, float(min(most, trials)))

    def rate(self, erring: IntArray) -> Interval:
        """The rate at which these comparisons err, with its interval at 95 %."""
        found = self.evidence(erring)
        low, high = found.interval(CONFIDENCE)
        method = f"exact binomial over {found.effective_trials:.0f} effective comparisons"
        return Interval(found.rate, min(low, found.rate), max(high, found.rate), CONFIDENCE, method)

    def _per_unit(self, chosen: IntArray) -> IntArray:
        """How many of the chosen comparisons depend on each unit, [units]."""
        count = np.bincount(self._left[chosen], minlength=self._units)
        second = chosen[self._two[chosen]]
        return count + np.bincount(self._right[second], minlength=self._units)


def _disjoint(compared: Compared) -> int:
    """Comparisons that share no unit, chosen greedily in a fixed random order."""
    low = np.minimum(compared.left, compared.right).astype(np.int64)
    high = np.maximum(compared.left, compared.right)
    pairs = np.random.default_rng(0).permutation(np.unique(low * compared.units + high))
    taken: set[int] = set()
    count = 0
    for pair in pairs.tolist():
        a, b = divmod(pair, compared.units)
        if a not in taken and b not in taken:
            taken.update((a, b))
            count += 1
        if len(taken) >= compared.units - 1:
            break
    return count
