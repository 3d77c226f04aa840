"""What is derived from a path, on paths of which the answer is known."""

from __future__ import annotations

import math

import torch

from twinlens.functional import dynamics
from twinlens.functional.dynamics import DERIVED, warp_time

DX, DY, SPEED, COSINE, SINE, TURN, ACCELERATION, VX, VY, PACE = range(len(DERIVED))


def circle(points: int = 200) -> torch.Tensor:
    angle = torch.linspace(0, 2 * math.pi, points)
    return torch.stack([angle.cos(), angle.sin()])[None]


def derive(place: torch.Tensor, duration: float = 200.0) -> torch.Tensor:
    log_duration = torch.full((len(place), 1, place.shape[2]), math.log(duration / 200))
    return dynamics.derive(place, log_duration)


def test_by_the_clock_a_path_that_takes_twice_as_long_is_half_as_fast() -> None:
    usual, slow = derive(circle())[0], derive(circle(), 400.0)[0]
    assert torch.equal(usual[[DX, DY, SPEED]], usual[[VX, VY, PACE]])
    assert torch.equal(slow[[DX, DY, SPEED]], usual[[DX, DY, SPEED]])
    assert torch.allclose(slow[VX], usual[VX] / 2, atol=1e-6)
    assert torch.allclose(slow[PACE].expm1(), usual[PACE].expm1() / 2, atol=1e-5)


def test_a_circle_turns_evenly_at_even_speed() -> None:
    found = derive(circle())[0, :, 5:-5]
    for channel in (SPEED, TURN):
        assert found[channel].std() < 0.01 * found[channel].mean().abs()
    assert found[TURN].mean() > 0  # to the left
    assert derive(circle().flip(2))[0, TURN, 5:-5].mean() < 0
    assert found[ACCELERATION].abs().max() < 0.02
    expected = 40 * 2 * math.pi / 199  # a step of the circle, in units of a fortieth
    assert torch.allclose(found[DX].square() + found[DY].square(), torch.tensor(expected**2), 0.01)


def test_a_pen_that_stands_has_no_direction() -> None:
    found = derive(torch.zeros(1, 2, 50))
    assert torch.isfinite(found).all()
    assert found.abs().max() < 1e-4


def test_how_many_points_a_path_has_hardly_matters() -> None:
    coarse, fine = derive(circle(100))[0], derive(circle(400))[0]
    assert torch.allclose(coarse[DX, ::10], fine[DX, ::40][:10], atol=0.1)


def test_time_is_warped_by_straight_lines() -> None:
    values = torch.arange(10.0).view(1, 1, 10)
    moments = torch.tensor([[0.0, 0.5, 3.25, 9.0]])
    assert torch.equal(warp_time(values, moments)[0, 0], moments[0])
