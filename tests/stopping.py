"""An end to a training, as a user asks for it."""

from __future__ import annotations

import signal

from twinlens.training.history import Progress


class StopAt:
    """Asks for an end, as Ctrl-C does, once a step is logged."""

    def __init__(self, step: int) -> None:
        self.step = step

    def update(self, event: Progress) -> None:
        if event.line is not None and event.step == self.step:
            signal.raise_signal(signal.SIGINT)
