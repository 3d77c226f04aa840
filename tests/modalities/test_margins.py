"""Flat margins are cut off, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from twinlens.config import load_config
from twinlens.duplicates.generated import generated
from twinlens.duplicates.transforms import altered
from twinlens.modalities.decode import to_array
from twinlens.modalities.image import Image as Pictures
from twinlens.modalities.margins import crop_content


@pytest.fixture
def photo() -> Image.Image:
    """Something with detail up to its edges."""
    return generated(np.random.default_rng(3))


def same(a: Image.Image, b: Image.Image) -> bool:
    return a.size == b.size and np.array_equal(np.asarray(a), np.asarray(b))


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("shade", ["black", "white"])
def test_a_frame_is_cut_off_to_the_pixel(photo: Image.Image, mode: str, shade: str) -> None:
    picture = photo.convert(mode)
    framed = ImageOps.expand(picture, (9, 14, 30, 2), shade)
    # averages of 2 × 2 pixels say to two pixels where the frame ends
    assert np.abs(np.subtract(crop_content(framed).size, picture.size)).max() <= 4
    small = picture.crop((0, 0, 90, 80))
    assert same(crop_content(ImageOps.expand(small, 12, shade)), small)


def test_a_picture_without_margins_stays_as_it_is(photo: Image.Image) -> None:
    assert crop_content(photo) is photo


def test_bars_with_few_words_and_margins_beside_them_go(photo: Image.Image) -> None:
    width, height = photo.size
    page = Image.new("RGB", (width + 40, height + 60), "white")
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, page.width, 30), fill=(60, 70, 90))
    draw.text((4, 4), "09:41", fill="white", font_size=14)
    page.paste(photo, (20, 45))
    assert np.abs(np.subtract(crop_content(page).size, photo.size)).max() <= 6


@pytest.mark.parametrize("seed", range(6))
def test_a_screenshot_is_cut_to_its_picture_whatever_is_written_on_it(
    photo: Image.Image, seed: int
) -> None:
    shown = crop_content(altered(photo, "screenshot", 1.0, np.random.default_rng(seed)))
    assert photo.width <= shown.width <= 1.05 * photo.width
    assert photo.height <= shown.height <= 1.06 * photo.height


def test_a_band_that_only_one_side_sees_through_leaves_the_picture_whole() -> None:
    pixels = np.full((80, 80, 3), 255, np.uint8)
    pixels[40:45, :40] = 0
    pixels[40:45, 40:] = np.random.default_rng(0).integers(0, 256, (5, 40, 3))
    pixels[45:] = 0
    picture = Image.fromarray(pixels)
    assert crop_content(picture).height in {5, 80}


def test_writing_that_no_flat_line_follows_belongs_to_the_picture() -> None:
    picture = generated(np.random.default_rng(4)).resize((90, 70))
    half = picture.copy()
    half.paste("white", (0, 0, 45, 70))  # every line begins with white, as writing might
    framed = ImageOps.expand(half, (0, 10, 0, 0), "white")
    assert crop_content(framed).height == 70


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (300, 200)])
def test_a_flat_picture_is_taken_whole(size: tuple[int, int]) -> None:
    flat = Image.new("RGB", size, (90, 90, 90))
    assert crop_content(flat) is flat


def test_little_on_a_large_page_is_no_picture_with_margins() -> None:
    page = Image.new("L", (200, 200), 255)
    page.paste(0, (90, 90, 100, 100))
    assert crop_content(page) is page


def test_the_setting_reaches_what_is_embedded(photo: Image.Image) -> None:
    framed = ImageOps.expand(photo, 40, "black")
    config = load_config(None, [], preset="copies")
    modality = Pictures(**config.modality.settings)  # pyright: ignore[reportArgumentType]
    assert modality.crop == "content"
    inner = to_array(photo, size=48, channels=3, fit="stretch", max_side=256)
    cut = np.abs(modality.prepare(framed).astype(float) - inner).mean()
    assert cut < 10
    whole = to_array(framed, size=48, channels=3, fit="stretch", max_side=256)
    assert np.abs(whole.astype(float) - inner).mean() > 3 * cut
