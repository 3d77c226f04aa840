"""How often the likelier answer is right: "the same" from a probability of one half on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from twinlens.calibration import Calibration
from twinlens.evaluation.bootstrap import draws, interval
from twinlens.evaluation.verification import weigher
from twinlens.functional.probability import probability
from twinlens.types import BoolArray, Compared, FloatArray, Interval


def answer_figures(
    compared: Compared, calibration: Calibration, rng: np.random.Generator
) -> Mapping[str, Interval]:
    """Accuracy and F1 of "the same", by a threshold that was fitted on other units.

    Args:
        compared: of units that the calibration did not see.
        calibration: whose probabilities, at its prior, decide.
        rng: draws the units.

    Returns:
        "accuracy" and "f1".
    """
    scale = calibration.scale(1)
    said = probability(scale.map.llr(compared.scores), calibration.prior) >= 0.5
    plain = np.ones(len(compared))
    weights_of = weigher(compared, np.arange(len(compared)))
    weighed = [weights_of(drawn) for drawn in draws(compared.units, rng)]
    found: dict[str, Interval] = {}
    for name, figure in (("accuracy", _accuracy), ("f1", _f1)):
        values = [figure(said, compared.same, weights) for weights in weighed if weights.any()]
        value = figure(said, compared.same, plain)
        found[name] = interval(value, np.array(values), compared.units, unit=compared.unit)
    return found


def _accuracy(said: BoolArray, same: BoolArray, weights: FloatArray) -> float:
    return float(weights @ (said == same) / weights.sum())


def _f1(said: BoolArray, same: BoolArray, weights: FloatArray) -> float:
    """0 where nothing is the same, and nothing is said to be."""
    hits = float(weights @ (said & same))
    all_of_both = float(weights @ said + weights @ same)
    return 2 * hits / all_of_both if all_of_both else 0.0
