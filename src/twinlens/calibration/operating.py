"""A threshold whose false match rate is bounded on identities never seen, or a refusal.

The threshold is chosen on the same scores that bound its risk. That is allowed because the false
match rate falls as the threshold rises: the lowest threshold is taken such that the bound holds at
it and at every higher one.

Source:
    Bates, Angelopoulos, Lei, Malik, Jordan. Distribution-free, risk-controlling prediction sets.
    Journal of the ACM 68, 2021, theorem 2.1. For the bound itself see `evidence`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

from twinlens.calibration.evidence import Dependence, ErrorEvidence
from twinlens.errors import DataError, EvidenceError
from twinlens.types import Compared, FloatArray, Interval

FEWEST_ERRORS = 5.0
"""Effective errors below which their spread over identities says too little to trust a variance."""
_STEPS = 200
"""Thresholds at which the bound is computed, evenly spaced by the logarithm of the rate."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold that keeps a promise.

    Attributes:
        fmr: promised: the false match rate on as many new identities stays under it ...
        confidence: ... in this share of calibrations.
        threshold: scores of at least this are accepted.
        bound: upper bound of the false match rate, at most `fmr`.
        measured: false match rate on the calibration identities.
        fnmr: false non-match rate at the threshold, with its interval.
        identities: units behind the bound.
        comparisons: impostor comparisons behind it.
        effective: how many independent comparisons they are worth.
    """

    fmr: float
    confidence: float
    threshold: float
    bound: float
    measured: float
    fnmr: Interval
    identities: int
    comparisons: int
    effective: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no threshold can be promised to hold a false match rate.

    Attributes:
        fmr, confidence: asked for.
        smallest_fmr: the lowest rate that the evidence supports.
        identities, comparisons: what there is.
        identities_needed, comparisons_needed: about what it would take in all, if further
            identities are like these.
    """

    fmr: float
    confidence: float
    smallest_fmr: float
    identities: int
    comparisons: int
    identities_needed: int
    comparisons_needed: int

    def __str__(self) -> str:
        more = self.identities_needed - self.identities
        return (
            f"A false match rate of {self.fmr:g} cannot be promised at {self.confidence:.4g} "
            f"confidence from {self.identities:,} identities and {self.comparisons:,} impostor "
            f"comparisons. It would take about {more:,} more identities, "
            f"{self.comparisons_needed:,} comparisons in all. The lowest rate that can be "
            f"promised now is {self.smallest_fmr:.2g}."
        )


def require_scores(compared: Compared) -> None:
    """Check that comparisons can be calibrated on.

    Raises:
        DataError: a score is not finite.
        EvidenceError: all comparisons are of one truth, or all scores are equal.
    """
    bad = np.flatnonzero(~np.isfinite(compared.scores))
    if len(bad):
        raise DataError(
            f"Every score must be finite. Got {compared.scores[bad[0]]} at position {bad[0]} and "
            f"{len(bad) - 1} more. Check the model and its input."
        )
    genuine = int(compared.same.sum())
    if genuine in (0, len(compared)):
        raise EvidenceError(
            "A calibration needs comparisons of the same and of different identities. "
            f"Got {genuine:,} and {len(compared) - genuine:,}. Add examples or identities."
        )
    if compared.scores.max() == compared.scores.min():
        raise EvidenceError(
            f"A calibration needs scores that differ. Got {compared.scores[0]:g} for all "
            f"{len(compared):,} comparisons: the model tells nothing apart. See twinlens doctor."
        )


