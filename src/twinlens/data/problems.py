"""What is wrong with a data set: each problem with its place and what training does about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from twinlens.errors import DataError

Severity = Literal["error", "warning", "note"]

MOST_LISTED = 20
"""Problems that one message names; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with, or worth knowing of, a data set.

    Attributes:
        severity: an "error" stops training; a "warning" costs quality; a "note" is for information.
        code: which kind of problem, for machines ("unreadable-file").
        where: the file, folder, or file and row.
        message: what must be how, and what it is.
        training: what training does about it.
    """

    severity: Severity
    code: str
    where: str
    message: str
    training: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(slots=True)
class ProblemLog:
    """Collects problems while data is read, so that all of them are told at once."""

    problems: list[Problem] = field(default_factory=list)

    def error(self, code: str, where: str, message: str) -> None:
        """Add what training cannot start with."""
        self.problems.append(Problem("error", code, where, message, "Training does not start."))

    def warning(self, code: str, where: str, message: str, *, training: str) -> None:
        """Add what costs quality."""
        self.problems.append(Problem("warning", code, where, message, training))

    def note(self, code: str, where: str, message: str, *, training: str) -> None:
        """Add what is worth knowing."""
        self.problems.append(Problem("note", code, where, message, training))

    def errors(self) -> list[Problem]:
        """Those that stop training."""
        return [problem for problem in self.problems if problem.severity == "error"]

    def notes(self) -> list[Problem]:
        """Those that are only worth knowing."""
        return [problem for problem in self.problems if problem.severity == "note"]

    def refuse(self, what: str) -> None:
        """Raise one error that names every problem that stops training, if there is any.

        Raises:
            DataError: there is at least one.
        """
        errors = self.errors()
        if errors:
            raise DataError(listed([str(error) for error in errors], what))


def listed(messages: Sequence[str], what: str) -> str:
    """One message out of several: the first `MOST_LISTED`, then a count of the rest.

    >>> listed(["a.png: it is empty."], "The data")
    'a.png: it is empty.'
    >>> print(listed(["a.png: it is empty.", "b.png: it is empty."], "The data"))
    The data must be free of errors. Got 2:
      a.png: it is empty.
      b.png: it is empty.
    """
    if len(messages) == 1:
        return messages[0]
    lines = [f"{what} must be free of errors. Got {len(messages)}:"]
    lines += [f"  {message}" for message in messages[:MOST_LISTED]]
    if len(messages) > MOST_LISTED:
        lines.append(f"  ... and {len(messages) - MOST_LISTED} more.")
    return "\n".join(lines)
