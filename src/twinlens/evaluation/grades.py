"""How well scores follow how alike pairs are said to be."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import stats

from twinlens.evaluation.bootstrap import CONFIDENCE, draws
from twinlens.types import FloatArray, IntArray, Interval


def correlations(
    scores: FloatArray, grades: FloatArray, parts: IntArray, rng: np.random.Generator
) -> Mapping[str, Interval]:
    """Pearson's and Spearman's correlation, with intervals that resample connected parts.

    For Spearman's the ranks stay those among all pairs, whatever is drawn.

    Args:
        scores, grades: [n].
        parts: [n] number of the connected part of each pair.
        rng: draws the parts.

    Returns:
        "pearson" and "spearman"; none where all scores, or all grades, are equal.
    """
    if np.ptp(scores) == 0 or np.ptp(grades) == 0:
        return {}
    _, owner = np.unique(parts, return_inverse=True)
    ranks = stats.rankdata(scores), stats.rankdata(grades)
    columns = {"pearson": (scores, grades), "spearman": ranks}
    found: dict[str, Interval] = {}
    for name, (a, b) in columns.items():
        resampled = [correlation(a, b, drawn[owner]) for drawn in draws(int(owner.max()) + 1, rng)]
        low, high = np.nanquantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        value = correlation(a, b, np.ones(len(a)))
        bounds = min(float(low), value), max(float(high), value)
        found[name] = Interval(value, *bounds, CONFIDENCE, "component bootstrap")
    return found


def correlation(a: FloatArray, b: FloatArray, weights: FloatArray) -> float:
    """Pearson's correlation of weighted pairs; NaN where either does not vary. Each [n].

    >>> round(correlation(np.array([1.0, 2, 3]), np.array([2.0, 4, 6]), np.ones(3)), 6)
    1.0
    """
    total = weights.sum()
    x, y = a - weights @ a / total, b - weights @ b / total
    spread = (weights @ (x * x)) * (weights @ (y * y))
    return float(weights @ (x * y) / np.sqrt(spread)) if spread > 0 else float("nan")
