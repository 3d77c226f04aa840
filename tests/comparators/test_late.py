"""Comparators of rows of parts: maxsim and matches."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from twinlens.comparators import Comparator, Matches, MaxSim
from twinlens.errors import ConfigError
from twinlens.functional.late import of_like_size
from twinlens.registry import Component, build
from twinlens.testing import broken, check_comparator


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("maxsim", {"steps": 4}),
        ("maxsim", {"steps": 4, "direction": "left_to_right"}),
        ("matches", {"steps": 4}),
        ("matches", {"steps": 2, "hidden": 0, "whole": False}),
        ("matches", {"steps": 4, "bilinear": True}),
    ],
)
def test_the_contract(name: str, settings: dict[str, int | bool | str]) -> None:
    assert [str(result) for result in broken(check_comparator(name, settings))] == []


def rows(*parts: tuple[int, float], axes: int = 3) -> torch.Tensor:
    """[1, 4 · axes] parts along the axes, each as long as it counts; the rest are not there."""
    found = torch.zeros(4, axes)
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


def with_weights(comparator: Matches) -> Matches:
    """One whose bilinear form is no longer 0."""
    assert comparator.bilinear is not None
    nn.init.normal_(comparator.bilinear, generator=torch.Generator().manual_seed(0))
    return comparator


def test_a_bilinear_form_joins_the_common_parts_of_the_shorter_side_with_those_of_the_longer() -> (
    None
):
    comparator = with_weights(Matches(12, steps=4, bilinear=True)).eval()
    weights = cast(Tensor, comparator.bilinear)
    question, answer = rows((0, 0.5)), rows((1, 0.5), (0, 0.1), (2, 9.0))  # the last one is rare
    bags = torch.tensor([[0.5**0.5, 0, 0, 1], [3**-0.5, 3**-0.5, 0, 1]])
    there, back = bags[0] @ weights @ bags[1], bags[1] @ weights @ bags[0]
    longer = torch.sigmoid(4 * torch.tensor(0.5 / 9.6).log())  # of the question
    expected = there + longer * (back - there)
    # it is added to what the head says, from both sides alike
    there, back = comparator.paired(question, answer), comparator.paired(answer, question)
    nn.init.zeros_(weights)
    head = comparator.paired(question, answer)
    assert (there - head).item() == pytest.approx(expected.item(), rel=1e-4)
    assert (back - head).item() == pytest.approx(expected.item(), rel=1e-4)


def test_what_asks_for_which_is_learned_where_nothing_is_shared() -> None:
    torch.manual_seed(0)
    when, who, year, by = (rows((axis, 0.5), axes=4) for axis in range(4))
    asked, given = torch.cat([when, when, who, who]), torch.cat([year, by, year, by])
    same = torch.tensor([1.0, 0.0, 0.0, 1.0])

    def loss_after(*, bilinear: bool) -> float:
        comparator = Matches(16, steps=4, dropout=0.0, whole=False, bilinear=bilinear)
        learner = torch.optim.Adam(comparator.parameters(), lr=0.05)
        for _ in range(150):
            learner.zero_grad()
            loss = F.binary_cross_entropy_with_logits(comparator.paired(asked, given), same)
            loss.backward()
            learner.step()
        return loss.item()

    assert loss_after(bilinear=True) < 0.1
    assert loss_after(bilinear=False) == pytest.approx(math.log(2), abs=0.01)  # a coin


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


ALL = [
    lambda: MaxSim(12, steps=4),
    lambda: MaxSim(12, steps=4, direction="left_to_right"),
    lambda: Matches(12, steps=4, dropout=0.0).eval(),
    lambda: Matches(12, steps=4, dropout=0.0).train(),
    lambda: with_weights(Matches(12, steps=4, dropout=0.0, bilinear=True)).train(),
]


def ragged(count: int, *, seed: int) -> torch.Tensor:
    """[count, 4 · 3] of 0 to 4 parts each, one in three with a gap; to be learned."""
    found = torch.randn(count, 4, 3, generator=torch.Generator().manual_seed(seed))
    for row in range(count):
        found[row, row % 5 :] = 0
        found[row, 1] *= row % 3 > 0
    return found.flatten(1).double().requires_grad_()


@pytest.mark.parametrize("made", ALL)
@pytest.mark.parametrize("cells", [1, 100, 4_000_000])
def test_a_matrix_and_its_gradient_are_those_of_its_pairs(
    monkeypatch: pytest.MonkeyPatch, made: Callable[[], Comparator], cells: int
) -> None:
    torch.manual_seed(0)
    comparator = made().double()
    a, b = ragged(33, seed=1), ragged(21, seed=2)
    weights = torch.randn(33, 21, dtype=torch.float64)
    of_pairs = comparator.paired(a.repeat_interleave(21, 0), b.repeat(33, 1)).view(33, 21)
    expected = torch.autograd.grad((of_pairs * weights).sum(), (a, b))
    monkeypatch.setattr("twinlens.functional.late._MOST_CELLS", cells)
    found = comparator.matrix(a, b)
    torch.testing.assert_close(found, of_pairs)
    torch.testing.assert_close(torch.autograd.grad((found * weights).sum(), (a, b)), expected)


class Written(TorchDispatchMode):
    """Counts the numbers that are written, and the most that any result has."""

    total = most = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        found = func(*args, **(kwargs or {}))
        if isinstance(found, torch.Tensor) and not func.is_view:
            self.total += found.numel()
            self.most = max(self.most, found.numel())
        return found


def learned_from(score: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], n: int) -> Written:
    """What a forward and a backward pass over n rows write."""
    a, b = (torch.randn(n, 12).requires_grad_() for _ in range(2))
    with Written() as written:
        score(a, b).sum().backward()
    return written


@pytest.mark.parametrize("made", ALL)
def test_the_work_of_learning_grows_as_the_number_of_pairs(made: Callable[[], Comparator]) -> None:
    comparator = made()
    once, twice = (learned_from(comparator.paired, n).total for n in (256, 512))
    assert twice < 2.2 * once
    once, twice = (learned_from(comparator.matrix, n).total for n in (64, 128))
    assert twice < 4.4 * once


def test_learning_holds_no_more_than_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinlens.functional.late._MOST_CELLS", 4096)
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes() // 4
        return tensor

    a, b = torch.randn(64, 12).requires_grad_(), torch.randn(64, 12)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        found = MaxSim(12, steps=4).matrix(a, b)
    assert sum(kept.values()) < 64 * 64  # there are 16 times as many similarities
    with Written() as written:
        found.sum().backward()
    assert written.most <= 4096


def test_a_lone_pair_can_be_trained_on() -> None:
    comparator = Matches(12, steps=4).train()
    assert torch.isfinite(comparator.paired(torch.randn(1, 12), torch.randn(1, 12))).all()


@pytest.mark.parametrize("cls", [MaxSim, Matches])
def test_an_embedding_that_does_not_fall_into_parts_is_refused(cls: type) -> None:
    with pytest.raises(ConfigError, match=r"Set it to encoder\.steps"):
        cls(10, steps=3)


def test_each_side_of_a_block_is_as_wide_as_it_needs() -> None:
    """Questions of 2 parts beside answers of 9 are not padded to these; the order is kept."""
    widths: list[tuple[int, int]] = []

    def made(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        widths.append((a.shape[1], b.shape[1]))
        return torch.stack([a.sum(1), b.sum(1)], 1)

    a, b = torch.zeros(70, 12 * 3), torch.zeros(70, 12 * 3)
    a[:, : 2 * 3], b[:, : 5 * 3] = torch.rand(70, 6), torch.rand(70, 15)
    b[::2, : 9 * 3] = torch.rand(35, 27)
    found = of_like_size(made, a, b, 12)
    torch.testing.assert_close(found, torch.stack([a.sum(1), b.sum(1)], 1))
    assert widths == [(6, 15), (6, 27), (6, 27)]
