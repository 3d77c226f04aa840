"""Intervals that respect what is independent: identities, not comparisons.

Comparisons that share an identity rise and fall together, so resampling comparisons would promise
far too much. Here whole identities are drawn with replacement.

Source:
    Bolle, Ratha, Pankanti. Error analysis of pattern recognition systems - the subsets bootstrap.
    Computer Vision and Image Understanding 93, 2004. ISO/IEC 19795-1:2021, annex on the variance of
    performance measures. Clopper, Pearson. The use of confidence or fiducial limits illustrated in
    the case of the binomial. Biometrika 26, 1934.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from twinlens.functional.binomial import two_sided
from twinlens.types import FloatArray, IntArray, Interval

RESAMPLES = 1000
CONFIDENCE = 0.95
FEWEST_UNITS = 10
"""Below this many identities, drawing them again tells too few stories to be believed alone."""


def draws(units: int, rng: np.random.Generator, count: int = RESAMPLES) -> Iterator[FloatArray]:
    """How often each of `units` is drawn, `count` times. Yields [units] float64, sum = units."""
    for _ in range(count):
        yield np.bincount(rng.integers(units, size=units), minlength=units).astype(np.float64)


def mean_interval(
    values: FloatArray, members: IntArray, rng: np.random.Generator, *, unit: str = "identity"
) -> Interval:
    """The mean of values in [0, 1] with its interval, resampling the units they belong to.

    Args:
        values: [n], of one query each.
        members: [n] number of each value's unit.
        rng: draws the units.
        unit: what a unit is, for the method.
    """
    _, place = np.unique(members, return_inverse=True)
    sums, counts = np.bincount(place, values), np.bincount(place)  # [units]
    means = [float(drawn @ sums / (drawn @ counts)) for drawn in draws(len(sums), rng)]
    return interval(float(values.mean()), np.array(means), len(sums), unit=unit)


def interval(
    value: float, resampled: FloatArray, units: int, *, unit: str = "identity"
) -> Interval:
    """Percentile interval of a measure in [0, 1], widened where resampling cannot know.

    When the percentiles touch 0 or 1 or each other, hardly any unit erred, and drawing units again
    cannot say how often further ones would; below `FEWEST_UNITS` it cannot either. Then the
    interval covers the exact binomial one too, with each unit as one trial. Among measures with
    this mean the binomial varies most, so this errs to the wide side. Without any error it is the
    "rule of 3" with both tails: 1 - 0.025^(1/units).

    Args:
        value: measured.
        resampled: [n] of resampled units; may be empty.
        units: independent units behind the measure.
        unit: what a unit is, for the method.
    """
    method = f"{unit} bootstrap"
    tail = (1 - CONFIDENCE) / 2
    low = high = value
    if len(resampled):
        low, high = (float(q) for q in np.quantile(resampled, [tail, 1 - tail]))
    if low <= 0 or high >= 1 or low == high or units < FEWEST_UNITS:
        exact = clopper_pearson(value, units)
        low, high = min(low, exact[0]), max(high, exact[1])
        method += f", widened to Clopper-Pearson over {units}"
    return Interval(value, min(low, value), max(high, value), CONFIDENCE, method)


def clopper_pearson(value: float, trials: int) -> tuple[float, float]:
    """Exact bounds of a proportion at `CONFIDENCE`; `value` · `trials` need not be whole.

    >>> [round(bound, 4) for bound in clopper_pearson(1.0, 10)]
    [0.6915, 1.0]
    """
    return two_sided(value, trials, CONFIDENCE)
