"""From scores to decisions: probabilities, thresholds with an error bound, and refusals."""

from twinlens.calibration.bounds import Refusal
from twinlens.calibration.calibration import Calibration, Combine, combined, not_calibrated
from twinlens.calibration.operating import OperatingPoint, RejectionPoint
from twinlens.calibration.question import Answers, Costs, Question
from twinlens.calibration.scale import Scale

__all__ = [
    "Answers",
    "Calibration",
    "Combine",
    "Costs",
    "OperatingPoint",
    "Question",
    "Refusal",
    "RejectionPoint",
    "Scale",
    "combined",
    "not_calibrated",
]
