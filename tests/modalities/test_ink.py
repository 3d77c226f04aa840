"""Ink is found whatever the paper and the scanner, and a blank page is refused."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from twinlens.errors import DataError
from twinlens.modalities.decode import Crop, to_array
from twinlens.modalities.ink import centre_ink, crop_ink


def page(*, paper: int = 255, ink: int = 0, at: tuple[int, int] = (30, 20)) -> Image.Image:
    picture = Image.new("L", (160, 100), paper)
    x, y = at
    ImageDraw.Draw(picture).line([(x, y), (x + 60, y + 30), (x + 80, y)], fill=ink, width=3)
    return picture


def test_the_crop_is_the_stroke_and_no_more() -> None:
    found = crop_ink(page())
    assert 78 <= found.width <= 84
    assert 29 <= found.height <= 34
    assert found.getextrema() == (0, 255)


@pytest.mark.parametrize(("paper", "ink"), [(255, 0), (240, 90), (140, 40), (253, 200)])
def test_paper_and_exposure_leave_no_trace(paper: int, ink: int) -> None:
    usual = np.asarray(crop_ink(page()))
    np.testing.assert_array_equal(np.asarray(crop_ink(page(paper=paper, ink=ink))), usual)


def test_where_it_was_written_does_not_matter() -> None:
    here, there = crop_ink(page()), crop_ink(page(at=(70, 60)))
    np.testing.assert_array_equal(np.asarray(here), np.asarray(there))


def test_a_speck_does_not_widen_the_crop() -> None:
    picture = page()
    picture.putpixel((155, 95), 0)
    assert crop_ink(picture).width < 90


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_page_is_refused(level: int) -> None:
    with pytest.raises(DataError, match="blank"):
        crop_ink(Image.new("L", (50, 30), level))


def test_paper_grain_is_no_ink() -> None:
    grain = np.random.default_rng(0).integers(236, 245, (60, 90)).astype(np.uint8)
    with pytest.raises(DataError, match="blank"):
        crop_ink(Image.fromarray(grain))


@pytest.mark.parametrize("at", [(10, 10), (40, 30)])
def test_ink_lies_in_the_middle_of_a_page_of_the_same_size(at: tuple[int, int]) -> None:
    whole, ink = centre_ink(page(at=at)), crop_ink(page(at=at))
    assert whole.size == page().size
    left, top = (whole.width - ink.width) // 2, (whole.height - ink.height) // 2
    inside = whole.crop((left, top, left + ink.width, top + ink.height))
    np.testing.assert_array_equal(np.asarray(inside), np.asarray(ink))
    assert np.asarray(whole, int).sum() - np.asarray(ink, int).sum() == 255 * (
        whole.width * whole.height - ink.width * ink.height
    )


def test_large_and_small_writing_stay_apart_on_their_pages() -> None:
    def width_of(crop: Crop, share: float) -> int:
        whole = Image.new("L", (200, 100), 250)
        whole.paste(20, (10, 40, 10 + int(180 * share), 45))
        made = to_array(whole, size=50, width=100, channels=1, fit="pad", max_side=256, crop=crop)
        return int((made[0] < 128).any(axis=0).sum())

    assert width_of("page", 1.0) == pytest.approx(2 * width_of("page", 0.5), abs=2)
    assert width_of("ink", 1.0) == pytest.approx(width_of("ink", 0.5), abs=2)
