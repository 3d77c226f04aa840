"""From scores to decisions: probabilities, thresholds with an error bound, and refusals."""

from twinlens.calibration.calibration import Calibration, Combine, Costs, Scale, combined
from twinlens.calibration.open_set import IdentificationPoint, IdentificationRefusal, OpenSet
from twinlens.calibration.operating import OperatingPoint, Refusal

__all__ = [
    "Calibration",
    "Combine",
    "Costs",
    "IdentificationPoint",
    "IdentificationRefusal",
    "OpenSet",
    "OperatingPoint",
    "Refusal",
    "Scale",
    "combined",
]
