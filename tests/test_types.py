from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from twinlens import types
from twinlens.types import Batch, Example, Interval, Pairs, Triplets


def test_examples_are_hashable_by_what_they_are_not_by_what_they_hold() -> None:
    one, other = (Example("a", "x", fields={"image": path}) for path in ("1.png", "2.png"))
    assert hash(one) == hash(other) and one != other
    assert len({one, Example("a", "x", fields={"image": "1.png"}), other}) == 2


def test_nothing_that_travels_can_be_changed() -> None:
    nouns = [cls for cls in vars(types).values() if dataclasses.is_dataclass(cls)]
    assert len(nouns) >= 5
    for noun in nouns:
        assert noun.__dataclass_params__.frozen and hasattr(noun, "__slots__"), noun
    with pytest.raises(dataclasses.FrozenInstanceError):
        Example("a", None).id = "b"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Example("a", None).fields["image"] = "b"  # type: ignore[index]


def test_lengths_are_those_of_their_rows() -> None:
    column = np.arange(3)
    assert len(Pairs(column, column, column > 1)) == 3
    assert len(Triplets(column, column, column)) == 3
    assert len(Batch(np.zeros((4, 1, 2, 2)))) == 4


def test_an_interval_reads_as_a_number_with_bounds() -> None:
    assert str(Interval(0.5, 0.25, 0.75)) == "0.5000 [0.2500, 0.7500]"
