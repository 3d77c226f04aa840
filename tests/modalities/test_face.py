"""Finding the one face of a picture, on faces drawn for the cascades."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from twinlens.errors import ConfigError, DataError
from twinlens.modalities.decode import to_array
from twinlens.modalities.face import crop_face

DARK = 60


def draw_face(side: int = 140, *, turn_deg: float = 0.0) -> Image.Image:
    """A head with brows, eyes, nose and mouth, blurred; `turn_deg` counter-clockwise."""
    unit = side / 100
    head = Image.new("L", (side, side), DARK)
    pen = ImageDraw.Draw(head)

    def spot(x: float, y: float, across: float, down: float, grey: int) -> None:
        box = (x - across, y - down, x + across, y + down)
        pen.ellipse([value * unit for value in box], fill=grey)

    spot(50, 52, 36, 46, 200)
    for x in (35, 65):
        spot(x, 42, 10, 6, 120)
        spot(x, 42, 8, 4, 235)
        spot(x, 42, 3.5, 3.5, 30)
        pen.line([((x - 10) * unit, 33 * unit), ((x + 10) * unit, 32 * unit)], 70, int(3 * unit))
    pen.polygon([(50 * unit, 45 * unit), (44 * unit, 62 * unit), (56 * unit, 62 * unit)], fill=170)
    spot(46, 62, 2, 1.5, 90)
    spot(54, 62, 2, 1.5, 90)
    spot(50, 76, 13, 4, 100)
    soft = head.filter(ImageFilter.GaussianBlur(1.2 * unit))
    return soft.rotate(turn_deg, Image.Resampling.BICUBIC, fillcolor=DARK)


def scene(*faces: tuple[Image.Image, tuple[int, int]]) -> Image.Image:
    """A dark page with faces at places."""
    page = Image.new("L", (360, 240), DARK)
    for face, place in faces:
        page.paste(face, place)
    return page


def test_the_face_is_cut_out_wherever_it_is() -> None:
    left = crop_face(scene((draw_face(), (10, 60))))
    right = crop_face(scene((draw_face(), (200, 20))))
    assert left.width == left.height
    assert 120 <= left.width <= 200
    small = [np.asarray(face.resize((32, 32)), np.float64) for face in (left, right)]
    assert np.abs(small[0] - small[1]).mean() < 8


def test_eyes_are_levelled() -> None:
    upright = np.asarray(crop_face(scene((draw_face(), (100, 50)))).resize((32, 32)), np.float64)
    page = scene((draw_face(turn_deg=15), (100, 50)))
    turned = np.asarray(crop_face(page).resize((32, 32)), np.float64)
    cut = np.asarray(page.crop((100, 50, 240, 190)).resize((32, 32)), np.float64)
    assert np.abs(turned - upright).mean() < 0.7 * np.abs(cut - upright).mean()


def test_colour_stays() -> None:
    page = scene((draw_face(), (100, 50))).convert("RGB")
    array = to_array(page, size=48, channels=3, fit="stretch", max_side=256, crop="face")
    assert array.shape == (3, 48, 48)


def test_no_face_is_a_clear_answer() -> None:
    with pytest.raises(DataError, match="must show a face from the front. Got none"):
        crop_face(scene())


def test_several_faces_are_a_clear_answer() -> None:
    page = scene((draw_face(), (10, 50)), (draw_face(), (200, 50)))
    with pytest.raises(DataError, match="must show one face. Got 2"):
        crop_face(page)


def test_without_opencv_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ConfigError, match=r"pip install twinlens\[faces\]"):
        crop_face(scene())
