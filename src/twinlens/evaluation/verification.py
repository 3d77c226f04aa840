"""Same or different? Error rates of compared pairs, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from twinlens.evaluation.bootstrap import CONFIDENCE, RESAMPLES, draws, interval
from twinlens.evaluation.result import Band, Curve, Extreme, Histogram
from twinlens.functional.metrics import ErrorRates, ScoreOrder
from twinlens.types import BoolArray, Compared, FloatArray, IntArray, Interval

FALSE_MATCH_RATES = (0.01, 0.001)
RECALLS = (0.5, 0.9)
BINS = 60
BAND_POINTS = 48
CURVE_POINTS = 120
"""Places on each axis at which the curve is kept; at most twice as many points."""
EXTREMES = 6
_MOST_DRAWS = 4 * RESAMPLES


def verification_metrics(
    compared: Compared, order: ScoreOrder, rng: np.random.Generator, *, given: bool = False
) -> tuple[dict[str, Interval], dict[str, str], Band]:
    """ROC-AUC, EER and TAR at each FMR that the evidence carries. -> (metrics, absent, band).

    The band is of the false non-match rate over the false match rate, from the same resamples.

    Args:
        compared: what was compared.
        order: its scores, sorted.
        rng: draws the units.
        given: whether the pairs were given, not drawn here. Then the share of the same among them
            means something, and precision at each recall is measured, too.
    """
    absent = {
        f"tar_at_fmr_{fmr:g}": reason
        for fmr in FALSE_MATCH_RATES
        if (reason := missing_evidence(compared, fmr))
    }
    measures: dict[str, Callable[[ErrorRates], float]] = {
        "roc_auc": lambda rates: rates.roc_auc(),
        "eer": lambda rates: rates.equal_error_rate()[0],
    }
    for fmr in FALSE_MATCH_RATES:
        if f"tar_at_fmr_{fmr:g}" not in absent:
            measures[f"tar_at_fmr_{fmr:g}"] = lambda rates, fmr=fmr: rates.tar_at_fmr(fmr)[0]
    for recall in RECALLS if given else ():
        measures[f"precision_at_recall_{recall:g}"] = lambda rates, recall=recall: (
            rates.precision_at_recall(recall)
        )
    fmrs = _band_rates(compared)

    def measured(rates: ErrorRates) -> FloatArray:
        return np.array([*(m(rates) for m in measures.values()), *rates.fnmr_at_fmrs(fmrs)])

    resampled, rates = _resampled(compared, order, measured, rng), order.weigh()
    found = [
        interval(float(value), resampled[:, i], compared.evidence, unit=compared.unit)
        for i, value in enumerate(measured(rates))
    ]
    metrics = dict(zip(measures, found, strict=False))
    return metrics, absent, _band(rates, fmrs, found[len(measures) :])


def _band_rates(compared: Compared) -> FloatArray:
    """False match rates that a band is shown at: evenly on both scales, none below the rule of 3.
    """  # fmt: skip
    least = min(1.0, 3 / max(1, _independent_impostors(compared)))
    even = np.linspace(0.05, 1, BAND_POINTS // 2)
    spread = np.geomspace(least, 1, BAND_POINTS // 2)
    return np.unique(np.round(np.concatenate([even[even >= least], spread]), 9))


def _band(rates: ErrorRates, fmrs: FloatArray, found: list[Interval]) -> Band:
    thresholds = [rates.tar_at_fmr(float(fmr))[1] for fmr in fmrs]
    return Band(
        tuple(map(float, fmrs)),
        tuple(None if math.isinf(threshold) else threshold for threshold in thresholds),
        tuple(one.value for one in found),
        tuple(one.low for one in found),
        tuple(one.high for one in found),
        CONFIDENCE,
    )


def missing_evidence(compared: Compared, fmr: float) -> str:
    """Why TAR at this FMR cannot be told, or "".

    By the rule of 3, no false match in n independent comparisons shows at 95 % only that the FMR is
    below 3/n. Comparisons of the same two identities are not independent, so they count once.

    Source:
        ISO/IEC 19795-1:2021, rule of 3.
    """
    needed, found = math.ceil(3 / fmr), _independent_impostors(compared)
    if found >= needed:
        return ""
    kind = "impostor pairs"
    if compared.unit != "component":
        plural = "identities" if compared.unit == "identity" else "examples"
        kind = f"impostor comparisons of different pairs of {plural}"
    reason = f"needs at least {needed:,} {kind} (rule of 3: 3 / {fmr:g}); got {found:,}"
    if compared.unit == "identity":
        reason += f", and {math.ceil((1 + math.sqrt(1 + 8 * needed)) / 2)} identities would do"
    return reason


def _independent_impostors(compared: Compared) -> int:
    """Impostor comparisons of different pairs of units."""
    impostor = ~compared.same
    left, right = compared.left[impostor], compared.right[impostor]
    if compared.unit == "component":  # pairs inside a component differ in their examples
        return len(left)
    low, high = np.minimum(left, right), np.maximum(left, right)
    return len(np.unique(low.astype(np.int64) * compared.units + high))


def thinned_curve(rates: ErrorRates) -> Curve:
    """The curve at thresholds that lie evenly along both axes, linearly and by magnitude."""
    order = rates.order
    fmr = 1 - rates.impostor[order.impostor_below] / rates.impostor[-1]  # [t], falling
    fnmr = rates.genuine[order.genuine_below] / rates.genuine[-1]  # [t], rising
    even = np.linspace(0, 1, CURVE_POINTS // 2)
    targets = np.concatenate([even, np.logspace(-5, 0, CURVE_POINTS // 2)])
    steps = np.concatenate([[0], np.searchsorted(-fmr, -targets), np.searchsorted(fnmr, targets)])
    steps = np.unique(np.minimum(steps, len(fmr) - 1))
    columns = (order.thresholds[steps], fmr[steps], fnmr[steps])
    return Curve(*(tuple(float(x) for x in column) for column in columns))


def histogram(scores: FloatArray, same: BoolArray) -> Histogram:
    """Counts of genuine and impostor scores in bins of equal width."""
    low, high = float(scores.min()), float(scores.max())
    if low == high:  # all equal: one bin around it has a width
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    counts = [np.histogram(scores[side], edges)[0] for side in (same, ~same)]
    return Histogram(
        tuple(float(x) for x in edges), *(tuple(int(x) for x in count) for count in counts)
    )


def extremes(
    order: ScoreOrder, scores: FloatArray, left: IntArray, right: IntArray
) -> tuple[tuple[Extreme, ...], tuple[Extreme, ...]]:
    """The impostors that score highest and the genuine that score lowest, worst first.

    Args:
        order: of the scores.
        scores: [n].
        left, right: [n] positions of the examples.
    """

    def pairs(chosen: IntArray) -> tuple[Extreme, ...]:
        return tuple(Extreme(int(left[i]), int(right[i]), float(scores[i])) for i in chosen)

    return pairs(order.impostor_order[::-1][:EXTREMES]), pairs(order.genuine_order[:EXTREMES])


def _resampled(
    compared: Compared,
    order: ScoreOrder,
    measured: Callable[[ErrorRates], FloatArray],
    rng: np.random.Generator,
) -> FloatArray:
    """What is measured, [k], of `RESAMPLES` draws of the units. -> [resamples, k]

    A draw without genuine or impostor comparisons says nothing and is made again, so with very few
    units there may be fewer.
    """
    genuine = weigher(compared, order.genuine_order)
    impostor = weigher(compared, order.impostor_order)
    rows: list[FloatArray] = []
    for drawn in draws(compared.units, rng, _MOST_DRAWS):
        rates = order.weigh(genuine(drawn), impostor(drawn))
        if rates.is_defined:
            rows.append(measured(rates))
        if len(rows) == RESAMPLES:
            break
    return np.array(rows) if rows else np.zeros((0, len(measured(order.weigh()))))


def weigher(compared: Compared, chosen: IntArray) -> Callable[[FloatArray], FloatArray]:
    """How often each chosen comparison counts, as a function of how often each unit is drawn."""
    left, right = compared.left[chosen], compared.right[chosen]
    alone, single = left == right, bool((left == right).all())

    def weights(drawn: FloatArray) -> FloatArray:
        if single:
            return drawn[left]
        product = drawn[left] * drawn[right]
        return np.where(alone, drawn[left], product) if alone.any() else product

    return weights
