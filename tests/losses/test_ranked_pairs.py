"""RankedPairs: by hand, and what it has to do with the area under the curve."""

from __future__ import annotations

import math

import pytest
import torch

from twinlens.comparators import Cosine, Euclidean
from twinlens.errors import ConfigError
from twinlens.functional.metrics import roc_auc
from twinlens.losses import PairIndex, RankedPairs
from twinlens.testing import broken, check_component


def test_the_contract() -> None:
    assert [str(result) for result in broken(check_component("loss", "ranked_pairs"))] == []


ON_A_LINE = torch.tensor([[0.0], [1.0], [1.5], [9.0]])


def pairs(*rows: tuple[int, int, bool]) -> PairIndex:
    left, right, same = zip(*rows, strict=True)
    return PairIndex(torch.tensor(left), torch.tensor(right), torch.tensor(same))


def test_by_hand() -> None:
    """Scores: -1 and -9 of the same; -1.5 and -7.5 of different ones."""
    given = pairs((0, 1, True), (0, 3, True), (0, 2, False), (2, 3, False))
    value = RankedPairs(1, 2, temperature=2.0)(ON_A_LINE, given, Euclidean(1))
    gaps = [-0.5, -6.5, 7.5, 1.5]  # different less same
    wanted = sum(math.log1p(math.exp(gap / 2)) for gap in gaps) / 4
    assert value.total.item() == pytest.approx(wanted, rel=1e-5)
    assert value.parts["auc"].item() == 0.5


def test_it_bounds_what_the_area_under_the_curve_lacks() -> None:
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(40, 6, generator=generator)
    left, right = torch.triu_indices(40, 40, 1)
    given = PairIndex(left, right, torch.rand(len(left), generator=generator) < 0.3)
    comparator = Cosine(6)
    unit = comparator.project(embeddings)
    scores = comparator.paired(unit[left], unit[right])
    lacking = 1 - roc_auc(scores.numpy(), given.same.numpy())
    value = RankedPairs(6, 2, temperature=0.01)(unit, given, comparator)
    assert 1 - value.parts["auc"].item() == pytest.approx(lacking, abs=1e-4)
    assert value.total.item() / math.log(2) >= lacking


def test_pairs_of_others_are_compared_too() -> None:
    """One threshold for all: the same of one against different ones of another."""
    given = pairs((0, 1, True), (2, 3, False))
    embeddings = ON_A_LINE.clone().requires_grad_()
    RankedPairs(1, 2)(embeddings, given, Euclidean(1)).total.backward()
    assert embeddings.grad is not None
    with pytest.raises(ConfigError, match=r"loss\.temperature"):
        RankedPairs(1, 2, temperature=0.0)


@pytest.mark.parametrize("same", [True, False])
def test_one_kind_of_pairs_teaches_nothing(same: bool) -> None:
    value = RankedPairs(1, 2)(ON_A_LINE, pairs((0, 1, same)), Euclidean(1))
    assert value.total.item() == 0
    assert value.parts["empty_share"].item() == 1
