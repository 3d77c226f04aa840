"""What is derived from a path, on paths of which the answer is known."""

from __future__ import annotations

import math

import torch

from twinlens.functional.dynamics import DERIVED, derive, warp_time

DX, DY, SPEED, COSINE, SINE, TURN, ACCELERATION = range(len(DERIVED))


def circle(points: int = 200) -> torch.Tensor:
    angle = torch.linspace(0, 2 * math.pi, points)
    return torch.stack([angle.cos(), angle.sin()])[None]


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
