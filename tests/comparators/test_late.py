"""Comparators of rows of parts: maxsim and matches."""

from __future__ import annotations

import pytest
import torch

from twinlens.comparators import Matches, MaxSim
from twinlens.errors import ConfigError
from twinlens.testing import broken, check_comparator


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("maxsim", {"steps": 4}),
        ("matches", {"steps": 4}),
        ("matches", {"steps": 2, "hidden": 0, "whole": False}),
    ],
)
def test_the_contract(name: str, settings: dict[str, int | bool]) -> None:
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
    for comparator in (MaxSim(12, steps=4), Matches(12, steps=4).eval()):
        alone = torch.cat([comparator.paired(a[i : i + 1], b[i : i + 1]) for i in range(80)])
        torch.testing.assert_close(comparator.paired(a, b), alone)


def test_nothing_against_something_is_a_finite_score() -> None:
    nothing, a = torch.zeros(1, 12), rows((0, 3.0))
    for comparator in (MaxSim(12, steps=4), Matches(12, steps=4).eval()):
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
