"""Score -> log-likelihood ratio, by a rising map fitted on scores of known truth.

Genuine and impostor comparisons carry the same total weight in every fit, so that a map gives a
ratio of likelihoods and knows nothing of how rare matches are; a prior is added when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from twinlens.errors import EvidenceError
from twinlens.functional.probability import balanced_weights, cllr
from twinlens.types import BoolArray, Compared, FloatArray

FOLDS = 5
FEWEST_UNITS = 2 * FOLDS
"""With fewer units, maps cannot be compared on units that they were not fitted on."""
_MOST_FITTED = 400_000
"""Comparisons of each kind that a map is fitted on; evenly spaced by score where there are more."""
_KNOTS = 100

Name = Literal["logistic", "beta", "isotonic"]


@dataclass(frozen=True, slots=True)
class Map:
    """A rising map of scores to natural log-likelihood ratios.

    Attributes:
        name: its kind.
        parameters: of the fit, by name.
    """

    name: Name
    parameters: Mapping[str, Any]

    def llr(self, scores: FloatArray) -> FloatArray:
        """[n] -> [n] float64."""
        form = _line if self.name == "isotonic" else _curve
        return form(np.asarray(scores, np.float64), self.parameters)


def fit_map(name: Name, scores: FloatArray, same: BoolArray) -> Map:
    """The map of one kind that has the least cross-entropy.

    Args:
        name: kind.
        scores: [n] finite.
        same: [n].

    Raises:
        EvidenceError: all scores are equal, or all comparisons are of one truth.
    """
    scores = np.asarray(scores, np.float64)
    if not same.any() or same.all() or scores.max() == scores.min():
        raise EvidenceError(
            "A probability needs scores that differ, of comparisons of both kinds. Got "
            f"{int(same.sum())} genuine and {int((~same).sum())} impostor scores between "
            f"{scores.min():g} and {scores.max():g}. Add examples, or train again."
        )
    return Map(name, _FITS[name](scores, same))


def best_map(compared: Compared) -> Map:
    """The kind of map with the least Cllr on units it was not fitted on, fitted on all.

    Units are dealt to folds. A map is fitted on the comparisons whose units all lie outside a fold
    and judged on those whose units all lie inside; the others tell of neither.

    Raises:
        EvidenceError: see `fit_map`.
    """
    compared = _thinned(compared)
    best = min(_FITS, key=lambda name: _cost(name, compared))
    return fit_map(best, compared.scores, compared.same)


def _cost(name: Name, compared: Compared) -> float:
    """Mean Cllr over folds; infinite where a fold cannot be had, but for the first kind tried."""
    if compared.units < FEWEST_UNITS:
        return 0.0 if name == "logistic" else np.inf
    fold_of = np.random.default_rng(0).permutation(compared.units) % FOLDS
    left, right = fold_of[compared.left], fold_of[compared.right]
    costs: list[float] = []
    for fold in range(FOLDS):
        fitted = compared.chosen((left != fold) & (right != fold))
        judged = compared.chosen((left == fold) & (right == fold))
        try:
            found = fit_map(name, fitted.scores, fitted.same)
            if judged.same.any() and not judged.same.all():
                costs.append(cllr(found.llr(judged.scores), judged.same))
        except EvidenceError:  # a fold without comparisons of both kinds judges nothing
            continue
    return float(np.mean(costs)) if costs else (0.0 if name == "logistic" else np.inf)


def _thinned(compared: Compared) -> Compared:
    """At most `_MOST_FITTED` comparisons of each truth, evenly spaced among the sorted scores."""
    kept = np.ones(len(compared), np.bool_)
    for truth in (True, False):
        of = np.flatnonzero(compared.same == truth)
        if len(of) > _MOST_FITTED:
            kept[of] = False
            order = of[np.argsort(compared.scores[of], kind="stable")]
            kept[order[np.linspace(0, len(of) - 1, _MOST_FITTED).astype(np.int64)]] = True
    return compared if kept.all() else compared.chosen(kept)


def _fit_logistic(scores: FloatArray, same: BoolArray) -> dict[str, Any]:
    """LLR = slope · z + intercept, slope ≥ 0.

    Source:
        Platt. Probabilistic outputs for support vector machines. 1999, with his targets, which
        keep separable scores from infinite slopes.
    """
    return _fit_curve(scores, same, tied=True)


def _fit_beta(scores: FloatArray, same: BoolArray) -> dict[str, Any]:
    """LLR = high · softplus(z) - low · softplus(-z) + intercept: a line that may bend once.

    Source:
        Kull, Silva Filho, Flach. Beta calibration. AISTATS 2017, equation 5, of the logistic
        function of z: ln u = -softplus(-z), ln(1 - u) = -softplus(z).
    """
    return _fit_curve(scores, same, tied=False)


def _fit_curve(scores: FloatArray, same: BoolArray, *, tied: bool) -> dict[str, Any]:
    weights = balanced_weights(same)
    centre = float(weights @ scores)
    scale = float(np.sqrt(weights @ np.square(scores - centre)))
    z = (scores - centre) / scale
    upper, lower = np.logaddexp(0, z), -np.logaddexp(0, -z)  # their sum is z
    genuine = int(same.sum())
    target = np.where(same, 1 - 1 / (genuine + 2), 1 / (len(same) - genuine + 2))

    def cost(p: FloatArray) -> tuple[float, FloatArray]:
        low, high = (p[0], p[0]) if tied else (p[0], p[1])
        llr = high * upper + low * lower + p[-1]
        slope = weights * (expit(llr) - target)
        value = float(weights @ (np.logaddexp(0, llr) - target * llr))
        ends = [slope @ (upper + lower)] if tied else [slope @ lower, slope @ upper]
        return value, np.array([*ends, slope.sum()])

    start = np.ones(2 if tied else 3)
    start[-1] = 0.0
    bounds = [(0, None)] * (len(start) - 1) + [(None, None)]
    found: FloatArray = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    low, high = (found[0], found[0]) if tied else (found[0], found[1])
    values = {"centre": centre, "scale": scale, "low": low, "high": high, "intercept": found[-1]}
    return {name: float(value) for name, value in values.items()}


def _curve(scores: FloatArray, p: Mapping[str, Any]) -> FloatArray:
    z = (scores - p["centre"]) / p["scale"]
    return p["high"] * np.logaddexp(0, z) - p["low"] * np.logaddexp(0, -z) + p["intercept"]


def _fit_isotonic(scores: FloatArray, same: BoolArray) -> dict[str, Any]:
    """The best rising map, thinned to knots and joined by lines.

    Where only one kind of comparison was seen, no ratio is claimed beyond the count of the other.

    Source:
        Zadrozny, Elkan. Transforming classifier scores into accurate multiclass probability
        estimates. KDD 2002.
    """
    weights = balanced_weights(same)
    order = np.argsort(scores, kind="stable")
    shares = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit_transform(
        scores[order], same[order].astype(np.float64), sample_weight=weights[order]
    )
    # one knot at the weighted middle of each level, so that the map also rises within it
    levels, place = np.unique(shares, return_inverse=True)
    mass = np.bincount(place, weights[order])
    middle = np.bincount(place, weights[order] * scores[order]) / mass
    chosen = _evenly(np.cumsum(mass) - mass / 2)
    genuine = int(same.sum())
    with np.errstate(divide="ignore"):
        llr = np.log(levels[chosen]) - np.log1p(-levels[chosen])
    llr = np.clip(llr, -np.log(genuine + 1), np.log(len(same) - genuine + 1))
    return {"scores": middle[chosen].tolist(), "llrs": llr.tolist()}


def _evenly(position: FloatArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    """At most `_KNOTS` of ascending positions in [0, 1], evenly spaced; first and last among them.
    """  # fmt: skip
    if len(position) <= _KNOTS:
        return np.arange(len(position))
    targets = np.linspace(position[0], position[-1], _KNOTS)
    return np.unique(np.searchsorted(position, targets).clip(0, len(position) - 1))


def _line(scores: FloatArray, p: Mapping[str, Any]) -> FloatArray:
    return np.interp(scores, p["scores"], p["llrs"])


_FITS: Mapping[Name, Callable[[FloatArray, BoolArray], dict[str, Any]]] = {
    "logistic": _fit_logistic,
    "beta": _fit_beta,
    "isotonic": _fit_isotonic,
}
