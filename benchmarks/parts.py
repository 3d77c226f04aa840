"""Parts of a benchmark that take long each: what one found is kept until it is asked otherwise."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.record import Metric, Options, commit, keep, metric_of


@dataclass(frozen=True, slots=True)
class Part:
    """What a part of a benchmark found.

    Attributes:
        metrics: each key once.
        details: what else is worth keeping, as plain JSON values.
    """

    metrics: tuple[Metric, ...]
    details: Mapping[str, Any] = field(default_factory=dict)


def kept_part(
    name: str, asked: Mapping[str, Any], make: Callable[[], Part], options: Options
) -> Part:
    """What was found before, if the same was asked; else what `make` finds now, which is kept.

    Args:
        name: of the part, among all benchmarks.
        asked: all that the figures depend on (the model's fingerprint, counts), as JSON values.
        make: measures.
        options: those of a quick run are kept in the cache.
    """
    path = options.folder / "parts" / f"{name}.json"
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["asked"] == asked:
            return Part(tuple(metric_of(metric) for metric in kept["metrics"]), kept["details"])
    part = make()
    keep(path, {"asked": asked, "commit": commit(), **dataclasses.asdict(part)})
    return part
