"""Measures of verification and retrieval (NumPy). A larger score means more alike.

A threshold accepts what scores at least as much. Verification measures read a `ScoreOrder`, which
is sorted once and weighed as often as a bootstrap needs. Equal scores are never broken by their
order: everything here is what a random order of them gives on average.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twinlens.errors import DataError, EvidenceError
from twinlens.types import BoolArray, FloatArray, IntArray

_ROUNDING = 1e-12
"""By which sums of weights may be off."""


@dataclass(frozen=True, slots=True)
class ScoreOrder:
    """Genuine and impostor scores, sorted once.

    Attributes:
        thresholds: [t] distinct scores, ascending.
        genuine_order, impostor_order: [g], [m] positions in the input, by ascending score.
        genuine_below, impostor_below: [t] how many lie under each threshold.
        impostor_under, impostor_upto: [g] impostors below, and at or below, each genuine score in
            ascending order.
    """

    thresholds: FloatArray
    genuine_order: IntArray
    impostor_order: IntArray
    genuine_below: IntArray
    impostor_below: IntArray
    impostor_under: IntArray
    impostor_upto: IntArray

    @classmethod
    def of(cls, scores: FloatArray, same: npt.ArrayLike) -> ScoreOrder:
        """Sort scores [n] with their truth [n] (True = genuine).

        Raises:
            DataError: shapes differ, or a score is not finite.
            EvidenceError: there is no genuine or no impostor comparison.
        """
        truth = np.asarray(same, np.bool_)
        values = np.asarray(scores)
        if values.ndim != 1 or values.shape != truth.shape:
            raise DataError(
                f"scores and same must be two equally long lists. Got shapes {values.shape} and "
                f"{truth.shape}. Give one truth for each score."
            )
        if not np.isfinite(values).all():
            bad = np.flatnonzero(~np.isfinite(values))
            raise DataError(
                f"Every score must be finite. Got {values[bad[0]]} at position {bad[0]} and "
                f"{len(bad) - 1} more. Check the embeddings."
            )
        genuine, impostor = np.flatnonzero(truth), np.flatnonzero(~truth)
        if not len(genuine) or not len(impostor):
            raise EvidenceError(
                "Verification needs at least one pair of the same and one of different identities. "
                f"Got {len(genuine)} and {len(impostor)}. Add the missing kind."
            )
        genuine = genuine[np.argsort(values[genuine], kind="stable")]
        impostor = impostor[np.argsort(values[impostor], kind="stable")]
        high, low = values[genuine], values[impostor]
        thresholds = np.unique(values)
        return cls(
            thresholds,
            genuine,
            impostor,
            np.searchsorted(high, thresholds),
            np.searchsorted(low, thresholds),
            np.searchsorted(low, high),
            np.searchsorted(low, high, side="right"),
        )

    def weigh(
        self, genuine: FloatArray | None = None, impostor: FloatArray | None = None
    ) -> ErrorRates:
        """Error rates when each comparison counts with its weight.

        Args:
            genuine: [g] at least 0, in the order of `genuine_order`; all 1 when None.
            impostor: [m], in the order of `impostor_order`; all 1 when None.
        """
        return ErrorRates(
            self,
            _cumulated(genuine, len(self.genuine_order)),
            _cumulated(impostor, len(self.impostor_order)),
        )


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """False match and false non-match rates at every threshold, of weighed comparisons.

    Step t accepts scores of at least `order.thresholds[t]`; the last step accepts nothing.

    Attributes:
        genuine, impostor: [g + 1], [m + 1] weight of the lowest k comparisons.
    """

    order: ScoreOrder
    genuine: FloatArray
    impostor: FloatArray

    @property
    def is_defined(self) -> bool:
        """Whether both kinds of comparison carry weight."""
        return bool(self.genuine[-1] > 0 and self.impostor[-1] > 0)

    def fmr(self, step: int) -> float:
        """False match rate: the share of impostors accepted at this step."""
        if step == len(self.order.thresholds):
            return 0.0
        below = self.impostor[self.order.impostor_below[step]]
        return float((self.impostor[-1] - below) / self.impostor[-1])

    def fnmr(self, step: int) -> float:
        """False non-match rate: the share of genuine comparisons refused at this step."""
        if step == len(self.order.thresholds):
            return 1.0
        return float(self.genuine[self.order.genuine_below[step]] / self.genuine[-1])

    def threshold(self, step: int) -> float:
        """The smallest score accepted at this step; infinite where nothing is."""
        thresholds = self.order.thresholds
        return math.inf if step == len(thresholds) else float(thresholds[step])

    def roc_auc(self) -> float:
        """Probability that a genuine score exceeds an impostor's; equal scores count half."""
        weight = np.diff(self.genuine)  # [g]
        beaten = self.impostor[self.order.impostor_under] + self.impostor[self.order.impostor_upto]
        return float((weight * beaten).sum() / (2 * self.genuine[-1] * self.impostor[-1]))

    def equal_error_rate(self) -> tuple[float, float]:
        """(rate, threshold) where FMR = FNMR, on a straight line between the steps around it.

        The threshold is that of the step whose two rates are closer.
        """
        steps = range(len(self.order.thresholds) + 1)
        after = bisect_left(steps, True, key=lambda step: self.fmr(step) <= self.fnmr(step))
        before = after - 1  # exists: the lowest threshold accepts everything
        ahead = self.fmr(before) - self.fnmr(before)
        behind = self.fnmr(after) - self.fmr(after)
        share = ahead / (ahead + behind)
        rate = self.fmr(before) + share * (self.fmr(after) - self.fmr(before))
        return rate, self.threshold(after if behind < ahead else before)

    def tar_at_fmr(self, fmr: float) -> tuple[float, float]:
        """(true accept rate, threshold) at the lowest threshold whose FMR is at most `fmr`."""
        steps = range(len(self.order.thresholds) + 1)
        step = bisect_left(steps, True, key=lambda step: self.fmr(step) <= fmr)
        return 1.0 - self.fnmr(step), self.threshold(step)

    def precision_at_recall(self, recall: float) -> float:
        """Share of genuine among what is accepted, at the highest threshold with that recall.

        Recall is the share of genuine comparisons that are accepted. Precision depends on how many
        impostors there are to a genuine one, as the error rates do not.
        """
        most = 1 - recall + _ROUNDING  # false non-match rate
        steps = range(len(self.order.thresholds) + 1)
        step = bisect_left(steps, True, key=lambda step: self.fnmr(step) > most) - 1
        found = (1 - self.fnmr(step)) * self.genuine[-1]
        return float(found / (found + self.fmr(step) * self.impostor[-1]))

    def fnmr_at_fmrs(self, fmrs: FloatArray) -> FloatArray:
        """False non-match rate at each bound on the false match rate, as `tar_at_fmr`. [k] -> [k]

        All at once, which a bootstrap of whole curves needs.
        """
        refused = (1 - fmrs) * self.impostor[-1]  # [k] weight of impostors to refuse at least
        count = np.searchsorted(self.impostor, refused * (1 - _ROUNDING))
        step = np.searchsorted(self.order.impostor_below, count)
        below = np.append(self.order.genuine_below, len(self.genuine) - 1)
        return self.genuine[below[step]] / self.genuine[-1]


