"""Thresholds whose error rate is bounded on identities never seen, or a refusal: see `bounds`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from twinlens.calibration.bounds import Bounds, Error, Refusal
from twinlens.errors import DataError, EvidenceError
from twinlens.types import Compared, Interval


@dataclass(frozen=True, slots=True)
class Bounded:
    """A threshold that keeps a promise, and what the promise rests on.

    Attributes:
        confidence: share of calibrations in which the rate on as many new identities stays under
            the promised one.
        threshold: scores of at least this are accepted.
        bound: upper bound of the rate, at most the promised one.
        measured: rate on the calibration identities.
        identities: units behind the bound.
        comparisons: behind it, all of the kind that can err so.
        effective: how many independent comparisons they are worth.
    """

    confidence: float
    threshold: float
    bound: float
    measured: float
    identities: int
    comparisons: int
    effective: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint(Bounded):
    """From this threshold on "same" is promised.

    Attributes:
        fmr: promised: the false match rate on as many new identities stays under it.
        fnmr: false non-match rate at the threshold, with its interval.
    """

    fmr: float
    fnmr: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionPoint(Bounded):
    """Below this threshold "different" is promised.

    Attributes:
        fnmr: promised: the false non-match rate on as many new identities stays under it.
        fmr: false match rate at the threshold, with its interval.
    """

    fnmr: float
    fmr: Interval


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
    """Bounds of both error rates at every threshold, from which promises are taken."""

    def __init__(self, compared: Compared) -> None:
        """Args:
        compared: of both truths.

        Raises:
            DataError, EvidenceError: see `require_scores`.
        """
        require_scores(compared)
        self._bounds: dict[Error, Bounds] = {
            "false match": Bounds(compared.chosen(~compared.same), "false match"),
            "false non-match": Bounds(compared.chosen(compared.same), "false non-match"),
        }

    def operating_point(self, fmr: float, confidence: float) -> OperatingPoint | Refusal:
        """The lowest threshold at which, and above which, the false match rate is bounded."""
        found = self._bounded("false match", fmr, confidence)
        if isinstance(found, Refusal):
            return found
        fnmr = self._bounds["false non-match"].rate(found.threshold)
        return OperatingPoint(**dataclasses.asdict(found), fmr=fmr, fnmr=fnmr)

    def rejection_point(self, fnmr: float, confidence: float) -> RejectionPoint | Refusal:
        """The highest threshold at which, and below which, the false non-match rate is bounded."""
        found = self._bounded("false non-match", fnmr, confidence)
        if isinstance(found, Refusal):
            return found
        fmr = self._bounds["false match"].rate(found.threshold)
        return RejectionPoint(**dataclasses.asdict(found), fnmr=fnmr, fmr=fmr)

    def _bounded(self, error: Error, rate: float, confidence: float) -> Bounded | Refusal:
        bounds = self._bounds[error]
        found = bounds.promised(rate, confidence)
        if isinstance(found, Refusal):
            return found
        return Bounded(
            confidence=confidence,
            threshold=bounds.threshold(found.errors),
            bound=found.upper_bound(confidence),
            measured=found.rate,
            identities=bounds.identities,
            comparisons=found.trials,
            effective=found.effective_trials,
        )
