"""When is a probe nobody? A threshold whose false positive identification rate is bounded.

A stranger is taken for somebody when the best of all N enrolled identities reaches the threshold.
That happens the more often the larger the gallery is, so a threshold belongs to a size. Each
calibration identity plays the stranger against galleries of the others, averaged over all galleries
of a size at once. For more identities than there are, the rate grows at most in proportion: a
gallery of N falls into N / n of n, one of which must have erred.

A promise is for one gallery and strangers that nobody has seen. So the variance of what was
measured, the jackknife's over identities, each left out both as a stranger and from the galleries,
is added to that of a new trial: of as many strangers, and of one gallery, which varies more the
smaller it is. Bounds are exact ones of as many independent trials as would vary so much, with one
more identity like the worst among those to come, and none is under the rule of 3 for galleries that
share no pair of identities: see `evidence`.

Source:
    ISO/IEC 19795-1:2021, open-set identification. Union bound: Boole. Choice of the threshold on
    the scores that bound it: Bates et al. 2021, see `operating`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from twinlens.calibration.evidence import rule_of_3
from twinlens.calibration.operating import OperatingPoint
from twinlens.calibration.strangers import Chances, groups, measured
from twinlens.errors import EvidenceError
from twinlens.functional.binomial import two_sided, upper_bound
from twinlens.types import FloatArray, IntArray, Interval

FEWEST_IDENTITIES = 10
_STEPS = 40
"""Thresholds looked at, evenly spaced by the logarithm of how many stranger scores reach them."""
_MOST_ACCEPTED = 0.2
"""Share of one-to-one comparisons that the lowest threshold looked at accepts."""
_SIZES = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Curve:
    """Strangers against galleries of one size.

    Attributes:
        size: identities in the gallery.
        groups: galleries with a stranger each that share no pair of identities.
        rates: false positive identification rate at each threshold, the mean over galleries.
        worst: how much one more identity like the worst would raise each.
        effective: how many independent trials would vary as much as the difference of each from
            the rate of one new gallery and new strangers.
    """

    size: int
    groups: float
    rates: tuple[float, ...]
    worst: tuple[float, ...]
    effective: tuple[float, ...]

    def bound(self, place: int, confidence: float) -> float:
        """Upper bound of the rate that a new gallery has."""
        rate = min(1.0, self.rates[place] + self.worst[place])
        bound = upper_bound(rate, self.effective[place], confidence)
        return max(rule_of_3(self.groups, confidence), bound)


@dataclass(frozen=True, slots=True)
class IdentificationPoint:
    """A threshold for "nobody" that keeps a promise.

    Attributes:
        fpir: promised: the share of strangers who are taken for somebody stays under it ...
        confidence: ... in this share of calibrations.
        threshold: the best score of a probe must be at least this.
        bound: upper bound of the rate, at most `fpir`.
        enrolled: identities in the gallery that it is promised for.
        identities: of the calibration.
        recognised: share of probes of enrolled identities that reach the threshold with their own
            templates; None where that is not known.
        grounds: what the bound rests on, in words.
    """

    fpir: float
    confidence: float
    threshold: float
    bound: float
    enrolled: int
    identities: int
    recognised: Interval | None
    grounds: str


@dataclass(frozen=True, slots=True)
class IdentificationRefusal:
    """Why no threshold can be promised to keep strangers out.

    Attributes:
        fpir, confidence: asked for.
        smallest_fpir: the lowest rate that the evidence supports for this gallery.
        enrolled: identities in the gallery.
        identities: of the calibration.
        identities_needed: about what it would take in all, if further ones are like these.
    """

    fpir: float
    confidence: float
    smallest_fpir: float
    enrolled: int
    identities: int
    identities_needed: int

    def __str__(self) -> str:
        lowest = (
            f"The lowest rate that can be promised now is {self.smallest_fpir:.2g}"
            if self.smallest_fpir < 1
            else "No rate can be promised now"
        )
        return (
            f"A false positive identification rate of {self.fpir:g} cannot be promised at "
            f"{self.confidence:.4g} confidence for {self.enrolled:,} enrolled identities from "
            f"{self.identities:,} of the calibration. It would take about "
            f"{self.identities_needed:,} identities in all. {lowest}."
        )


@dataclass(frozen=True, slots=True)
class OpenSet:
    """What is known of strangers, by the size of the gallery.

    Attributes:
        templates: of each enrolled identity; the best of them counts.
        identities: of the calibration; each is a stranger to the others.
        thresholds: descending.
        curves: by ascending size, the last of all identities but the stranger.
        recognised: at each threshold, the share of probes that reach it with their own templates.
    """

    templates: int
    identities: int
    thresholds: tuple[float, ...]
    curves: tuple[Curve, ...]
    recognised: tuple[float, ...]

    @classmethod
    def fit(cls, best: FloatArray, owner: IntArray, *, templates: int) -> OpenSet:
        """Measure.

        Args:
            best: of each probe with each identity, the best score with its templates. [p, c]
            owner: [p] whose the probe is; each of the c identities has one at least.
            templates: of each identity.

        Raises:
            EvidenceError: there are too few identities.
        """
        identities = best.shape[1]
        if identities < FEWEST_IDENTITIES:
            raise EvidenceError(
                f"Identification needs a calibration on at least {FEWEST_IDENTITIES} identities "
                f"with {templates + 1} examples each. Got {identities}. Add identities."
            )
        own = np.arange(identities) == owner[:, None]  # [p, c]
        genuine = best[own]  # [p]
        thresholds = _thresholds(best[~own])
        strangers = np.where(own, -np.inf, best)
        sizes = _sizes(identities - 1)
        chances = [Chances.of(identities - 1, size) for size in sizes]
        found = [measured(strangers >= t, owner, chances) for t in thresholds]  # [t][s]
        return cls(
            templates=templates,
            identities=identities,
            thresholds=tuple(map(float, thresholds)),
            curves=tuple(
                Curve(
                    size,
                    groups(identities, size),
                    tuple(row[place].rate for row in found),
                    tuple(row[place].worst for row in found),
                    tuple(row[place].effective for row in found),
                )
                for place, size in enumerate(sizes)
            ),
            recognised=tuple(float(np.mean(genuine >= t)) for t in thresholds),
        )

    def bounds(self, templates: Sequence[int], confidence: float) -> list[float]:
        """Upper bound of the rate at each threshold for a gallery.

        Args:
            templates: how many each enrolled identity has. Where that is more than were calibrated
                with, there are as many galleries as that takes, of which each may err.
            confidence: of each bound.
        """
        enrolled = len(templates)
        curve = next((c for c in self.curves if c.size >= enrolled), self.curves[-1])
        galleries = math.ceil(max(templates, default=1) / self.templates)
        times = galleries * max(1.0, enrolled / curve.size)
        return [
            min(1.0, times * curve.bound(place, confidence))
            for place in range(len(self.thresholds))
        ]

    def point(
        self, templates: Sequence[int], fpir: float, confidence: float
    ) -> IdentificationPoint | IdentificationRefusal:
        """The lowest threshold at which, and above which, strangers are kept out as promised.

        Args:
            templates: how many each enrolled identity has.
            fpir: to promise.
            confidence: of the promise.
        """
        bounds = self.bounds(templates, confidence)
        kept = list(takewhile(lambda bound: bound <= fpir, bounds))
        if not kept:
            return self._refusal(len(templates), fpir, confidence, min(bounds))
        place = len(kept) - 1
        share = self.recognised[place]
        low, high = two_sided(share, self.identities, 0.95)
        return IdentificationPoint(
            fpir=fpir,
            confidence=confidence,
            threshold=self.thresholds[place],
            bound=kept[place],
            enrolled=len(templates),
            identities=self.identities,
            recognised=Interval(share, low, high, 0.95, f"exact binomial over {self.identities}"),
            grounds=f"{self.identities:,} identities, each a stranger to the others",
        )

    def _refusal(
        self, enrolled: int, fpir: float, confidence: float, smallest: float
    ) -> IdentificationRefusal:
        # without an error it takes the rule of 3; with errors, evidence in proportion, and where
        # galleries are larger than the calibration they grow with it too
        errorless = self.identities
        while _errorless(errorless, enrolled, confidence) > fpir:
            errorless = math.ceil(1.1 * errorless)
        power = 2 if enrolled >= self.identities else 1
        needed = self.identities * (smallest / fpir) ** (1 / power) if smallest < 1 else errorless
        return IdentificationRefusal(
            fpir=fpir,
            confidence=confidence,
            smallest_fpir=smallest,
            enrolled=enrolled,
            identities=self.identities,
            identities_needed=max(self.identities + 1, math.ceil(min(errorless, needed))),
        )


def from_pairs(
    points: Sequence[OperatingPoint],
    templates: Sequence[int],
    *,
    fpir: float,
    confidence: float,
    identities: int,
) -> IdentificationPoint | IdentificationRefusal:
    """What one-to-one evidence alone can promise: each template is one chance to err.

    Args:
        points: thresholds with a bound of the false match rate, ascending.
        templates: how many each enrolled identity has.
        fpir, confidence: to promise.
        identities: of the calibration.
    """
    chances = sum(templates)
    for point in points:
        if chances * point.bound <= fpir and point.confidence >= confidence:
            return IdentificationPoint(
                fpir=fpir,
                confidence=confidence,
                threshold=point.threshold,
                bound=chances * point.bound,
                enrolled=len(templates),
                identities=identities,
                recognised=None,
                grounds=f"a false match rate of at most {point.bound:.2g} with each of "
                f"{chances:,} templates",
            )
    needed = max(identities, FEWEST_IDENTITIES)
    while _errorless(needed, chances, confidence) > fpir:
        needed = math.ceil(1.1 * needed)
    return IdentificationRefusal(
        fpir=fpir,
        confidence=confidence,
        smallest_fpir=min(1.0, chances * min((p.bound for p in points), default=1.0)),
        enrolled=len(templates),
        identities=identities,
        identities_needed=max(identities + 1, needed),
    )


def _errorless(identities: int, enrolled: int, confidence: float) -> float:
    """Bound that as many identities give if no stranger is taken for anybody."""
    size = max(1, min(enrolled, identities - 1))
    return enrolled / size * rule_of_3(groups(identities, size), confidence)


def _sizes(most: int) -> list[int]:
    """1, 2, 5, 10, ... below `most`, and `most`."""
    steps = [s * 10**e for e in range(len(str(most))) for s in _SIZES]
    return [step for step in steps if step < most] + [most]


def _thresholds(scores: FloatArray) -> FloatArray:
    """Above all scores of strangers, then at scores that ever more of them reach. Descending."""
    descending = -np.sort(-scores.ravel().astype(np.float64))
    most = max(1, int(_MOST_ACCEPTED * len(descending)))
    places = np.unique(np.geomspace(1, most, _STEPS).astype(np.int64)) - 1
    above = math.nextafter(float(descending[0]), math.inf)
    return -np.unique(-np.concatenate([[above], descending[places]]))
