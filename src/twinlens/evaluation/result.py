"""What an evaluation found, as data that goes to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from twinlens.calibration.bounds import Error
from twinlens.errors import DataError
from twinlens.plain import from_plain, to_plain
from twinlens.types import Interval


@dataclass(frozen=True, slots=True)
class Curve:
    """Error rates at some thresholds, from the lowest threshold up; thinned for plots.

    Attributes:
        threshold: scores of at least this are accepted.
        fmr: share of impostor comparisons accepted.
        fnmr: share of genuine comparisons refused.
    """

    threshold: tuple[float, ...]
    fmr: tuple[float, ...]
    fnmr: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Band:
    """The curve at some false match rates, each with an interval of its own (pointwise).

    Attributes:
        fmr: bounds on the false match rate, ascending, down to what the evidence can tell.
        threshold: the lowest that keeps each; None where none does.
        fnmr: false non-match rate there.
        low, high: its interval.
        confidence: of each interval by itself, not of the whole curve.
    """

    fmr: tuple[float, ...]
    threshold: tuple[float | None, ...]
    fnmr: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many scores fall into each bin.

    Attributes:
        edges: of the bins, one more than there are bins.
        genuine, impostor: counts.
    """

    edges: tuple[float, ...]
    genuine: tuple[int, ...]
    impostor: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Extreme:
    """One comparison that stands out: positions of its two examples, and its score."""

    left: int
    right: int
    score: float


@dataclass(frozen=True, slots=True)
class Promise:
    """A promised rate of errors, and what came of it.

    Attributes:
        rate: promised.
        threshold: that was to keep it.
        came: the rate on what is evaluated.
        other: rate of the other error there.
        error: which was promised.
    """

    rate: float
    threshold: float
    came: Interval
    other: Interval
    error: Error = "false match"

    @property
    def verdict(self) -> str:
        """ "held"; "broken"; or above the promise by no more than this test can tell."""
        if self.came.value <= self.rate:
            return "held"
        return "broken" if self.came.low > self.rate else "above it, within the noise of this test"


@dataclass(frozen=True, slots=True)
class Decisions:
    """How far probabilities and thresholds, fitted on other identities, hold on these.

    Attributes:
        prior: share of matches that probabilities were made and are judged for.
        cllr: cost of the log-likelihood ratios, bits.
        min_cllr: the least that any rising map of these scores could have.
        ece: expected calibration error at the prior.
        brier: Brier score at the prior.
        promised, came, share: the reliability diagram: mean probability in each bin, share of
            matches in it, and weight of the bin.
        promises: for each threshold with one, of both kinds of error.
    """

    prior: float
    cllr: float
    min_cllr: float
    ece: float
    brier: float
    promised: tuple[float, ...]
    came: tuple[float, ...]
    share: tuple[float, ...]
    promises: tuple[Promise, ...]


@dataclass(frozen=True, slots=True)
class GroupErrors:
    """Errors among the comparisons within one group.

    Attributes:
        value: of the column that groups.
        examples: of the group.
        genuine, impostors: comparisons within it.
        fmr, fnmr: at the threshold; None where there is no comparison of the kind.
    """

    value: str
    examples: int
    genuine: int
    impostors: int
    fmr: Interval | None
    fnmr: Interval | None


@dataclass(frozen=True, slots=True)
class Drift:
    """How new inputs without labels differ from those that were evaluated.

    Attributes:
        known, new: inputs of each side.
        energy_distance: between both sides' embeddings; 0 = alike.
        energy_p: chance of as large a one were they alike (permutation test).
        score_shift: mean score of two new inputs less that of two known ones.
        score_p: chance of as large a one were they alike.
    """

    known: int
    new: int
    energy_distance: float
    energy_p: float
    score_shift: float
    score_p: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Every figure with its interval, or with the reason why it is absent.

    Attributes:
        kind: whether examples with identities were compared, given pairs or given triplets.
        examples: how many took part.
        identities: how many there are; None when only pairs or triplets are known.
        genuine_pairs, impostor_pairs: comparisons made.
        metrics: name -> value and interval; each in [0, 1].
        absent: name -> why, and what it would take.
        method: how the intervals were made.
        limits: what was drawn or left out, in words.
        curve, histogram: for plots.
        false_matches: the impostor comparisons that scored highest, worst first.
        false_non_matches: the genuine comparisons that scored lowest, worst first.
        seed: of every draw.
        decisions: how far a calibration holds; None when the model has none.
        grouped_by: the column that `groups` are of; "" = none.
        groups: errors within each group at the first operating point, the largest FNMR first.
        band: of the curve; None for triplets.
    """

    kind: Literal["embeddings", "pairs", "triplets"]
    examples: int
    identities: int | None
    genuine_pairs: int
    impostor_pairs: int
    metrics: Mapping[str, Interval]
    absent: Mapping[str, str]
    method: str
    limits: tuple[str, ...]
    curve: Curve
    histogram: Histogram
    false_matches: tuple[Extreme, ...]
    false_non_matches: tuple[Extreme, ...]
    seed: int
    decisions: Decisions | None = None
    grouped_by: str = ""
    groups: tuple[GroupErrors, ...] = ()
    band: Band | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: no NaN, no infinity."""
        return to_plain(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Evaluation:
        """What `to_dict` gave.

        Raises:
            DataError: a key is missing, unknown or of the wrong form.
        """
        try:
            return from_plain(cls, data)
        except TypeError as error:
            raise DataError(
                "A stored evaluation must hold what Evaluation.to_dict wrote. "
                f"Got a problem with {error}. Evaluate again."
            ) from error
