"""RankedTriplet: by hand, against NumPy, and a ranking that is learned."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from twinlens.comparators import Cosine, Euclidean
from twinlens.errors import ConfigError
from twinlens.losses import PairIndex, RankedTriplet, Triplet, TripletIndex
from twinlens.testing import broken, check_component


def test_the_contract() -> None:
    assert [str(result) for result in broken(check_component("loss", "ranked_triplet"))] == []


def candidates(same: list[bool], grades: list[float] | None = None) -> PairIndex:
    """Row 0 is the question, the others are its candidates."""
    grade = None if grades is None else torch.tensor(grades)
    right = 1 + torch.arange(len(same))
    return PairIndex(torch.zeros_like(right), right, torch.tensor(same), grade)


ON_A_LINE = torch.tensor([[0.0], [1.0], [1.5], [9.0]])
"""A question at 0, and candidates with the scores -1, -1.5 and -9."""


def test_by_hand() -> None:
    """Under a margin of 0.8: 0.3 by the candidate at 1.5, nothing by the one at 9."""
    value = RankedTriplet(1, 2, margin=0.8)(
        ON_A_LINE, candidates([True, False, False]), Euclidean(1)
    )
    assert value.total.item() == pytest.approx(0.3)
    parts = {name: round(part.item(), 6) for name, part in value.parts.items()}
    assert parts == {
        "empty_share": 0.0,
        "active_share": 0.5,
        "better_score": -1.0,
        "worse_score": -5.25,
    }


def test_the_gradient_by_hand() -> None:
    """The better one is drawn to the question, the one within the margin pushed away."""
    embeddings = ON_A_LINE.clone().requires_grad_()
    value = RankedTriplet(1, 2, margin=0.8)(
        embeddings, candidates([True, False, False]), Euclidean(1)
    )
    value.total.backward()
    assert embeddings.grad is not None
    torch.testing.assert_close(embeddings.grad, torch.tensor([[0.0], [1.0], [-1.0], [0.0]]))


def test_grades_are_an_order_and_a_margin() -> None:
    """The pairs (better, worse) are (2, 0), (2, 1) and (0, 1)."""
    value = RankedTriplet(1, 2, margin=2.0)(
        ON_A_LINE, candidates([False, False, True], [0.5, 0.25, 1.0]), Euclidean(1)
    )
    assert value.total.item() == pytest.approx((8 + 1 + 7.5 + 1.5 + 0) / 2)


def test_candidates_that_are_as_good_as_one_another_have_no_order() -> None:
    for same in ([True] * 3, [False] * 3):
        value = RankedTriplet(1, 2)(ON_A_LINE, candidates(same), Euclidean(1))
        assert value.total.item() == 0
        assert value.parts["empty_share"].item() == 1


def test_it_is_the_triplet_loss_within_each_list() -> None:
    embeddings = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    pairs = [(0, 2, True), (0, 3, False), (0, 4, False), (1, 5, False), (1, 6, True), (1, 7, True)]
    left, right, same = (torch.tensor(column) for column in zip(*pairs, strict=True))
    found = RankedTriplet(4, 2, margin=0.3)(embeddings, PairIndex(left, right, same), Cosine(4))
    rows = [
        (question, better, worse)
        for (question, better, good), (other, worse, bad) in itertools.product(pairs, repeat=2)
        if question == other and good and not bad
    ]
    triplets = TripletIndex(*(torch.tensor(column) for column in zip(*rows, strict=True)))
    expected = Triplet(4, 2, margin=0.3)(embeddings, triplets, Cosine(4))
    assert len(rows) == 4
    torch.testing.assert_close(found.total, expected.total)


def order_of(embeddings: Tensor) -> list[int]:
    return Euclidean(2).paired(embeddings[:1].expand(5, -1), embeddings[1:]).argsort().tolist()


def test_a_graded_order_is_learned() -> None:
    embeddings = torch.randn(6, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    targets = candidates([False] * 5, [1.0, 0.0, 0.5, 0.25, 0.75])
    wanted = np.argsort([1.0, 0.0, 0.5, 0.25, 0.75]).tolist()
    assert order_of(embeddings.detach()) != wanted
    optimiser = torch.optim.SGD([embeddings], 0.05)
    for _ in range(200):
        optimiser.zero_grad()
        RankedTriplet(2, 2, margin=1.0)(embeddings, targets, Euclidean(2)).total.backward()
        optimiser.step()
    assert order_of(embeddings.detach()) == wanted


def test_a_margin_below_0_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"loss\.margin"):
        RankedTriplet(2, 2, margin=-0.1)
