"""Comparators of rows of parts: maxsim and matches."""

from __future__ import annotations

import pytest
import torch

from twinlens.comparators import Matches, MaxSim
from twinlens.errors import ConfigError
from twinlens.registry import Component, build
from twinlens.testing import broken, check_comparator


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("maxsim", {"steps": 4}),
        ("maxsim", {"steps": 4, "direction": "left_to_right"}),
        ("matches", {"steps": 4}),
        ("matches", {"steps": 2, "hidden": 0, "whole": False}),
    ],
)
def test_the_contract(name: str, settings: dict[str, int | bool | str]) -> None:
    assert [str(result) for result in broken(check_comparator(name, settings))] == []


def rows(*parts: tuple[int, float]) -> torch.Tensor:
    """[1, 4 · 3] parts along the axes, each as long as it counts; the rest are not there."""
    found = torch.zeros(4, 3)
    for place, (axis, length) in enumerate(parts):
        found[place, axis] = length
    return found.flatten()[None]


def test_maxsim_is_the_share_that_is_found_both_ways() -> None:
    comparator = MaxSim(12, steps=4)
    a = rows((0, 3.0), (1, 1.0))
    assert comparator.paired(a, a).item() == pytest.approx(1)
    # the heavy part is found, the light one is not; all of the other is found
    assert comparator.paired(a, rows((0, 5.0))).item() == pytest.approx((3 / 4 + 1) / 2)
    assert comparator.paired(a, rows((2, 1.0))).item() == pytest.approx(0)


def test_from_left_to_right_what_the_right_one_says_beyond_costs_nothing() -> None:
    comparator = MaxSim(12, steps=4, direction="left_to_right")
    question, answer = rows((0, 3.0), (1, 1.0)), rows((1, 1.0), (0, 5.0), (2, 9.0))
    assert comparator.paired(question, answer).item() == pytest.approx(1)
    # of what counts 15 the question has no counterpart for 9
    assert comparator.paired(answer, question).item() == pytest.approx(6 / 15)
    both = MaxSim(12, steps=4).paired(question, answer).item()
    assert both == pytest.approx((1 + 6 / 15) / 2)
    assert comparator.matrix(question, torch.cat([answer, question, rows((0, 1.0))])).tolist() == [
        pytest.approx([1, 1, 3 / 4])
    ]


def test_from_left_to_right_each_part_takes_the_nearest_there_is() -> None:
    left, right = torch.zeros(2, 4, 3, dtype=torch.float64)
    left[0], left[1] = torch.tensor([3.0, 4, 0]), torch.tensor([0.0, 0, 2])
    right[0], right[2] = torch.tensor([2.0, 0, 0]), torch.tensor([0.0, 1, 0])  # and gaps
    comparator = MaxSim(12, steps=4, direction="left_to_right")
    # cosines 0.6 and 0.8 of the first, which counts 5; 0 of the second, which counts 2
    found = comparator.paired(left.flatten()[None], right.flatten()[None])
    assert found.item() == pytest.approx(5 / 7 * 0.8)


@pytest.mark.parametrize("direction", ["both", "left_to_right"])
def test_the_gradient_of_maxsim_is_that_of_its_value(direction: str) -> None:
    torch.manual_seed(0)
    a, b = torch.randn(2, 5, 12, dtype=torch.float64)
    a[0, 3:] = 0  # parts that are not there
    b[1, 6:] = 0
    comparator = build("comparator", Component("maxsim", {"steps": 4, "direction": direction}), 12)
    assert torch.autograd.gradcheck(comparator.paired, (a[2:].requires_grad_(), b[2:]))
    assert torch.autograd.gradcheck(comparator.paired, (a[2:].detach(), b[2:].requires_grad_()))
    a, b = a.detach().requires_grad_(), b.detach().requires_grad_()
    comparator.paired(a, b).sum().backward()
    assert a.grad is not None
    assert b.grad is not None
    assert torch.isfinite(a.grad).all()
    assert torch.isfinite(b.grad).all()


