"""Exact bounds of a proportion."""

from __future__ import annotations

from scipy.special import betaincinv


def upper_bound(rate: float, trials: float, confidence: float) -> float:
    """One-sided upper bound; neither `trials` nor the hits need be whole.

    Source:
        Clopper, Pearson. The use of confidence or fiducial limits illustrated in the case of the
        binomial. Biometrika 26, 1934.

    >>> round(upper_bound(0.0, 300, 0.95), 4)  # the rule of 3
    0.0099
    """
    hits, misses = rate * trials, (1 - rate) * trials
    return 1.0 if misses <= 0 else float(betaincinv(hits + 1, misses, confidence))


def two_sided(rate: float, trials: float, confidence: float) -> tuple[float, float]:
    """Lower and upper bound that leave half of the rest on each side.

    >>> [round(bound, 4) for bound in two_sided(1.0, 10, 0.95)]
    [0.6915, 1.0]
    """
    tail = (1 + confidence) / 2
    return 1 - upper_bound(1 - rate, trials, tail), upper_bound(rate, trials, tail)
