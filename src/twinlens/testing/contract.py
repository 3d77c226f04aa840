"""A contract: rules that every component of a kind keeps, each checked apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from twinlens.registry import Kind

Checked = Kind | Literal["gallery"]
"""What has a contract."""


class Broken(AssertionError):
    """A rule does not hold. The message says what was seen, and what to change."""


Rule = Callable[[], None]
"""Returns when the rule holds, raises `Broken` when it does not."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Whether one component keeps one rule.

    Attributes:
        kind, name: of the component.
        rule: in words, as it should be ("padding never changes an embedding").
        holds: whether it does.
        message: what was seen instead and what to change; "" when the rule holds.
    """

    kind: Checked
    name: str
    rule: str
    holds: bool
    message: str = ""

    def __str__(self) -> str:
        verdict = "holds" if self.holds else f"BROKEN: {self.message}"
        return f"{self.kind} {self.name!r}: {self.rule}: {verdict}"


def check_rules(kind: Checked, name: str, rules: Mapping[str, Rule]) -> list[CheckResult]:
    """Check each rule, whatever became of the others.

    An error of the component itself breaks the rule in whose check it was raised.

    >>> def never() -> None:
    ...     raise Broken("Got 2. Return 1.")
    >>> print(*check_rules("miner", "mine", {"one is one": never}))
    miner 'mine': one is one: BROKEN: Got 2. Return 1.
    """
    return [_check(kind, name, rule, check) for rule, check in rules.items()]


def broken(results: Iterable[CheckResult]) -> list[CheckResult]:
    """The rules that do not hold; empty when the contract is kept."""
    return [result for result in results if not result.holds]


def _check(kind: Checked, name: str, rule: str, check: Rule) -> CheckResult:
    try:
        check()
    except AssertionError as violation:
        return CheckResult(kind, name, rule, holds=False, message=str(violation))
    except Exception as error:  # a stranger's code may raise anything; all of it is a finding
        message = f"It raised {type(error).__name__}: {error}. Make it run on such input."
        return CheckResult(kind, name, rule, holds=False, message=message)
    return CheckResult(kind, name, rule, holds=True)
