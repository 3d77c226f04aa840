"""How far a calibration that was fitted on other identities holds on these."""

from __future__ import annotations

import numpy as np

from twinlens.calibration import Calibration
from twinlens.calibration.evidence import Dependence
from twinlens.evaluation.result import Decisions, Promise
from twinlens.functional.probability import (
    balanced_weights,
    brier_score,
    cllr,
    expected_calibration_error,
    min_cllr,
    probability,
    reliability,
)
from twinlens.types import Compared, Interval


def decision_figures(
    compared: Compared, calibration: Calibration, *, references: int = 1
) -> Decisions:
    """Probabilities and operating points, held against the truth.

    Args:
        compared: of both truths, of identities that the calibration did not see.
        calibration: to judge.
        references: behind each score.
    """
    scale, prior, same = calibration.scale(references), calibration.prior, compared.same
    llr = scale.map.llr(compared.scores)
    probabilities, weights = probability(llr, prior), balanced_weights(same, prior)
    impostors, genuine = compared.chosen(~same), compared.chosen(same)
    matches, misses = Dependence(impostors), Dependence(genuine)

    def rates(threshold: float) -> tuple[Interval, Interval]:
        return (
            matches.rate(np.flatnonzero(impostors.scores >= threshold)),
            misses.rate(np.flatnonzero(genuine.scores < threshold)),
        )

    promises: list[Promise] = []
    for point in scale.points:
        fmr, fnmr = rates(point.threshold)
        promises.append(Promise(point.fmr, point.threshold, fmr, fnmr))
    for point in scale.rejections:
        fmr, fnmr = rates(point.threshold)
        promises.append(Promise(point.fnmr, point.threshold, fnmr, fmr, "false non-match"))
    promised, came, share = reliability(probabilities, same, weights)
    return Decisions(
        prior,
        cllr(llr, same),
        min_cllr(compared.scores, same),
        expected_calibration_error(probabilities, same, weights),
        brier_score(probabilities, same, weights),
        tuple(map(float, promised)),
        tuple(map(float, came)),
        tuple(map(float, share)),
        tuple(promises),
    )
