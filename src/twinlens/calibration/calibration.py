"""What a model's scores mean: probabilities, thresholds with their evidence, decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from twinlens.calibration.maps import Map, best_map
from twinlens.calibration.open_set import (
    IdentificationPoint,
    IdentificationRefusal,
    OpenSet,
    from_pairs,
)
from twinlens.calibration.operating import OperatingPoint, Refusal, Thresholds
from twinlens.errors import BundleError, ConfigError, EvidenceError
from twinlens.functional.probability import cllr, min_cllr, probability
from twinlens.plain import from_plain, to_plain
from twinlens.settings import require
from twinlens.types import Compared, Decision, FloatArray

Combine = Literal["mean", "max", "median", "relative"]


@dataclass(frozen=True, slots=True)
class Costs:
    """What a wrong answer costs, and what it costs to have a person look, in any one unit."""

    false_match: float = 1.0
    false_non_match: float = 1.0
    review: float | None = None

    def __post_init__(self) -> None:
        for name in ("false_match", "false_non_match"):
            require(getattr(self, name) > 0, f"cost of a {name}", "above 0", getattr(self, name))
        if self.review is not None:
            require(self.review >= 0, "cost of a review", "at least 0", self.review)


@dataclass(frozen=True, slots=True)
class Scale:
    """What scores mean when an input is compared with a number of references.

    Attributes:
        references: how many.
        map: score -> log-likelihood ratio.
        points: for each false match rate that can be promised, by ascending threshold.
        refusals: the rates that cannot.
        genuine, impostors: comparisons behind it.
        identities: behind the genuine comparisons.
        cllr, min_cllr: of the map on the calibration comparisons, and the least possible.
    """

    references: int
    map: Map
    points: tuple[OperatingPoint, ...]
    refusals: tuple[Refusal, ...]
    genuine: int
    impostors: int
    identities: int
    cllr: float
    min_cllr: float

    @classmethod
    def fit(
        cls, compared: Compared, *, references: int, fmrs: Sequence[float], confidence: float
    ) -> Scale:
        """Fit a map and find a threshold for each rate.

        Several rates are several promises: each is made at 1 - (1 - confidence) / how many, so that
        all hold together at `confidence` (Bonferroni).

        Args:
            compared: of both truths, of identities that nothing else was fitted on.
            references: behind each score.
            fmrs: false match rates, each in (0, 1).
            confidence: of all promises together.

        Raises:
            DataError: a score is not finite.
            EvidenceError: scores are all equal, or comparisons all of one truth.
        """
        thresholds = Thresholds(compared)
        found = best_map(compared)
        each = 1 - (1 - confidence) / len(fmrs)
        answers = [thresholds.operating_point(fmr, each) for fmr in sorted(fmrs, reverse=True)]
        llr = found.llr(compared.scores)
        return cls(
            references=references,
            map=found,
            points=tuple(answer for answer in answers if isinstance(answer, OperatingPoint)),
            refusals=tuple(answer for answer in answers if isinstance(answer, Refusal)),
            genuine=int(compared.same.sum()),
            impostors=int((~compared.same).sum()),
            identities=compared.evidence,
            cllr=cllr(llr, compared.same),
            min_cllr=min_cllr(compared.scores, compared.same),
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """Scores of known truth -> what a model's scores mean.

    Attributes:
        fingerprint: of the model whose scores these are; of no other.
        scales: for one reference, and for more where the data has as many; ascending.
        combine: how the scores against several references become one.
        prior: share of matches among the comparisons to be made; probabilities depend on it.
        confidence: of all promises of a scale together.
        data: on what: name, examples, identities (hashes of their names), kind of impostors.
        earlier: calibrations that this one replaces, as `data` with their refusals: a promise
            that was sought until it was found is worth less.
        open_set: what is known of strangers against galleries, by templates of an identity,
            ascending; () where the data has pairs only, or too few identities.
    """

    fingerprint: str
    scales: tuple[Scale, ...]
    combine: Combine
    prior: float
    confidence: float
    data: Mapping[str, Any]
    earlier: tuple[Mapping[str, Any], ...] = ()
    open_set: tuple[OpenSet, ...] = ()

    def scale(self, references: int = 1) -> Scale:
        """Of the most references that are calibrated, at most as many as given.

        Raises:
            EvidenceError: none is.
        """
        fitting = [scale for scale in self.scales if scale.references <= references]
        if not fitting:
            raise EvidenceError(
                f"The model must be calibrated for {references} references. Got "
                f"{', '.join(str(scale.references) for scale in self.scales) or 'none'}. "
                "Calibrate it with --references."
            )
        return fitting[-1]

    def probability(
        self, scores: FloatArray, *, references: int = 1, prior: float | None = None
    ) -> FloatArray:
        """Probability that each comparison is of the same. [n] -> [n]."""
        prior = self.prior if prior is None else _checked_prior(prior)
        return probability(self.scale(references).map.llr(scores), prior)

    def decide(
        self,
        score: float,
        *,
        references: int = 1,
        prior: float | None = None,
        fmr: float | None = None,
        costs: Costs | None = None,
    ) -> Decision:
        """Same, different or unsure.

        With costs: the answer of least expected cost. With `fmr`: by the threshold of that rate.
        Else by all operating points: "same" from the highest threshold on, "different" under the
        lowest where that is the likelier answer, too; unsure in between, or where no rate could be
        promised.

        Args:
            score: a model's score; of several references the combined one.
            references: behind the score.
            prior: share of matches, when another than the calibration's.
            fmr: a false match rate that was promised.
            costs: of errors and of a review.

        Raises:
            ConfigError: no such rate was promised; says why.
        """
        scale = self.scale(references)
        prior = self.prior if prior is None else _checked_prior(prior)
        p = float(probability(scale.map.llr(np.array([score])), prior)[0])
        if costs is not None:
            same, why = _by_costs(p, costs)
            return Decision(score, p, prior, same, None, None, why)
        points = scale.points if fmr is None else (_promised(scale, fmr),)
        if not points:
            why = "no false match rate could be promised: " + " ".join(map(str, scale.refusals))
            return Decision(score, p, prior, None, None, None, why)
        lowest, highest = points[0], points[-1]
        if score >= highest.threshold:
            return Decision(score, p, prior, True, highest.fmr, highest.threshold, _met(highest))
        if score < lowest.threshold and p > 0.5:
            why = (
                f"likelier the same than not, yet below the threshold {lowest.threshold:.4g} from "
                f"which a false match rate of {lowest.fmr:g} can be promised"
            )
            return Decision(score, p, prior, None, None, None, why)
        if score < lowest.threshold:
            why = f"below the threshold {lowest.threshold:.4g}, under which {_missed(lowest)}"
            return Decision(score, p, prior, False, lowest.fmr, lowest.threshold, why)
        why = (
            f"between the thresholds {lowest.threshold:.4g} (false match rate {lowest.fmr:g}) and "
            f"{highest.threshold:.4g} ({highest.fmr:g})"
        )
        return Decision(score, p, prior, None, None, None, why)

    def stranger_threshold(
        self, templates: Sequence[int], *, fpir: float
    ) -> IdentificationPoint | IdentificationRefusal:
        """From which best score on a probe is somebody, and not a stranger to the gallery.

        Args:
            templates: how many each enrolled identity has.
            fpir: false positive identification rate to promise, in (0, 1).

        Raises:
            ConfigError: `fpir` is out of range.
        """
        require(0 < fpir < 1, "fpir", "between 0 and 1", fpir)
        if not self.open_set:
            scale = self.scale()
            return from_pairs(
                scale.points,
                templates,
                fpir=fpir,
                confidence=self.confidence,
                identities=scale.identities,
            )
        most = max(templates, default=1)
        fitting = (known for known in self.open_set if known.templates >= most)
        return next(fitting, self.open_set[-1]).point(templates, fpir, self.confidence)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return to_plain(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """What `to_dict` gave.

        Raises:
            BundleError: a key is missing, unknown or of the wrong form.
        """
        try:
            return from_plain(cls, data)
        except TypeError as error:
            raise BundleError(
                "A calibration must hold what Calibration.to_dict wrote. "
                f"Got a problem with {error}. Calibrate again."
            ) from error


def combined(scores: FloatArray, how: Combine, mutual: FloatArray) -> FloatArray:
    """Scores against each reference -> one score. [n, references] -> [n].

    "relative" is the mean less how much alike the references are to one another: whoever signs
    unsteadily is given more room. It is the normalisation of a target by its own examples.

    Args:
        scores: of each input against each of its references.
        how: the rule.
        mutual: [n] mean score of the references among themselves; only "relative" looks at it, and
            with one reference it is 0.

    Source:
        Fierrez-Aguilar, Ortega-Garcia, Gonzalez-Rodriguez. Target dependent score normalization
        techniques and their application to signature verification. IEEE SMC C 35, 2005.
    """
    if how == "max":
        return scores.max(axis=1)
    if how == "median":
        return np.median(scores, axis=1)
    mean = scores.mean(axis=1)
    return mean - mutual if how == "relative" and scores.shape[1] > 1 else mean


def _promised(scale: Scale, fmr: float) -> OperatingPoint:
    for point in scale.points:
        if point.fmr == fmr:
            return point
    refused = [str(refusal) for refusal in scale.refusals if refusal.fmr == fmr]
    known = ", ".join(f"{point.fmr:g}" for point in scale.points) or "none"
    raise ConfigError(
        refused[0]
        if refused
        else f"--fmr must be a rate that the model was calibrated for: {known}. Got {fmr:g}. "
        f"Calibrate it with --fmr {fmr:g}."
    )


def _by_costs(p: float, costs: Costs) -> tuple[bool | None, str]:
    """The answer of least expected cost; a review where it costs less than either."""
    expected: dict[bool | None, float] = {
        True: (1 - p) * costs.false_match,
        False: p * costs.false_non_match,
    }
    if costs.review is not None:
        expected[None] = costs.review
    same = min(expected, key=lambda answer: expected[answer])
    words = {True: "same", False: "different", None: "review"}
    told = ", ".join(f"{words[answer]} {cost:.3g}" for answer, cost in expected.items())
    return same, f"least expected cost: {told}"


def _met(point: OperatingPoint) -> str:
    return (
        f"at or above the threshold {point.threshold:.4g}: at most {point.fmr:g} of comparisons of "
        f"different identities get there, at {point.confidence:.4g} confidence (measured "
        f"{point.measured:.2g}, bound {point.bound:.2g}, from {point.identities:,} identities)"
    )


def _missed(point: OperatingPoint) -> str:
    fnmr = point.fnmr
    return f"{fnmr.value:.2g} of comparisons of the same lie ({fnmr.low:.2g} to {fnmr.high:.2g})"


def _checked_prior(prior: float) -> float:
    require(0 < prior < 1, "prior", "between 0 and 1", prior)
    return prior