def test_the_order_of_parts_and_gaps_do_not_matter_to_maxsim() -> None:
    a, b = rows((0, 3.0), (1, 1.0), (2, 2.0)), rows((1, 2.0), (0, 1.0))
    turned = a.view(4, 3)[[3, 2, 0, 1]].flatten()[None]
    comparator = MaxSim(12, steps=4)
    assert comparator.paired(turned, b).item() == pytest.approx(comparator.paired(a, b).item())


def test_company_never_changes_a_score() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(80, 12), torch.randn(80, 12)
    for row in range(80):
        a[row, 3 * (1 + row % 4) :] = 0
        b[row, 3 * (1 + row % 3) :] = 0
    b[:40] = a[:40]
    b[20:40, :3] = torch.randn(20, 3)
    one_way = MaxSim(12, steps=4, direction="left_to_right")
    for comparator in (MaxSim(12, steps=4), one_way, Matches(12, steps=4).eval()):
        alone = torch.cat([comparator.paired(a[i : i + 1], b[i : i + 1]) for i in range(80)])
        torch.testing.assert_close(comparator.paired(a, b), alone)


def features(comparator: Matches, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """What the head of a comparator without hidden layer is given."""
    seen: list[torch.Tensor] = []
    comparator.scale.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    comparator.train().paired(a, b)
    return seen[0]


def test_matches_sees_the_order_of_parts_and_which_side_lacks_one() -> None:
    comparator = Matches(12, steps=4, hidden=0, whole=False)
    a, turned = rows((0, 1.0), (1, 2.0), (2, 3.0)), rows((1, 2.0), (0, 1.0), (2, 3.0))
    less = rows((0, 1.0), (1, 2.0))
    left, right = torch.cat([a, a, a, less]), torch.cat([a, turned, less, a])
    same, other, shorter, longer = features(comparator, left, right)
    assert (same != other).sum() >= 10  # longer runs and ends
    torch.testing.assert_close(shorter, longer)  # from both sides
    assert (same != shorter).sum() >= 10
    with pytest.raises(ConfigError, match=r"comparator\.runs"):
        Matches(12, steps=4, runs=0)


def test_what_never_differed_in_training_cannot_overturn_a_score() -> None:
    torch.manual_seed(0)
    comparator = Matches(12, steps=4, hidden=0, dropout=0.0, whole=False).train()
    for _ in range(200):
        comparator.paired(torch.randn(16, 12), torch.randn(16, 12))
    comparator.eval()
    bound = 5 * comparator.head[-1].weight.abs().sum() + comparator.head[-1].bias.abs()
    a = torch.randn(8, 12)
    assert comparator.paired(a, a).abs().max() <= bound


def test_nothing_against_something_is_a_finite_score() -> None:
    nothing, a = torch.zeros(1, 12), rows((0, 3.0))
    one_way = MaxSim(12, steps=4, direction="left_to_right")
    for comparator in (MaxSim(12, steps=4), one_way, Matches(12, steps=4).eval()):
        assert torch.isfinite(comparator.paired(nothing, a)).all()
        assert torch.isfinite(comparator.paired(nothing, nothing)).all()


def test_blocks_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    comparator = MaxSim(12, steps=4)
    a, b = torch.randn(7, 12), torch.randn(5, 12)
    whole = comparator.matrix(a, b)
    monkeypatch.setattr("twinlens.functional.late._MOST_CELLS", 100)
    torch.testing.assert_close(comparator.matrix(a, b), whole)


def test_a_lone_pair_can_be_trained_on() -> None:
    comparator = Matches(12, steps=4).train()
    assert torch.isfinite(comparator.paired(torch.randn(1, 12), torch.randn(1, 12))).all()


@pytest.mark.parametrize("cls", [MaxSim, Matches])
def test_an_embedding_that_does_not_fall_into_parts_is_refused(cls: type) -> None:
    with pytest.raises(ConfigError, match=r"Set it to encoder\.steps"):
        cls(10, steps=3)
