"""Pictures of every mode and every kind of damage."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from twinlens.errors import DataError
from twinlens.modalities.decode import is_grey, read_image, to_array

MODES = ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "I;16", "I", "F"]


def grey(picture, *, size: int = 4, fit="stretch", max_side: int = 100) -> np.ndarray:
    return to_array(picture, size=size, channels=1, fit=fit, max_side=max_side)[0]


def rgb(picture, *, size: int = 4, fit="native", max_side: int = 100) -> np.ndarray:
    return to_array(picture, size=size, channels=3, fit=fit, max_side=max_side)


def halves(mode: str) -> Image.Image:
    """Left half black, right half white, opaque."""
    page = np.zeros((8, 8), np.uint8)
    page[:, 4:] = 255
    if mode == "I;16":
        return Image.fromarray(page.astype(np.uint16) * 257)
    if mode == "I":
        return Image.fromarray(page.astype(np.int32) * 257)
    if mode == "F":
        return Image.fromarray(page.astype(np.float32) / 255)
    return Image.fromarray(page).convert("RGB").convert(mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_gives_the_same_picture(mode: str, channels: int) -> None:
    picture = halves(mode)
    assert picture.mode == mode
    array = to_array(picture, size=4, channels=channels, fit="stretch", max_side=99)
    assert array.shape == (channels, 4, 4) and array.dtype == np.uint8
    assert (array[:, :, :2] == 0).all() and (array[:, :, 2:] == 255).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_on_white(mode: str, tmp_path: Path) -> None:
    if mode == "P":
        picture = Image.new("P", (4, 4), 0)
        picture.putpalette([0, 0, 0] * 256)
        picture.info["transparency"] = 0
    else:
        picture = Image.new(mode, (4, 4), 0)  # black and wholly transparent
    assert (grey(picture) == 255).all()
    picture.save(tmp_path / "a.png")
    assert (grey(read_image(tmp_path / "a.png")) == 255).all()


def test_half_transparent_red_on_white_is_pink() -> None:
    picture = Image.new("RGBA", (2, 2), (255, 0, 0, 128))
    assert rgb(picture)[:, 0, 0].tolist() == [255, 127, 127]


def test_channels_come_first_and_in_order() -> None:
    assert rgb(Image.new("RGB", (3, 2), (10, 20, 30))).shape == (3, 2, 3)
    assert rgb(Image.new("RGB", (3, 2), (10, 20, 30)))[:, 0, 0].tolist() == [10, 20, 30]


def test_sixteen_bits_are_scaled_by_their_full_range_not_clipped() -> None:
    values = np.array([[0, 257, 25700, 65535]], np.uint16)
    assert grey(Image.fromarray(values), fit="native").tolist() == [[0, 1, 100, 255]]
    assert grey(values, fit="native").tolist() == [[0, 1, 100, 255]]


def test_values_out_of_the_known_ranges_are_stretched() -> None:
    values = np.array([[-50.0, 0.0, 50.0]], np.float32)
    assert grey(Image.fromarray(values), fit="native").tolist() == [[0, 128, 255]]
    constant = np.full((2, 2), 7.0, np.float32)
    assert (grey(Image.fromarray(constant), fit="native") == 0).all()


def test_nan_in_a_float_picture_is_refused() -> None:
    with pytest.raises(DataError, match="finite"):
        grey(Image.fromarray(np.array([[np.nan, 1.0]], np.float32)))


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_strong_reduction_averages_what_it_covers(mode: str) -> None:
    checks = np.indices((32, 32)).sum(0) % 2 * 255  # nearest neighbour would give only 0 or 255
    picture = Image.fromarray(checks.astype(np.uint8)).convert(mode)
    assert set(np.unique(grey(picture, size=8))) <= {127, 128}


def test_box_reduction_equals_the_mean_of_blocks() -> None:
    page = np.random.default_rng(0).integers(0, 256, (24, 24)).astype(np.uint8)
    blocks = page.reshape(6, 4, 6, 4).mean((1, 3))
    assert np.abs(grey(page, size=6) - blocks).max() <= 1  # rounded once along each axis


def test_pad_keeps_the_aspect_and_fills_with_the_border_colour() -> None:
    page = np.full((2, 8), 200, np.uint8)
    page[:, 3:5] = 0
    array = grey(page, size=8, fit="pad")
    assert array.shape == (8, 8)
    assert (array[[0, 1, 2, 5, 6, 7]] == 200).all()  # above and below
    assert (array[3:5, 3:5] == 0).all()


def test_pad_of_a_line_keeps_a_pixel() -> None:
    assert grey(np.zeros((1, 1000), np.uint8), size=8, fit="pad").shape == (8, 8)


def test_native_keeps_small_sizes_and_bounds_large_ones() -> None:
    assert grey(np.zeros((5, 9), np.uint8), fit="native", max_side=9).shape == (5, 9)
    assert grey(np.zeros((50, 90), np.uint8), fit="native", max_side=9).shape == (5, 9)


@given(
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    size=st.integers(1, 20),
    fit=st.sampled_from(["stretch", "pad"]),
    value=st.integers(0, 255),
)
@settings(max_examples=50, deadline=None)
def test_a_plain_picture_stays_plain(
    height: int, width: int, size: int, fit: str, value: int
) -> None:
    array = grey(np.full((height, width), value, np.uint8), size=size, fit=fit)
    assert array.shape == (size, size)
    assert (array == value).all()


@pytest.mark.parametrize(
    "array",
    [
        np.full((3, 3), 255, np.uint8),
        np.full((3, 3, 1), 255, np.uint8),
        np.ones((3, 3), np.bool_),
        np.ones((3, 3, 3), np.float32),
        np.ones((3, 3), np.float64),
        np.full((3, 3, 4), 255, np.uint8),
        np.full((3, 3), 65535, np.uint16),
    ],
)
def test_arrays_of_each_kind(array: np.ndarray) -> None:
    assert (grey(array, fit="native") == 255).all()


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.full((3, 3), np.nan), "finite"),
        (np.full((3, 3), np.inf), "finite"),
        (np.full((3, 3), 1.5), r"0\.\.1\. Got 1\.5"),
        (np.full((3, 3), -0.1), r"0\.\.1"),
        (np.zeros((3, 3), np.int64), "int64"),
        (np.zeros((3, 3), "U1"), "<U1"),
        (np.zeros((3, 3, 2), np.uint8), r"\[3, 3, 2\]"),
        (np.zeros(3, np.uint8), r"\[3\]"),
        (np.zeros((0, 3), np.uint8), r"\[0, 3\]"),
    ],
)
def test_impossible_arrays_are_refused(array: np.ndarray, says: str) -> None:
    with pytest.raises(DataError, match=says):
        grey(array)


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    page = np.zeros((8, 16), np.uint8)
    page[:, :8] = 255  # the left half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    for name in ("a.jpg", "a.png", "a.tif", "a.webp"):
        Image.fromarray(page).convert("RGB").save(tmp_path / name, exif=exif)
        picture = read_image(tmp_path / name)
        assert picture.size == (8, 16), name
        turned = grey(picture, fit="native")
        assert (turned[:6] > 240).all() and (turned[10:] < 15).all(), name


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("L", (4, 4), value) for value in (0, 255)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (grey(read_image(tmp_path / "a.gif")) == 0).all()


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))


def whole(kind: str) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", r"0 bytes"),
        (b"no picture", "Got a file that is none"),
        (whole("PNG")[:2000], "truncated"),
        (whole("JPEG")[:1000], "truncated"),
        (whole("PNG")[:40] + b"\0" * 2000, "damaged|none"),
        (png_header(10_000, 10_000), "pixels"),  # Pillow only warns of this one
        (png_header(100_000, 100_000), "pixels"),
    ],
)
def test_unreadable_files_are_named_with_advice(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=says) as error:
        read_image(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.__cause__ is not None or says == "pixels"


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(DataError, match="directory"):
        read_image(tmp_path)


@given(cut=st.integers(0, 2**16), flip=st.integers(0, 2**16), value=st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_damage_of_any_kind_is_read_or_refused(
    cut: int, flip: int, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(whole("PNG" if value % 2 else "JPEG"))
    content[flip % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.png"
    path.write_bytes(bytes(content[: cut % (2 * len(content))]))
    try:
        to_array(read_image(path), size=8, channels=3, fit="stretch", max_side=9)
    except DataError as error:
        assert str(path) in str(error)


def test_is_grey_looks_at_pixels_not_at_the_mode() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 16)).astype(np.uint8)
    assert all(is_grey(halves(mode)) for mode in MODES)
    assert is_grey(Image.fromarray(np.stack([noise] * 3, axis=2)))
    red = np.stack([noise] * 3, axis=2)
    red[3, 3] = 200, 0, 0
    assert not is_grey(Image.fromarray(red))
