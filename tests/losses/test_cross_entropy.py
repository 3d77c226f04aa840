"""Cross-entropy of pairs: against NumPy and pairs done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from scoring import (
    Given,
    batch_of,
    comparator_of,
    cost,
    loss_of,
    numbered,
    pairs_of,
    rows_of,
    score_matrix,
)
from twinlens.losses import PairIndex
from twinlens.types import FloatArray


def oracle(s: FloatArray, pairs: list[tuple[int, ...]], balanced: bool) -> float:
    """−log σ(s) of a pair of the same, −log(1 − σ(s)) of another; halves, or all alike."""
    kinds: dict[int, list[float]] = {True: [], False: []}
    for left, right, same in pairs:
        chance = 1 / (1 + math.exp(-s[left, right]))
        kinds[same].append(-math.log(chance if same else 1 - chance))
    if balanced:
        return sum(sum(kind) / len(kind) for kind in kinds.values()) / 2
    every = kinds[True] + kinds[False]
    return sum(every) / len(every)


@pytest.mark.parametrize("balanced", [True, False])
def test_it_is_the_equation(balanced: bool) -> None:
    embeddings, labels = batch_of()
    pairs = pairs_of(labels)
    expected = oracle(score_matrix(comparator_of("learned"), embeddings), rows_of(pairs), balanced)
    found = cost(loss_of("cross_entropy", balanced=balanced), embeddings, pairs, "learned")
    np.testing.assert_allclose(found.item(), expected, rtol=1e-9)


def test_by_hand() -> None:
    """A logit of ln 3 is a chance of ¾: ½(−log ¾) + ½ log 2, and both are on the right side."""
    scores = torch.tensor([[0.0, math.log(3), 0.0]] * 3, dtype=torch.float64)
    row = torch.tensor
    pairs = PairIndex(row([0, 0]), row([1, 2]), row([True, False]))
    value = loss_of("cross_entropy")(numbered(3), pairs, Given(scores))
    expected = (math.log(4 / 3) + math.log(2)) / 2
    np.testing.assert_allclose(value.total.item(), expected, rtol=1e-12)
    assert value.parts["accuracy"].item() == 1


def test_pairs_of_one_kind_are_averaged() -> None:
    embeddings, labels = batch_of([1, 1, 1])
    pairs = pairs_of(labels)
    one, other = (
        cost(loss_of("cross_entropy", balanced=balanced), embeddings, pairs, "learned")
        for balanced in (True, False)
    )
    assert torch.isfinite(one)
    assert one.item() == other.item()


def test_a_logit_of_any_size_costs_what_it_is() -> None:
    """log(1 + e^1000) must be 1000, not infinity."""
    scores = torch.full((2, 2), -1000.0, dtype=torch.float64)
    pairs = PairIndex(torch.tensor([0]), torch.tensor([1]), torch.tensor([True]))
    assert loss_of("cross_entropy")(numbered(2), pairs, Given(scores)).total.item() == 1000