def roc_auc(scores: FloatArray, same: npt.ArrayLike, weights: FloatArray | None = None) -> float:
    """Area under the ROC: how often a genuine score exceeds an impostor's; equal ones count half.

    Args:
        scores: [n], larger = more alike.
        same: [n] bool.
        weights: [n] at least 0; all 1 when None.

    Raises:
        DataError, EvidenceError: see `ScoreOrder.of`.

    >>> roc_auc(np.array([0.9, 0.4, 0.4, 0.1]), [True, True, False, False])
    0.875
    """
    return _rates(scores, same, weights).roc_auc()


def equal_error_rate(
    scores: FloatArray, same: npt.ArrayLike, weights: FloatArray | None = None
) -> tuple[float, float]:
    """Where false match rate and false non-match rate are equal. -> (rate, threshold).

    Between two thresholds the rates are taken as a straight line, so that scores which are all
    equal give 0.5. The threshold is that of the nearer of the two.

    Args and errors as `roc_auc`.

    >>> equal_error_rate(np.array([0.9, 0.4, 0.6, 0.1]), [True, True, False, False])
    (0.5, 0.6)
    """
    return _rates(scores, same, weights).equal_error_rate()


def tar_at_fmr(
    scores: FloatArray, same: npt.ArrayLike, fmr: float, weights: FloatArray | None = None
) -> tuple[float, float]:
    """True accept rate at a bound on the false match rate. -> (rate, threshold).

    The lowest threshold whose measured FMR is at most `fmr`, without interpolation upward. The
    threshold is infinite, and the rate 0, when an impostor has the highest score and `fmr` does
    not allow for it.

    Args:
        fmr: bound in [0, 1]. The rest as `roc_auc`.

    >>> tar_at_fmr(np.array([0.9, 0.4, 0.6, 0.1]), [True, True, False, False], 0.1)
    (0.5, 0.9)
    """
    return _rates(scores, same, weights).tar_at_fmr(fmr)


