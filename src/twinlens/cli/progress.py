"""Progress on a terminal as a bar; elsewhere a line for what is worth one."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from twinlens.data.cache import Progress as Report
from twinlens.training.history import Progress as Event


class TrainingProgress:
    """Shows a training run: loss, speed, validation and time left; a context manager."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=1.0, state="")
        self._validation = ""

    def __enter__(self) -> TrainingProgress:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def update(self, event: Event) -> None:
        if event.passing:
            self._bar.update(self._task, description=event.message)
        elif event.message:
            self._console.print(event.message, markup=False, highlight=False, soft_wrap=True)
        line = event.line
        if line is None:
            return
        left = event.seconds_left or 0.0
        if line.validation is not None:
            self._validation = f", validation {line.validation:.3f}"
            if not self._console.is_terminal:
                self._console.print(
                    f"step {line.step}: loss {line.loss:.4f}{self._validation}, "
                    f"{line.examples_per_second:,.0f} examples/s, {left:.0f} s left",
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )
        self._bar.update(
            self._task,
            description=f"step {line.step}",
            completed=line.seconds / max(line.seconds + left, 1e-9),
            state=f"loss {line.loss:.4f}{self._validation}, {line.examples_per_second:,.0f}/s, "
            f"{_clock(left)} left",
        )


@contextmanager
def counting(what: str) -> Generator[Report]:
    """A bar for (done, all); nothing where there is no terminal."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
