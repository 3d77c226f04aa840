from __future__ import annotations

import numpy as np
import pytest
import torch

from twinlens.comparators import Cosine
from twinlens.errors import ConfigError
from twinlens.losses import Graded, PairIndex
from twinlens.testing import broken, check_component

UNIT = torch.eye(3)[[0, 0, 1]]


def test_the_contract() -> None:
    assert [str(result) for result in broken(check_component("loss", "graded"))] == []


def cost(grades: list[float] | None, same: list[bool]) -> float:
    index = torch.tensor([0, 0]), torch.tensor([1, 2])
    given = None if grades is None else torch.tensor(grades)
    targets = PairIndex(*index, torch.tensor(same), given)
    return Graded(3, 2, steepness=4.0)(UNIT, targets, Cosine(3)).total.item()


def test_against_the_formula() -> None:
    """Cosines 1 and 0, so logits 2 and -2."""
    grades = np.array([0.8, 0.3])
    chance = 1 / (1 + np.exp([-2.0, 2.0]))
    wanted = -(grades * np.log(chance) + (1 - grades) * np.log(1 - chance)).mean()
    assert cost([0.8, 0.3], [True, False]) == pytest.approx(wanted, abs=1e-6)


def test_without_grades_same_is_1_and_different_0() -> None:
    assert cost(None, [True, False]) == pytest.approx(cost([1.0, 0.0], [False, True]))


def test_a_steepness_of_0_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"loss\.steepness"):
        Graded(3, 2, steepness=0.0)