def recall_at_1(scores: FloatArray, relevant: BoolArray) -> FloatArray:
    """Whether each query's best-scoring candidate is relevant. [q, n], [q, n] -> [q] in [0, 1].

    Of several best candidates each counts by its share. A candidate that must not be found (the
    query itself) has the score -inf and is not relevant.
    """
    best = scores == scores.max(axis=1, keepdims=True)  # [q, n]
    return (best & relevant).sum(axis=1) / best.sum(axis=1)


def map_at_r(scores: FloatArray, relevant: BoolArray) -> FloatArray:
    """Average precision at R of each query, R = how many are relevant to it. [q, n] -> [q].

    AP@R = 1/R Σ_{k ≤ R} precision(k) · [the k-th candidate is relevant].

    Args:
        scores: [q, n]; -inf where a candidate must not be found.
        relevant: [q, n]; at least one in each row.

    Source:
        Musgrave, Belongie, Lim. A metric learning reality check. ECCV 2020, equation 5. Expected
        value over the orders of equal scores: McSherry, Najork. Computing information retrieval
        performance measures efficiently in the presence of tied scores. ECIR 2008.

    Raises:
        EvidenceError: a query has nothing relevant.
    """
    total = relevant.sum(axis=1)  # [q]
    if (total == 0).any():
        raise EvidenceError(
            "Every query needs at least one relevant candidate. "
            f"Got none for {np.sum(total == 0)} of {len(total)}. Leave those queries out."
        )
    depth = int(total.max())
    best = np.argpartition(scores, -depth, axis=1)[:, -depth:]  # [q, depth]
    order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
    best = np.take_along_axis(best, order, 1)
    kept = np.take_along_axis(scores, best, 1)  # [q, depth], descending
    hits = np.cumsum(np.take_along_axis(relevant, best, 1), axis=1)  # [q, depth]
    hits = np.concatenate([np.zeros_like(hits[:, :1]), hits], axis=1)  # [q, depth + 1]
    start, end = _ties(kept)
    earlier = np.take_along_axis(hits, start, 1)  # relevant ones before the tie
    tied, tied_relevant = end - start, np.take_along_axis(hits, end, 1) - earlier
    # A tie that holds place R may reach beyond what was kept: count it in the whole row.
    edge = np.take_along_axis(kept, total[:, None] - 1, 1)  # [q, 1]
    at_edge, level = kept == edge, scores == edge
    tied = np.where(at_edge, level.sum(axis=1)[:, None], tied)
    tied_relevant = np.where(at_edge, (level & relevant).sum(axis=1)[:, None], tied_relevant)
    place = np.arange(depth)[None]  # [1, depth]
    others = (place - start) * (tied_relevant - 1) / np.maximum(tied - 1, 1)
    gain = tied_relevant / tied * (earlier + 1 + others) / (place + 1)
    return np.where(place < total[:, None], gain, 0.0).sum(axis=1) / total


def _ties(descending: FloatArray) -> tuple[IntArray, IntArray]:
    """First place, and place after the last, of the run of equal values around each. [q, d]."""
    places = np.arange(descending.shape[1])
    begins = np.ones(descending.shape, np.bool_)
    begins[:, 1:] = descending[:, 1:] != descending[:, :-1]
    start = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    ends = np.ones(descending.shape, np.bool_)
    ends[:, :-1] = begins[:, 1:]
    last = np.where(ends, places + 1, len(places))[:, ::-1]
    return start, np.minimum.accumulate(last, axis=1)[:, ::-1]


def _rates(scores: FloatArray, same: npt.ArrayLike, weights: FloatArray | None) -> ErrorRates:
    order = ScoreOrder.of(scores, same)
    if weights is None:
        return order.weigh()
    rates = order.weigh(weights[order.genuine_order], weights[order.impostor_order])
    if not rates.is_defined:
        raise EvidenceError(
            "Both kinds of comparison must carry weight. Got a sum of 0. Weigh one of each."
        )
    return rates


def _cumulated(weights: FloatArray | None, count: int) -> FloatArray:
    """[count] -> [count + 1], from 0."""
    if weights is None:
        return np.arange(count + 1, dtype=np.float64)
    total = np.zeros(count + 1)
    np.cumsum(weights, out=total[1:])
    return total
