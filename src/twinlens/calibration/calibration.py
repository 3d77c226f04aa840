"""What a model's scores mean: probabilities, thresholds with their evidence, decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from twinlens.calibration.normalise import Cohort, Normalisation, Normalised
from twinlens.calibration.open_set import (
    IdentificationPoint,
    IdentificationRefusal,
    OpenSet,
    from_pairs,
)
from twinlens.calibration.question import Answers, Question, Rule
from twinlens.calibration.scale import Scale
from twinlens.errors import BundleError, EvidenceError
from twinlens.plain import from_plain, to_plain
from twinlens.settings import require
from twinlens.types import Decision, FloatArray, Scorer

Combine = Literal["mean", "max", "median", "relative"]


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
        normalisation: of the scores, before anything is made of them; None where there is none.
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
    normalisation: Normalisation | None = None
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

    def answers(
        self, scores: FloatArray, question: Question | None = None, *, references: int = 1
    ) -> Answers:
        """What is answered to many scores at once, without the reasons. [n].

        Args and errors as `decide`.
        """
        return self._rule(question, references).answers(np.asarray(scores))

    def decide(
        self, score: float, question: Question | None = None, *, references: int = 1
    ) -> Decision:
        """Same, different or unsure, and why; see `Question`.

        Args:
            score: a model's score; of several references the combined one.
            question: how to decide; by all promises when None.
            references: behind the score.

        Raises:
            ConfigError: the question names a rate that was not promised; says why.
            EvidenceError: the model is not calibrated for so few references.
        """
        return self._rule(question, references).decision(score)

    def _rule(self, question: Question | None, references: int) -> Rule:
        return Rule(self.scale(references), question or Question(), self.prior)

    @property
    def repeats(self) -> int:
        """How many earlier calibrations saw some of the same identities, or a file of that name."""
        mine = set(self.data.get("identity_hashes", ()))
        return sum(
            bool(mine & set(before.get("identity_hashes", ())))
            if mine
            else before.get("name") == self.data.get("name")
            for before in self.earlier
        )

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
            # galleries are searched by plain scores, so thresholds of normalised ones say nothing
            points = scale.points if self.normalisation is None else ()
            return from_pairs(
                points,
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


def normalised_by(
    scorer: Scorer, calibration: Calibration | None, cohort: Cohort | None
) -> Normalised | None:
    """The scorer that a calibration takes its scores from; None where it takes them as they are."""
    if calibration is None or calibration.normalisation is None or cohort is None:
        return None
    return Normalised(scorer, calibration.normalisation.method, cohort.embeddings)


def not_calibrated(evidence: Mapping[str, Any]) -> str:
    """What to say where a model has no calibration.

    Args:
        evidence: of the model.
    """
    why = evidence.get("not_calibrated", "it was saved without a calibration")
    return (
        f"The model is not calibrated: {str(why).rstrip('.')}. Run twinlens calibrate MODEL DATA."
    )


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
