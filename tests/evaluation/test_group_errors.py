"""Errors within groups, counted by hand."""

from __future__ import annotations

import numpy as np

from twinlens.evaluation.group_errors import Column, errors_by
from twinlens.types import Compared


def test_errors_are_those_within_the_group() -> None:
    # examples 0-3 are young (identities 0 0 1 1), 4-7 old (2 2 3 3), 8 has no age (identity 4)
    identity = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4])
    column = Column.of("age", ["young"] * 4 + ["old"] * 4 + [None])
    left, right = np.triu_indices(9, 1)
    same = identity[left] == identity[right]
    scores = np.where(same, 0.9, 0.1)
    scores[(left == 4) & (right == 5)] = 0.2  # one old person is not known again
    scores[(left == 0) & (right == 2)] = 0.8  # two young ones are taken for one
    scores[(left == 0) & (right == 4)] = 0.9  # across groups: counts for neither
    compared = Compared(scores, same, identity[left], identity[right], 5, "identity", 4)
    old, young = errors_by(compared, left, right, column, 0.5)
    assert (old.value, young.value) == ("old", "young")  # the worse off first
    assert (old.examples, old.genuine, old.impostors) == (4, 2, 4)
    assert old.fnmr is not None and old.fnmr.value == 0.5
    assert old.fmr is not None and old.fmr.value == 0.0 and old.fmr.high > 0.5
    assert young.fmr is not None and young.fmr.value == 0.25
    assert young.fnmr is not None and young.fnmr.value == 0.0


def test_a_group_without_a_kind_of_comparison_has_no_rate() -> None:
    column = Column.of("age", ["young", "young", "old"])
    left, right = np.array([0]), np.array([1])
    one = Compared(np.ones(1), np.array([True]), left * 0, left * 0, 1, "identity", 1)
    young, old = errors_by(one, left, right, column, 0.5)
    assert young.fmr is None and young.fnmr is not None
    assert old.fnmr is None
