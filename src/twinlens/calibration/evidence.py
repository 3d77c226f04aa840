"""How much a share of errors is worth when comparisons share identities.

A thousand comparisons of two people are not a thousand pieces of evidence. The variance of a rate
is estimated over the units that comparisons depend on, the number of independent comparisons with
that variance is found (the effective sample size), and exact binomial bounds are taken over those.

Two things a sample cannot know of itself, and a bound for identities to come has to count:

* Where few identities make most of the errors, a sample without them takes itself for a good one.
  So the worst unit seen is counted once more, as one of those to come.
* Few errors, or none, do not tell how errors cluster. So all comparisons of the same units are
  worth one at most where nothing else is known: no bound is under the rule of 3 for those.

Source:
    Variance: Efron, Stein. The jackknife estimate of variance. Annals of Statistics 9, 1981, which
    shows that it is too wide on average, never too narrow. Bounds by an effective sample size hold
    where the bootstrap does not:
    Fogliato, Patil, Perona. Confidence intervals for error rates in 1:1 matching tasks.
    International Journal of Computer Vision, 2024. One more unit, there with the greatest loss that
    is possible: Angelopoulos, Bates, Fisch, Lei, Schuster. Conformal risk control. ICLR 2024.
    Rule of 3 and rule of 30: ISO/IEC 19795-1:2021.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinlens.functional.binomial import two_sided, upper_bound
from twinlens.types import Compared, FloatArray, IntArray, Interval

CONFIDENCE = 0.95
"""Of the interval of a rate."""


@dataclass(frozen=True, slots=True)
class ErrorEvidence:
    """A rate of errors, and how many independent comparisons would say as much.

    Attributes:
        errors, trials: comparisons that erred, and that were made.
        groups: sets of units that were compared: pairs of identities, or single ones.
        effective_trials: independent comparisons whose rate would vary as much; without any error,
            `groups`.
        worst: how much one more unit like the worst would raise the rate.
    """

    errors: int
    trials: int
    groups: int
    effective_trials: float
    worst: float

    @property
    def rate(self) -> float:
        """Share of the comparisons that erred."""
        return self.errors / self.trials

    def upper_bound(self, confidence: float) -> float:
        """Bound that the measured rate of as much new evidence stays under, at this confidence.

        New identities are as few as these, so that their rate is off by as much again: the bound is
        the exact one of half the evidence. (A bound on the rate of all people there are would be
        lower; what a user then measures on the next people would exceed it too often.)
        """
        rate = min(1.0, self.rate + self.worst)
        variance = self.rate * (1 - self.rate) / self.effective_trials + self.worst**2
        trials = self.effective_trials
        if self.worst:
            trials = effective_trials(rate, variance, self.trials)
        return max(rule_of_3(self.groups, confidence), upper_bound(rate, trials / 2, confidence))

    def interval(self, confidence: float) -> tuple[float, float]:
        """Two-sided exact bounds of the rate itself."""
        low, high = two_sided(self.rate, self.effective_trials, confidence)
        return low, max(high, two_sided(0.0, self.groups, confidence)[1])


def rule_of_3(groups: float, confidence: float) -> float:
    """Bound of the rate of as much new evidence where none of so many groups erred."""
    return upper_bound(0.0, groups / 2, confidence)


def jackknife(without: FloatArray) -> float:
    """Variance of a statistic, from its values without each unit in turn. [units]."""
    units = len(without)
    return float((units - 1) / units * np.square(without - without.mean()).sum())


def effective_trials(rate: float, variance: float, most: float) -> float:
    """Independent trials, `most` at most, of which a rate has this variance."""
    return float(min(rate * (1 - rate) / variance, most)) if variance > 0 else float(most)


class Dependence:
    """Which comparisons depend on the same units. Memory: a few integers a comparison."""

    def __init__(self, compared: Compared) -> None:
        """Args:
        compared: of one truth: all of them genuine, or all impostors.
        """
        self._left, self._right, self._units = compared.left, compared.right, compared.units
        self._two = compared.left != compared.right  # [n] whether it depends on two units
        self._touching = self._per_unit(np.arange(len(compared)))  # [units]
        low = np.minimum(compared.left, compared.right).astype(np.int64)
        high = np.maximum(compared.left, compared.right)
        self.groups = len(np.unique(low * compared.units + high))

    def evidence(self, erring: IntArray) -> ErrorEvidence:
        """Of the rate at which these comparisons err.

        Its variance is the jackknife's: the rate is computed without each unit in turn. It errs to
        the wide side, by up to a factor of two where errors are spread over pairs of units.

        Args:
            erring: [k] positions of the comparisons that err, none twice.
        """
        errors, trials = len(erring), len(self._left)
        present = self._touching > 0
        left_over = trials - self._touching[present]  # [units] comparisons without each
        if errors in (0, trials) or not left_over.all():
            return ErrorEvidence(errors, trials, self.groups, float(self.groups), 0.0)
        without = (errors - self._per_unit(erring)[present]) / left_over  # [units] rates
        effective = effective_trials(errors / trials, jackknife(without), trials)
        worst = float(without.mean() - without.min())
        return ErrorEvidence(errors, trials, self.groups, effective, worst)

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
