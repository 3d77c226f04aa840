"""What an evaluation found, as data that goes to JSON and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from twinlens.errors import DataError
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

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: no NaN, no infinity."""
        return {
            **{field.name: getattr(self, field.name) for field in dataclasses.fields(self)},
            "metrics": {name: dataclasses.asdict(found) for name, found in self.metrics.items()},
            "absent": dict(self.absent),
            "limits": list(self.limits),
            "curve": _lists(self.curve),
            "histogram": _lists(self.histogram),
            "false_matches": [dataclasses.asdict(pair) for pair in self.false_matches],
            "false_non_matches": [dataclasses.asdict(pair) for pair in self.false_non_matches],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Evaluation:
        """What `to_dict` gave.

        Raises:
            DataError: a key is missing, unknown or of the wrong form.
        """
        try:
            parsed: dict[str, Any] = {
                **data,
                "metrics": {name: Interval(**found) for name, found in data["metrics"].items()},
                "limits": tuple(data["limits"]),
                "curve": Curve(**_tuples(data["curve"])),
                "histogram": Histogram(**_tuples(data["histogram"])),
                "false_matches": _extremes(data["false_matches"]),
                "false_non_matches": _extremes(data["false_non_matches"]),
            }
            return cls(**parsed)
        except (AttributeError, KeyError, TypeError) as error:
            raise DataError(
                "A stored evaluation must hold what Evaluation.to_dict wrote. "
                f"Got a problem with {error}. Evaluate again."
            ) from error


def _lists(part: Curve | Histogram) -> dict[str, list[float]]:
    return {name: list(values) for name, values in dataclasses.asdict(part).items()}


def _tuples(part: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(values) for name, values in part.items()}


def _extremes(pairs: list[Any]) -> tuple[Extreme, ...]:
    return tuple(Extreme(**pair) for pair in pairs)
