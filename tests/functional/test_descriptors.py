"""Edges and lines, and measures of drawings."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from twinlens.functional.descriptors import (
    PLACES,
    SCALES,
    STROKES,
    derivatives,
    places,
    strokes,
)


def stripes(angle: float, side: int = 40) -> Tensor:
    """Waves that run in a direction. -> [1, 1, side, side] in 0..1."""
    down, across = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    wave = torch.sin(0.5 * (math.cos(angle) * across + math.sin(angle) * down))
    return (0.5 + 0.5 * wave)[None, None]


def drawing(scale: float = 1.0, right: int = 0) -> Tensor:
    """A slanted line and a bow beside it, drawn with a soft pen. -> [1, 1, 96, 128]."""
    down, across = torch.meshgrid(torch.arange(96.0), torch.arange(128.0), indexing="ij")
    x, y = (across - 45 - right) / scale, (down - 48) / scale
    line = (y - 0.5 * x).abs() / 1.118 + 50 * (x.abs() > 12)
    bow = ((x - 20).square() + y.square()).sqrt().sub(10).abs()
    return torch.exp(-(torch.minimum(line, bow) / 1.5).square())[None, None]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("direction", range(4))
def test_edges_are_strongest_in_their_own_direction(scale: int, direction: int) -> None:
    picture = stripes(direction * math.pi / 4)
    inside = derivatives(picture, scale, None, 8)[0][:, :, 2:-2, 2:-2].mean((0, 2, 3))
    edges, lines = inside[:8], inside[8:]
    assert int(edges.argmax()) % 4 == direction  # a wave rises as often as it falls
    assert int(lines.argmax()) % 4 == direction


def test_how_light_a_flat_picture_is_is_told() -> None:
    dark, light = (places(torch.full((1, 3, 32, 32), level), None) for level in (0.2, 0.7))
    assert places(dark.new_zeros(1, 1, 32, 32), None).shape == (1, PLACES)
    first = 0  # the mean of the whole picture
    assert dark[0, first] == pytest.approx(0.2)
    assert light[0, first] == pytest.approx(0.7)


@pytest.mark.parametrize(("right", "most"), [(24, 1e-4), (25, 0.06)])
def test_measures_of_a_drawing_hardly_change_where_it_lies(right: int, most: float) -> None:
    change = strokes(drawing(), None) - strokes(drawing(right=right), None)
    assert change.abs().max() < most
    assert change.abs().mean() < most / 10


def test_size_is_told_by_its_logarithm_and_form_apart_from_it() -> None:
    small, large = strokes(drawing(), None)[0], strokes(drawing(scale=1.6), None)[0]
    assert large[0] - small[0] == pytest.approx(math.log(1.6), abs=0.02)  # width
    assert large[1] - small[1] == pytest.approx(math.log(1.6), abs=0.02)  # height
    assert large[6] == pytest.approx(float(small[6]), abs=0.01)  # slant


def test_a_mirrored_drawing_slants_the_other_way() -> None:
    picture = drawing()
    assert strokes(picture.flip(3), None)[0, 6] == pytest.approx(
        -float(strokes(picture, None)[0, 6])
    )


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (30, 30)])
def test_nothing_drawn_is_still_finite(size: tuple[int, int]) -> None:
    made = strokes(torch.zeros(2, 1, *size), None)
    assert made.shape == (2, STROKES)
    assert made.isfinite().all()
    assert places(torch.zeros(2, 1, *size), None).isfinite().all()


@pytest.mark.parametrize("describe", [places, strokes])
def test_padding_changes_nothing(describe: object) -> None:
    picture = F.interpolate(drawing(), (37, 51))
    canvas = F.pad(picture, (0, 14, 0, 9))
    mask = F.pad(torch.ones(1, 37, 51), (0, 14, 0, 9)).bool()
    assert callable(describe)
    torch.testing.assert_close(
        describe(canvas, mask), describe(picture, None), atol=1e-4, rtol=1e-4
    )
