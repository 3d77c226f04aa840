from __future__ import annotations

from typing import Any, Literal

import pytest
import torch

from twinlens.comparators import Aligned
from twinlens.errors import ConfigError
from twinlens.testing import broken, check_comparator


@pytest.mark.parametrize("cost", ["cosine", "manhattan"])
def test_the_contract(cost: str) -> None:
    found = check_comparator("aligned", {"steps": 4, "cost": cost})
    assert [str(result) for result in broken(found)] == []


def test_a_manhattan_cost_adds_up_what_differs() -> None:
    comparator = Aligned(4, steps=2, cost="manhattan")
    a, b = torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[0.5, 0.0, 1.0, 3.0]])
    assert comparator.paired(a, b).item() == pytest.approx(-(0.5 + 2.0) / 2)


def test_a_series_that_runs_slower_is_alike() -> None:
    parts = torch.eye(4)
    fast = parts[[0, 1, 2, 3, 3, 3]].flatten()[None]
    slow = parts[[0, 0, 1, 1, 2, 3]].flatten()[None]
    other = parts[[3, 2, 1, 0, 0, 0]].flatten()[None]
    comparator = Aligned(24, steps=6)
    assert comparator.paired(fast, slow).item() == pytest.approx(0)
    assert comparator.paired(fast, other).item() < -0.5


@pytest.mark.parametrize("cost", ["cosine", "manhattan"])
def test_the_gradient_is_that_of_the_score(cost: Literal["cosine", "manhattan"]) -> None:
    comparator = Aligned(12, steps=4, cost=cost)
    a, b = (torch.rand(3, 12, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(comparator.paired, (a, b))


def test_blocks_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    comparator = Aligned(12, steps=3)
    a, b = torch.randn(7, 12), torch.randn(5, 12)
    whole = comparator.matrix(a, b)
    monkeypatch.setattr("twinlens.functional.late._MOST_CELLS", 100)
    assert torch.equal(comparator.matrix(a, b), whole)


def test_an_embedding_that_does_not_fall_into_steps_is_refused() -> None:
    with pytest.raises(ConfigError, match="encoder.steps"):
        Aligned(10, steps=3)


@pytest.mark.parametrize("cells", [1, 10_000])
def test_a_set_with_itself_is_scored_as_with_another(
    monkeypatch: pytest.MonkeyPatch, cells: int
) -> None:
    """Each two once, with the gradient of both places."""
    monkeypatch.setattr("twinlens.functional.late._MOST_CELLS", cells)
    comparator = Aligned(12, steps=4)
    rows = torch.rand(5, 12, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(5, 5, dtype=torch.float64)
    found = [comparator.matrix(rows, other) for other in (rows, rows.clone())]
    slopes = [torch.autograd.grad((one * weights).sum(), rows)[0] for one in found]
    assert torch.allclose(*found)
    assert torch.allclose(*slopes)
    empty = rows[:0]
    assert comparator.matrix(empty, empty).shape == (0, 0)


def test_what_is_beside_the_row_is_a_cost_of_its_own() -> None:
    plain, both = Aligned(8, steps=4), Aligned(11, steps=4, beside=3, beside_weight=0.5)
    a, b = torch.randn(5, 11), torch.randn(5, 11)
    rows = plain.paired(plain.project(a[:, :8]), plain.project(b[:, :8]))
    cosine = torch.cosine_similarity(a[:, 8:], b[:, 8:])
    one, other = both.project(a), both.project(b)
    torch.testing.assert_close(both.paired(one, other), rows - 0.5 * (1 - cosine))
    torch.testing.assert_close(both.matrix(one, one).diagonal(), torch.zeros(5))
    torch.testing.assert_close(both.project(one), one)


@pytest.mark.parametrize("cost", ["cosine", "manhattan"])
def test_the_contract_with_something_beside(cost: str) -> None:
    settings = {"steps": 4, "cost": cost, "beside": 4}
    assert [str(result) for result in broken(check_comparator("aligned", settings))] == []


@pytest.mark.parametrize(
    "changed", [{"beside": -1}, {"beside_weight": -0.5}, {"beside": 3}, {"beside": 8}]
)
def test_what_is_beside_must_fit(changed: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"comparator\.(beside|steps)"):
        Aligned(8, steps=4, **changed)


@pytest.mark.parametrize("cost", ["cosine", "manhattan"])
def test_a_score_is_the_same_with_a_gradient_and_without(
    cost: Literal["cosine", "manhattan"],
) -> None:
    comparator = Aligned(27, steps=6, cost=cost, beside=3)
    a, b = (comparator.project(torch.randn(5, 27)) for _ in range(2))
    followed = comparator.paired(a.clone().requires_grad_(), b)
    assert followed.requires_grad
    torch.testing.assert_close(comparator.paired(a, b), followed.detach())


def test_a_relative_cost_is_told_in_levels_of_both() -> None:
    plain, relative = Aligned(8, steps=4), Aligned(12, steps=4, beside=3, relative=True)
    a, b = torch.randn(2, 5, 12)
    a[:, 8], b[:, 8] = torch.tensor([[0.5], [0.8]])
    rows = plain.paired(plain.project(a[:, :8]), plain.project(b[:, :8]))
    beside = 1 - torch.cosine_similarity(a[:, 9:], b[:, 9:])
    one, other = relative.project(a), relative.project(b)
    torch.testing.assert_close(relative.paired(one, other), rows / 0.65 - beside)
    torch.testing.assert_close(relative.matrix(one, other).diagonal(), rows / 0.65 - beside)
    one[:, 8] = other[:, 8] = 0.0  # its own mirror image
    assert torch.isfinite(relative.paired(one, other)).all()


@pytest.mark.parametrize("cost", ["cosine", "manhattan"])
def test_the_contract_of_a_relative_cost(cost: str) -> None:
    settings = {"steps": 4, "cost": cost, "relative": True, "beside": 3}
    assert [str(result) for result in broken(check_comparator("aligned", settings))] == []
