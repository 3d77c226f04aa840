"""Error rates of each group of a data set at one threshold: who bears the errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twinlens.calibration.evidence import Dependence
from twinlens.evaluation.result import GroupErrors
from twinlens.types import BoolArray, Compared, IntArray, Interval

MOST_GROUPS = 50


@dataclass(frozen=True, slots=True)
class Column:
    """A property in which examples differ.

    Attributes:
        name: as the manifest has it.
        values: [n] int64, position in `names` of each example's value; below 0 = none.
        names: of the values.
    """

    name: str
    values: IntArray
    names: tuple[str, ...]

    @classmethod
    def of(cls, name: str, texts: Sequence[str | None]) -> Column:
        """From one text an example; empty or None = no value."""
        names = sorted({text for text in texts if text})[:MOST_GROUPS]
        number = {text: i for i, text in enumerate(names)}
        values = [number.get(text or "", -1) for text in texts]
        return cls(name, np.array(values, np.int64), tuple(names))


def errors_by(
    compared: Compared, left: IntArray, right: IntArray, column: Column, threshold: float
) -> tuple[GroupErrors, ...]:
    """FMR and FNMR among the comparisons within each group. The largest FNMR first.

    Args:
        compared: comparisons.
        left, right: [comparisons] positions of their examples.
        column: groups the examples.
        threshold: scores of at least this are accepted.
    """
    of = column.values[left]
    within = (of == column.values[right]) & (of >= 0)
    made: list[GroupErrors] = []
    for number, name in enumerate(column.names):
        chosen = compared.chosen(within & (of == number))
        made.append(
            GroupErrors(
                value=name,
                examples=int((column.values == number).sum()),
                genuine=int(chosen.same.sum()),
                impostors=int((~chosen.same).sum()),
                fmr=_rate(chosen, ~chosen.same, chosen.scores >= threshold),
                fnmr=_rate(chosen, chosen.same, chosen.scores < threshold),
            )
        )
    return tuple(sorted(made, key=lambda g: -(g.fnmr.value if g.fnmr else -1.0)))


def _rate(compared: Compared, kind: BoolArray, erring: BoolArray) -> Interval | None:
    """The share of one kind of comparison that errs; None where there is none of it."""
    if not kind.any():
        return None
    return Dependence(compared.chosen(kind)).rate(np.flatnonzero(erring[kind]))
