"""What can be promised of one kind of error: bounds of its rate at every threshold, or a refusal.

The threshold is chosen on the same scores that bound its risk. That is allowed because the rate
falls as the threshold moves one way: the farthest threshold the other way is taken such that the
bound holds at it and at every safer one.

Source:
    Bates, Angelopoulos, Lei, Malik, Jordan. Distribution-free, risk-controlling prediction sets.
    Journal of the ACM 68, 2021, theorem 2.1. For the bound itself see `evidence`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from twinlens.calibration.evidence import Dependence, ErrorEvidence, rule_of_3
from twinlens.types import PLURALS, Compared, FloatArray, IntArray, Interval

Error = Literal["false match", "false non-match"]
"""Different ones taken for the same, or the same for different ones."""

_STEPS = 200
"""Thresholds at which the bound is computed, evenly spaced by the logarithm of the rate."""
_KINDS: dict[Error, str] = {"false match": "impostor", "false non-match": "genuine"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no threshold can be promised to hold a rate of errors.

    Attributes:
        rate, confidence: asked for.
        smallest_rate: the lowest rate that the evidence supports.
        identities, comparisons: what there is.
        identities_needed, comparisons_needed: about what it would take in all, if further
            identities are like these.
        error: of which kind.
        unit: what there is in place of identities where these are not known: "component" or
            "example".
    """

    rate: float
    confidence: float
    smallest_rate: float
    identities: int
    comparisons: int
    identities_needed: int
    comparisons_needed: int
    error: Error = "false match"
    unit: str = "identity"

    def __str__(self) -> str:
        more, units = self.identities_needed - self.identities, PLURALS[self.unit]
        return (
            f"A {self.error} rate of {self.rate:g} cannot be promised at {self.confidence:.4g} "
            f"confidence from {self.identities:,} {units} and {self.comparisons:,} "
            f"{_KINDS[self.error]} comparisons. It would take about {more:,} more {units}, "
            f"{self.comparisons_needed:,} comparisons in all. The lowest rate that can be "
            f"promised now is {self.smallest_rate:.2g}."
        )


class Bounds:
    """Bounds of the rate of one kind of error at every threshold.

    Comparisons are kept by how far they go wrong, the worst first: impostors by their score,
    genuine comparisons by its negative. So the k that err are always the first k.
    """

    def __init__(self, compared: Compared, error: Error) -> None:
        """Args:
        compared: of the one truth that can err so, with finite scores.
        error: which kind.
        """
        self.error: Error = error
        self._compared = compared
        self._sign = 1.0 if error == "false match" else -1.0
        wrong = self._sign * compared.scores.astype(np.float64)
        self._order = np.argsort(-wrong, kind="stable")
        self._descending: FloatArray = wrong[self._order]
        self._dependence = Dependence(compared)

    @property
    def identities(self) -> int:
        """Units behind the comparisons."""
        return len(np.unique(np.concatenate([self._compared.left, self._compared.right])))

    def promised(self, rate: float, confidence: float) -> ErrorEvidence | Refusal:
        """The most errors up to which, and at any fewer, the bound is at most `rate`."""
        found: ErrorEvidence | None = None
        smallest = 1.0
        for evidence in map(self._dependence.evidence, self._worst()):
            bound = evidence.upper_bound(confidence)
            smallest = min(smallest, bound)
            if bound > rate:
                break
            found = evidence
        return self._refusal(rate, confidence, smallest) if found is None else found

    def threshold(self, errors: int) -> float:
        """Where the worst `errors` comparisons err and no other: midway between both sorts.

        Scores of at least the threshold are accepted, so an impostor at it errs and a genuine
        comparison does not.
        """
        wrong, impostors = self._descending, self._sign > 0
        if errors == 0:
            return math.nextafter(float(wrong[0]), math.inf) if impostors else float(-wrong[0])
        if errors == len(wrong):
            return float(wrong[-1]) if impostors else math.nextafter(float(-wrong[-1]), math.inf)
        return float(self._sign * (wrong[errors - 1] + wrong[errors]) / 2)

    def rate(self, threshold: float) -> Interval:
        """The rate measured at a threshold, with a two-sided interval at 95 %."""
        scores = self._compared.scores
        errs = scores >= threshold if self._sign > 0 else scores < threshold
        return self._dependence.rate(np.flatnonzero(errs))

    def _worst(self) -> Iterator[IntArray]:
        """Which comparisons err at each threshold looked at: none, then ever more."""
        total = len(self._descending)
        counts = np.unique(np.geomspace(1, total, _STEPS).astype(np.int64))
        # equal scores err together
        ends = total - np.searchsorted(self._descending[::-1], self._descending[counts - 1])
        for end in (0, *np.unique(ends).tolist()):
            yield self._order[:end]

    def _refusal(self, rate: float, confidence: float, smallest: float) -> Refusal:
        identities, comparisons = self.identities, len(self._descending)
        groups = self._dependence.groups
        # the rule of 3 for groups, of which pairs grow with the square of the identities; or where
        # errors cluster more than that, evidence in proportion
        exact = 2 * math.log(1 - confidence) / math.log1p(-rate)
        factor = (exact / groups) ** (1 / self._power)
        if smallest > rule_of_3(groups, confidence):
            factor = max(factor, smallest / rate)
        return Refusal(
            rate=rate,
            confidence=confidence,
            smallest_rate=smallest,
            identities=identities,
            comparisons=comparisons,
            identities_needed=max(identities + 1, math.ceil(identities * factor)),
            comparisons_needed=max(comparisons + 1, math.ceil(comparisons * factor**self._power)),
            error=self.error,
            unit=self._compared.unit,
        )

    @property
    def _power(self) -> int:
        """Comparisons of two identities grow with the square of how many there are."""
        return 2 if bool((self._compared.left != self._compared.right).all()) else 1
