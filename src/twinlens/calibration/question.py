"""What is asked when scores are decided on, and the rule that answers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twinlens.calibration.bounds import Error
from twinlens.calibration.operating import Bounded, OperatingPoint, RejectionPoint
from twinlens.calibration.scale import Scale
from twinlens.errors import ConfigError
from twinlens.functional.probability import probability
from twinlens.settings import require
from twinlens.types import Decision, FloatArray, IntArray

SAME, UNSURE, DIFFERENT = 1, 0, -1
_VALUES: dict[int, bool | None] = {SAME: True, UNSURE: None, DIFFERENT: False}
_WORDS = {SAME: "same", UNSURE: "unsure", DIFFERENT: "different"}
_SHORT = {**_WORDS, UNSURE: "review"}


@dataclass(frozen=True, slots=True)
class Costs:
    """What a wrong answer costs, and what it costs to have a person look, in any one unit."""

    false_match: float = 1.0
    false_non_match: float = 1.0
    review: float | None = None

    def __post_init__(self) -> None:
        for name in ("false_match", "false_non_match"):
            require(getattr(self, name) > 0, f"cost of a {name}", "above 0", getattr(self, name))
        if self.review is not None:
            require(self.review >= 0, "cost of a review", "at least 0", self.review)


@dataclass(frozen=True, slots=True)
class Question:
    """How to decide.

    With costs: the answer of least expected cost. Else "same" from a threshold on at which a false
    match rate is promised, and "different" below one: where a false non-match rate was asked for,
    one at which that is promised; else the lowest of the false match rates', if "different" is the
    likelier answer, too. Unsure in between, and where no rate could be promised.

    Attributes:
        prior: share of matches among such comparisons; the calibration's when None.
        fmr: promised false match rate to decide by; when None all of them, so that "same" takes
            the highest threshold.
        fnmr: promised false non-match rate to decide by; when None "different" takes the lowest.
        costs: of errors and of a review, to decide by instead.
    """

    prior: float | None = None
    fmr: float | None = None
    fnmr: float | None = None
    costs: Costs | None = None

    def __post_init__(self) -> None:
        if self.prior is not None:
            require(0 < self.prior < 1, "prior", "between 0 and 1", self.prior)


@dataclass(frozen=True, slots=True)
class Answers:
    """What is answered to many scores.

    Attributes:
        probability: [n] that they are the same.
        answer: [n] `SAME`, `UNSURE` or `DIFFERENT`.
    """

    probability: FloatArray
    answer: IntArray

    def words(self) -> list[str]:
        """ "same", "unsure" or "different" for each."""
        return [_WORDS[answer] for answer in self.answer.tolist()]


class Rule:
    """A question put to the scores of one scale."""

    def __init__(self, scale: Scale, question: Question, prior: float) -> None:
        """Args:
        scale: what scores mean.
        question: how to decide.
        prior: of the calibration, for where the question names none.

        Raises:
            ConfigError: a rate that the question names was not promised; says why.
        """
        self._scale, self._costs = scale, question.costs
        self._prior = prior if question.prior is None else question.prior
        points, rejections = scale.points, scale.rejections
        if question.fmr is not None:
            place = self._place("false match", question.fmr, [point.fmr for point in points])
            points = points[place : place + 1]
        if question.fnmr is not None:
            rates = [point.fnmr for point in rejections]
            place = self._place("false non-match", question.fnmr, rates)
            rejections = rejections[place : place + 1]
        lowest: Sequence[OperatingPoint | RejectionPoint] = (
            rejections if scale.rejects_by_promise else points
        )
        self._same_from = points[-1] if points else None
        self._different_below = lowest[0] if lowest else None

    def answers(self, scores: FloatArray) -> Answers:
        """[n] -> what is answered to each."""
        p = probability(self._scale.map.llr(scores), self._prior)
        if self._costs is not None:
            expected = _expected(p, self._costs)
            best = np.argmin(np.stack(list(expected.values())), axis=0)
            return Answers(p, np.array(list(expected))[best])
        answer = np.full(len(scores), UNSURE)
        if self._different_below is not None:
            answer[(scores < self._different_below.threshold) & (p <= 0.5)] = DIFFERENT
        if self._same_from is not None:
            answer[scores >= self._same_from.threshold] = SAME
        return Answers(p, answer)

    def decision(self, score: float) -> Decision:
        """What is answered to one score, and why."""
        found = self.answers(np.array([score]))
        p, answer = float(found.probability[0]), int(found.answer[0])
        low, high = self._different_below, self._same_from
        fmr = fnmr = threshold = None
        if self._costs is not None:
            costs = _expected(found.probability, self._costs).items()
            told = ", ".join(f"{_SHORT[answer]} {float(cost[0]):.3g}" for answer, cost in costs)
            why = f"least expected cost: {told}"
        elif answer == SAME and high is not None:
            fmr, threshold, why = high.fmr, high.threshold, _met(high)
        elif answer == DIFFERENT and isinstance(low, RejectionPoint):
            fnmr, threshold, why = low.fnmr, low.threshold, _rejected(low)
        elif answer == DIFFERENT and isinstance(low, OperatingPoint):
            fmr, threshold, why = low.fmr, low.threshold, _missed(low)
        else:
            why = self._doubt(score)
        return Decision(score, p, self._prior, _VALUES[answer], fmr, threshold, why, fnmr)

    def _place(self, error: Error, rate: float, promised: Sequence[float]) -> int:
        if rate in promised:
            return promised.index(rate)
        for refusal in self._scale.refusals:
            if (refusal.error, refusal.rate) == (error, rate):
                raise ConfigError(str(refusal))
        option = "--fmr" if error == "false match" else "--fnmr"
        known = ", ".join(f"{one:g}" for one in promised) or "none"
        raise ConfigError(
            f"{option} must be a rate that the model was calibrated for: {known}. Got {rate:g}. "
            f"Calibrate it with {option} {rate:g}."
        )

    def _doubt(self, score: float) -> str:
        """Why neither answer is given."""
        low, high = self._different_below, self._same_from
        refused = " ".join(map(str, self._scale.refusals))
        if low is None and high is None:
            return f"no rate of errors could be promised: {refused}"
        if low is not None and score < low.threshold:
            return (
                f"likelier the same than not, yet below the threshold {low.threshold:.4g} "
                f"({_promise(low)})"
            )
        if low is None and high is not None:
            return f"below the threshold {high.threshold:.4g} ({_promise(high)}). {refused}"
        if low is not None and high is None:
            return f"at or above the threshold {low.threshold:.4g} ({_promise(low)}). {refused}"
        assert low is not None and high is not None
        return (
            f"between the thresholds {low.threshold:.4g} ({_promise(low)}) and "
            f"{high.threshold:.4g} ({_promise(high)})"
        )


def _expected(p: FloatArray, costs: Costs) -> dict[int, FloatArray]:
    """What each answer costs on average; a review only where it has a price."""
    expected = {SAME: (1 - p) * costs.false_match, DIFFERENT: p * costs.false_non_match}
    if costs.review is not None:
        expected[UNSURE] = np.full(len(p), costs.review)
    return expected


def _promise(point: OperatingPoint | RejectionPoint) -> str:
    if isinstance(point, OperatingPoint):
        return f"false match rate {point.fmr:g}"
    return f"false non-match rate {point.fnmr:g}"


def _met(point: OperatingPoint) -> str:
    return (
        f"at or above the threshold {point.threshold:.4g}: at most {point.fmr:g} of comparisons of "
        f"different identities get there, {_grounds(point)}"
    )


def _rejected(point: RejectionPoint) -> str:
    return (
        f"below the threshold {point.threshold:.4g}: at most {point.fnmr:g} of comparisons of the "
        f"same identity lie there, {_grounds(point)}"
    )


def _grounds(point: Bounded) -> str:
    return (
        f"at {point.confidence:.4g} confidence (measured {point.measured:.2g}, bound "
        f"{point.bound:.2g}, from {point.identities:,} identities)"
    )


def _missed(point: OperatingPoint) -> str:
    fnmr = point.fnmr
    return (
        f"below the threshold {point.threshold:.4g}, under which {fnmr.value:.2g} of comparisons "
        f"of the same lie ({fnmr.low:.2g} to {fnmr.high:.2g})"
    )
