"""From scores to decisions: probabilities, thresholds with an error bound, and refusals."""

from twinlens.calibration.bounds import Refusal
from twinlens.calibration.calibration import (
    Calibration,
    Combine,
    combined,
    normalised_by,
    not_calibrated,
)
from twinlens.calibration.normalise import Cohort, Normalisation, Normalised
from twinlens.calibration.open_set import IdentificationPoint, IdentificationRefusal, OpenSet
from twinlens.calibration.operating import OperatingPoint, RejectionPoint
from twinlens.calibration.question import Answers, Costs, Question
from twinlens.calibration.scale import Scale

__all__ = [
    "Answers",
    "Calibration",
    "Cohort",
    "Combine",
    "Costs",
    "IdentificationPoint",
    "IdentificationRefusal",
    "Normalisation",
    "Normalised",
    "OpenSet",
    "OperatingPoint",
    "Question",
    "Refusal",
    "RejectionPoint",
    "Scale",
    "combined",
    "normalised_by",
    "not_calibrated",
]
