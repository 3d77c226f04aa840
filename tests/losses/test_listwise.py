from __future__ import annotations

import numpy as np
import pytest
import torch

from twinlens.comparators import Cosine
from twinlens.errors import ConfigError
from twinlens.losses import Listwise, PairIndex
from twinlens.testing import broken, check_component


def test_the_contract() -> None:
    assert [str(result) for result in broken(check_component("loss", "listwise"))] == []


def cost(same: list[bool], *, temperature: float = 0.5, none: float = 0.25) -> float:
    """A question whose candidates have cosines 1, 0 and -1; each candidate is in one pair only."""
    embeddings = torch.tensor([[1.0, 0], [1, 0], [0, 1], [-1, 0]])
    targets = PairIndex(torch.zeros(3).long(), torch.tensor([1, 2, 3]), torch.tensor(same))
    loss = Listwise(2, 2, temperature=temperature, none=none)
    return loss(embeddings, targets, Cosine(2)).total.item()


@pytest.mark.parametrize(
    ("same", "wanted"),
    [
        ([True, False, False], [0]),
        ([True, True, False], [0, 1]),
        ([False, False, False], [3]),
    ],
)
def test_against_the_formula(same: list[bool], wanted: list[int]) -> None:
    logits = np.array([1, 0, -1, 0.25]) / 0.5
    chance = logits - np.log(np.exp(logits).sum())
    assert cost(same) == pytest.approx(-chance[wanted].mean(), abs=1e-6)


def test_one_candidate_is_no_list() -> None:
    embeddings = torch.eye(2)
    targets = PairIndex(torch.tensor([0]), torch.tensor([1]), torch.tensor([True]))
    value = Listwise(2, 2)(embeddings, targets, Cosine(2))
    assert value.total.item() == 0
    assert value.parts["empty_share"].item() == 1


def test_a_temperature_of_0_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"loss\.temperature"):
        Listwise(2, 2, temperature=0.0)
