"""What happened in training, step group by step group: kept, logged and shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from twinlens.atomic import write_bytes
from twinlens.losses.base import LossValue

LOG = "log.jsonl"
"""Name of the log in the folder of a training."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One group of steps.

    Attributes:
        step: how many steps were done at its end.
        loss: mean over the group.
        parts: mean of each named part of the loss, and of mining ("empty_share").
        learning_rate: at its end.
        examples_per_second: examples embedded and learned from.
        seconds: of training since its start, resumed parts included.
        validation: the score on unseen identities, when it was measured here.
    """

    step: int
    loss: float
    parts: Mapping[str, float]
    learning_rate: float
    examples_per_second: float
    seconds: float
    validation: float | None = None


class StepGroup:
    """Means over the steps since the last log line."""

    def __init__(self) -> None:
        self._losses: list[Tensor] = []
        self._parts: dict[str, list[Tensor]] = {}
        self._examples = 0
        self._seconds = 0.0

    def add(self, value: LossValue, examples: int, seconds: float) -> None:
        """Count one step: its loss, how many examples it had, and how long it took."""
        self._losses.append(value.total.detach())
        for name, part in value.parts.items():
            self._parts.setdefault(name, []).append(part)
        self._examples += examples
        self._seconds += seconds

    @property
    def loss(self) -> float:
        """Mean loss."""
        return float(torch.stack(self._losses).mean())

    @property
    def parts(self) -> dict[str, float]:
        """Mean of each part over the steps that had it."""
        return {name: float(torch.stack(p).float().mean()) for name, p in self._parts.items()}

    @property
    def examples_per_second(self) -> float:
        """Examples learned from in a second."""
        return self._examples / max(self._seconds, 1e-9)


@dataclass(frozen=True, slots=True)
class Progress:
    """What a listener is told while training goes on.

    Attributes:
        step, steps: done, and to be done at most.
        line: of the log, when one was made.
        seconds_left: as far as can be told.
        message: in words, for a person.
        passing: whether the message is soon out of date ("decoding 3 of 9"), so not worth a line.
    """

    step: int
    steps: int
    line: LogLine | None = None
    seconds_left: float | None = None
    message: str = ""
    passing: bool = False


class Listener(Protocol):
    """Whoever wants to know how training goes: a progress bar, a server, a test."""

    def update(self, event: Progress) -> None: ...


class Silent:
    """A listener that says nothing."""

    def update(self, event: Progress) -> None:
        return None


class Everyone:
    """Tells several listeners."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self.listeners = listeners

    def update(self, event: Progress) -> None:
        for listener in self.listeners:
            listener.update(event)


@dataclass(slots=True)
class History:
    """All log lines of a run; each is appended to a JSONL file as it is made."""

    path: Path
    lines: list[LogLine] = field(default_factory=list)

    @classmethod
    def resume(cls, path: Path, step: int) -> History:
        """The lines up to `step`; later ones, of steps that will be taken again, are dropped."""
        kept = [line for line in read_log(path) if line.step <= step]
        write_bytes(path, "".join(_dump(line) for line in kept).encode())
        return cls(path, kept)

    def add(self, line: LogLine) -> None:
        """Keep a line and append it to the file."""
        self.lines.append(line)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_dump(line))

    def validations(self) -> list[tuple[int, float]]:
        """(step, score) of each validation."""
        return [(line.step, line.validation) for line in self.lines if line.validation is not None]

    def thinned(self, most: int = 200) -> list[dict[str, Any]]:
        """At most about `most` lines, evenly spaced, every validation kept; for the evidence."""
        stride = max(1, len(self.lines) // most)
        return [
            asdict(line)
            for i, line in enumerate(self.lines)
            if i % stride == 0 or line.validation is not None or i == len(self.lines) - 1
        ]


def read_log(path: Path) -> list[LogLine]:
    """All lines of a log; none when there is no file."""
    if not path.exists():
        return []
    parsed = map(_parse, path.read_text(encoding="utf-8").splitlines())
    return [line for line in parsed if line is not None]


def _dump(line: LogLine) -> str:
    return json.dumps(asdict(line)) + "\n"


def _parse(text: str) -> LogLine | None:
    """A line, or None for the torn last line that a kill can leave."""
    try:
        return LogLine(**json.loads(text))
    except (json.JSONDecodeError, TypeError):
        return None
