"""Measures of probabilities and log-likelihood ratios (NumPy).

A log-likelihood ratio (LLR) is natural: log of how many times likelier a score is for the same
than for different. With a prior p, the probability of "same" is sigmoid(LLR + log(p / (1 - p))).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

from twinlens.types import BoolArray, FloatArray

BINS = 15


def probability(llr: FloatArray, prior: float) -> FloatArray:
    """Probability of "same" given the share of matches among all comparisons. [n] -> [n].

    >>> probability(np.array([0.0]), 0.25).tolist()
    [0.25]
    """
    return expit(np.asarray(llr, np.float64) + logit(prior))


def balanced_weights(same: BoolArray, prior: float = 0.5) -> FloatArray:
    """[n] weights that sum to 1, of which the genuine carry `prior`."""
    genuine = int(same.sum())
    return np.where(same, prior / max(genuine, 1), (1 - prior) / max(len(same) - genuine, 1))


def cllr(llr: FloatArray, same: BoolArray) -> float:
    """Cost of log-likelihood ratios in bits: 0 = perfect, 1 = as good as knowing nothing.

    Source:
        Brümmer, du Preez. Application-independent evaluation of speaker detection. Computer Speech
        and Language 20, 2006, equation 8.

    >>> cllr(np.zeros(4), np.array([True, True, False, False]))
    1.0
    """
    genuine, impostor = np.asarray(llr)[same], np.asarray(llr)[~same]
    cost = np.logaddexp(0, -genuine).mean() + np.logaddexp(0, impostor).mean()
    return float(cost / (2 * math.log(2)))


def min_cllr(scores: FloatArray, same: BoolArray) -> float:
    """The least Cllr that any rising map of the scores to LLRs could have on these comparisons.

    0, and nothing that rounding left, where every genuine score is above every impostor's.

    Source:
        Brümmer, du Preez 2006, section 5: isotonic regression by pool-adjacent-violators.
    """
    if scores[same].min() > scores[~same].max():
        return 0.0
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit_transform(
        scores.astype(np.float64),  # shares would be as coarse as single precision
        same.astype(np.float64),
        sample_weight=balanced_weights(same),
    )
    # the sums of fitted shares run off 0 and 1 by rounding only
    shares = np.clip(fitted, 0, 1)
    genuine, impostor = shares[same], 1 - shares[~same]
    return float(-(np.log2(genuine).mean() + np.log2(impostor).mean()) / 2)


def brier_score(probabilities: FloatArray, same: BoolArray, weights: FloatArray) -> float:
    """Weighted mean square of (probability - truth). [n], [n], [n] summing to 1."""
    return float(weights @ np.square(probabilities - same))


def reliability(
    probabilities: FloatArray, same: BoolArray, weights: FloatArray, *, bins: int = BINS
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What was promised and what came, in bins of equal width. -> (promised, came, share), [bins].

    Empty bins are left out.

    Args:
        probabilities: [n] of "same".
        same: [n] truth.
        weights: [n] at least 0, summing to 1: how often such a comparison comes up.
        bins: of the probability.
    """
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    share = np.bincount(place, weights, bins).astype(np.float64)
    kept = share > 0
    promised = np.bincount(place, weights * probabilities, bins)[kept] / share[kept]
    came = np.bincount(place, weights * same, bins)[kept] / share[kept]
    return promised, came, share[kept]


def expected_calibration_error(
    probabilities: FloatArray, same: BoolArray, weights: FloatArray, *, bins: int = BINS
) -> float:
    """Mean distance between promised and observed share of matches, over bins of equal width.

    Args: see `reliability`.

    Source:
        Naeini, Cooper, Hauskrecht. Obtaining well calibrated probabilities using Bayesian binning.
        AAAI 2015.
    """
    promised, came, share = reliability(probabilities, same, weights, bins=bins)
    return float(share @ np.abs(promised - came))
