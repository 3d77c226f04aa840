"""How much of a picture is of which colour."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from twinlens.functional.colours import COLOURS, LEVELS, colours


def test_shares_are_those_of_a_histogram_where_no_pixel_is_between_two_levels() -> None:
    levels = torch.randint(LEVELS, (2, 3, 9, 7), generator=torch.Generator().manual_seed(0))
    made = colours(levels * (4 / (LEVELS - 1)) - 2, None)
    for found, one in zip(made, levels, strict=True):
        counted, _ = np.histogramdd(one.flatten(1).T.numpy(), bins=LEVELS, range=[(0, LEVELS)] * 3)
        np.testing.assert_allclose(found.square(), counted.ravel() / 63, atol=1e-5)


def test_a_pixel_between_two_levels_counts_for_both_by_how_near_it_is() -> None:
    step = 4 / (LEVELS - 1)
    picture = torch.full((1, 3, 5, 5), -2.0)
    picture[:, 2] += 0.25 * step
    found = colours(picture, None)[0].square()
    assert found[:2].tolist() == pytest.approx([0.75, 0.25], abs=1e-5)


def test_where_a_colour_is_does_not_count() -> None:
    picture = 4 * torch.rand(2, 3, 8, 6) - 2
    torch.testing.assert_close(colours(picture, None), colours(picture.flip(2, 3), None))


def test_grey_is_a_colour_of_three_equal_channels() -> None:
    grey = 4 * torch.rand(2, 1, 8, 6) - 2
    torch.testing.assert_close(colours(grey, None), colours(grey.repeat(1, 3, 1, 1), None))


def test_values_outside_are_the_darkest_and_the_lightest() -> None:
    picture = torch.tensor([-3.0, 3.0]).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    assert colours(picture, None).argmax(1).tolist() == [0, COLOURS - 1]


def test_padding_changes_nothing() -> None:
    picture = 4 * torch.rand(1, 3, 37, 51) - 2
    mask = F.pad(torch.ones(1, 37, 51), (0, 14, 0, 9)).bool()
    canvas = F.pad(picture, (0, 14, 0, 9))
    torch.testing.assert_close(colours(canvas, mask), colours(picture, None))


def test_nothing_but_padding_is_still_finite() -> None:
    assert colours(torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2).bool()).eq(0).all()