class Thresholds:
    """Bounds of the false match rate at every threshold, from which operating points are taken."""

    def __init__(self, compared: Compared) -> None:
        """Args:
        compared: of both truths.

        Raises:
            DataError, EvidenceError: see `require_scores`.
        """
        require_scores(compared)
        self._genuine = compared.chosen(compared.same)
        self._impostors = compared.chosen(~compared.same)
        self._order = np.argsort(-self._impostors.scores, kind="stable")
        self._descending: FloatArray = self._impostors.scores[self._order].astype(np.float64)
        self._dependence, self._units = Dependence(self._impostors), Dependence(self._genuine)
        self._known: dict[int, ErrorEvidence] = {}

    def _counts(self) -> list[int]:
        """How many impostors are accepted at each threshold looked at, ascending."""
        total = len(self._descending)
        counts = np.unique(np.geomspace(1, total, _STEPS).astype(np.int64))
        # equal scores are accepted together
        ends = total - np.searchsorted(self._descending[::-1], self._descending[counts - 1])
        return np.unique(ends).tolist()

    def _at(self, accepted: int) -> ErrorEvidence:
        if accepted not in self._known:
            self._known[accepted] = self._dependence.evidence(self._order[:accepted])
        return self._known[accepted]

    def operating_point(self, fmr: float, confidence: float) -> OperatingPoint | Refusal:
        """The lowest threshold at which, and above which, the bound is at most `fmr`.

        Thresholds with fewer than `FEWEST_ERRORS` effective errors are passed over, since a
        variance estimated from so few bounds nothing. Where the bound holds at none of the others,
        the threshold above all impostors is left: without any error only comparisons that share no
        identity count, by the exact binomial ("rule of 3").
        """
        found: ErrorEvidence | None = None
        least = self._at(0)
        smallest = least.upper_bound(confidence)
        for evidence in map(self._at, self._counts()):
            if evidence.effective_errors < FEWEST_ERRORS:
                continue
            bound = evidence.upper_bound(confidence)
            smallest = min(smallest, bound)
            if bound > fmr:
                break
            found = evidence
        if found is None and least.upper_bound(confidence) <= fmr:
            found = least
        if found is None:
            return self._refusal(fmr, confidence, smallest)
        threshold = self._threshold(found.errors)
        return OperatingPoint(
            fmr=fmr,
            confidence=confidence,
            threshold=threshold,
            bound=found.upper_bound(confidence),
            measured=found.rate,
            fnmr=self.fnmr(threshold),
            identities=self.identities,
            comparisons=found.trials,
            effective=found.effective_trials,
        )

    def fnmr(self, threshold: float) -> Interval:
        """False non-match rate at a threshold, with a two-sided interval at 95 %."""
        return self._units.rate(np.flatnonzero(self._genuine.scores < threshold))

    @property
    def identities(self) -> int:
        """Units behind the impostor comparisons."""
        sides = np.concatenate([self._impostors.left, self._impostors.right])
        return len(np.unique(sides))

    def _threshold(self, accepted: int) -> float:
        """Midway between the lowest impostor score accepted and the highest one refused."""
        scores = self._descending
        if accepted == 0:
            return math.nextafter(float(scores[0]), math.inf)
        if accepted == len(scores):
            return float(scores[-1])
        return float((scores[accepted - 1] + scores[accepted]) / 2)

    def _refusal(self, fmr: float, confidence: float, smallest: float) -> Refusal:
        identities, comparisons = self.identities, len(self._descending)
        # with errors: as many effective trials as bound FEWEST_ERRORS, of which each identity
        # brings its share; without any: disjoint pairs of identities
        looked_at = sorted(self._known.values(), key=lambda evidence: evidence.errors)
        trusted = [e for e in looked_at if e.effective_errors >= FEWEST_ERRORS]
        exact = 2 * math.log(1 - confidence) / math.log1p(-fmr)
        factor = exact / max(self._dependence.disjoint, 1)
        if trusted:
            needed = 2 * float(gammaincinv(FEWEST_ERRORS / 2 + 1, confidence)) / fmr
            factor = min(factor, max(needed / trusted[0].effective_trials, smallest / fmr))
        return Refusal(
            fmr=fmr,
            confidence=confidence,
            smallest_fmr=smallest,
            identities=identities,
            comparisons=comparisons,
            identities_needed=max(identities + 1, math.ceil(identities * factor)),
            comparisons_needed=max(comparisons + 1, math.ceil(comparisons * factor**self._power)),
        )

    @property
    def _power(self) -> int:
        """Comparisons of two identities grow with the square of how many there are."""
        return 2 if bool((self._impostors.left != self._impostors.right).all()) else 1
