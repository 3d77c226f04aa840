"""Picture files and arrays of any size and mode -> uint8 [channels, height, width]."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from twinlens.errors import DataError
from twinlens.modalities.face import crop_face
from twinlens.modalities.ink import centre_ink, crop_ink
from twinlens.modalities.margins import crop_content

Picture = Image.Image | npt.NDArray[np.generic]
Pixels = npt.NDArray[np.uint8]
Fit = Literal["stretch", "pad", "native"]
Crop = Literal["none", "ink", "page", "face", "content"]

SUFFIXES = frozenset(
    f".{ending}"
    for family in (
        ("bmp", "dib", "gif", "png", "tga", "tif", "tiff", "webp"),
        ("jfif", "jp2", "jpe", "jpeg", "jpg"),
        ("pbm", "pgm", "pnm", "ppm"),
    )
    for ending in family
)
"""Endings of files that are taken for pictures, in lower case."""

MOST_PIXELS = 89_478_485
"""Pictures above this many pixels are refused: a quarter of a GiB once decoded as RGB."""

_GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_HIGH_RANGE = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_GREY_TOLERANCE = 2
_ORIENTATION = 0x0112
_opening = threading.Lock()


def read_image(path: Path) -> Image.Image:
    """Read a picture whole, in its own mode, turned as its EXIF orientation says.

    Of an animation it is the first frame.

    Raises:
        DataError: the file is missing, empty, no picture, cut short, damaged, or above
            `MOST_PIXELS`. Names the file and says what to do.
    """
    try:
        return _read(path)
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(_unidentified(path)) from error
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise DataError(
            f"{path} must be a picture file. Got {error.strerror}. Correct the path."
        ) from error
    except PermissionError as error:
        raise DataError(
            f"{path} must be readable. Got {error.strerror}. Change its permissions."
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(_bomb(path)) from error
    except Exception as error:  # damaged files make Pillow's decoders raise nearly anything
        raise DataError(
            f"{path} must be a whole picture. Got a damaged or truncated file ({error}). "
            "Restore it from its source or remove it."
        ) from error


def to_array(
    picture: Picture,
    *,
    size: int,
    channels: int,
    fit: Fit,
    max_side: int,
    width: int = 0,
    crop: Crop = "none",
) -> Pixels:
    """Bring a picture to a size and a number of channels. -> [channels, height, width].

    Transparency is laid on white. 16-bit values are divided by 257; 32-bit integers in 0..65535
    are taken for 16-bit; floats in 0..1 are multiplied by 255. Any other 32-bit picture is
    stretched from its own least and greatest value to 0..255, which keeps what is drawn but not
    how bright it is. Reductions are antialiased: each new pixel averages all that it covers.

    Args:
        picture: an image, or an array [height, width], [height, width, 1 | 3 | 4] of bool, uint8,
            uint16, or floats in 0..1.
        size: height of the result in pixels, for "stretch" and "pad".
        channels: 1 (grey) or 3 (RGB).
        fit: "stretch" to size × size; "pad" keeps the aspect and fills with the median colour of
            the picture's own border; "native" keeps the size.
        max_side: bound in pixels on the longer side of "native"; larger ones are reduced.
        width: of the result in pixels, for "stretch" and "pad"; 0 = as its height.
        crop: "ink" takes the inked part of a page and makes the paper white; "page" keeps the
            page's size around it; "face" takes the one face; "content" what flat margins enclose.

    Raises:
        DataError: an array is empty, of another shape or type, not finite, or out of range; or
            there is no ink, or not one face, to crop to.
    """
    image = picture if isinstance(picture, Image.Image) else _from_array(picture)
    if not image.width or not image.height:
        raise DataError("A picture must have pixels. Got a side of 0. Remove it.")
    image = to_grey(image) if channels == 1 else _flatten(image).convert("RGB")
    if crop == "ink":
        image = crop_ink(image).convert(image.mode)
    elif crop == "page":
        image = centre_ink(image).convert(image.mode)
    elif crop == "face":
        image = crop_face(image)
    elif crop == "content":
        image = crop_content(image)
    if fit == "stretch":
        image = _resized(image, width or size, size)
    elif fit == "pad":
        image = _padded(image, width or size, size)
    elif max(image.size) > max_side:
        image = _resized(image, *_bounded(image, max_side, max_side))
    pixels = np.asarray(image, dtype=np.uint8)  # [height, width] or [height, width, 3]
    if pixels.ndim == 2:
        return pixels[None]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def is_grey(picture: Image.Image) -> bool:
    """Whether no pixel has a colour: its channels differ by at most 2 of 255 steps."""
    if picture.mode in _GREY_MODES:
        return True
    rgb = np.asarray(_flatten(picture).convert("RGB"), dtype=np.int16)
    return int(np.ptp(rgb, axis=2).max(initial=0)) <= _GREY_TOLERANCE


def _read(path: Path) -> Image.Image:
    with _open(path) as image:
        if image.width * image.height > MOST_PIXELS:
            raise DataError(_bomb(path))
        image.load()
        if image.format == "PNG" and "exif" not in image.info:
            return image  # the search for EXIF data would cost as much as decoding a small PNG
        orientation = image.getexif().get(_ORIENTATION, 1)
        return image if orientation == 1 else ImageOps.exif_transpose(image)


def _open(path: Path) -> Image.Image:
    """Open without decoding. Pillow warns of large pictures before they can be measured."""
    with _opening, warnings.catch_warnings():  # the lock, as warning filters are process-wide
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(path)


def _unidentified(path: Path) -> str:
    if path.stat().st_size == 0:
        return (
            f"{path} must be a picture. Got an empty file (0 bytes). "
            "Restore it from its source or remove it."
        )
    return (
        f"{path} must be a picture. Got a file that is none, or one too damaged to be told. "
        "Remove it, or convert it to PNG."
    )


def _bomb(path: Path) -> str:
    return (
        f"{path} must have at most {MOST_PIXELS:,} pixels. Got more, as a decompression bomb has. "
        "Reduce the picture or remove it."
    )


def to_grey(picture: Image.Image) -> Image.Image:
    """A picture of any mode as `to_array` sees it in one channel, at its own size. Mode L.

    Raises:
        DataError: it has values that are not finite.
    """
    return _flatten(picture).convert("L")


def _flatten(image: Image.Image) -> Image.Image:
    """The picture without transparency and with 8 bits a channel: mode L or RGB, or 1 or CMYK."""
    if image.mode in _HIGH_RANGE:
        return Image.fromarray(_to_bytes(np.asarray(image)))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image if image.mode in ("1", "L", "RGB") else image.convert("RGB")


def _to_bytes(values: npt.NDArray[np.generic]) -> Pixels:
    """High-range grey as 0..255, by the rules that `to_array` states."""
    if values.dtype == np.uint16:
        return _scaled(values, 0.0, 65535.0)
    if not np.isfinite(values).all():
        raise DataError("A picture must be finite. Got NaN or infinity. Clean or remove it.")
    low, high = float(values.min()), float(values.max())
    top = 65535.0 if np.issubdtype(values.dtype, np.integer) else 1.0
    if low >= 0 and high <= top:
        return _scaled(values, 0.0, top)
    return _scaled(values, low, high)


def _scaled(values: npt.NDArray[np.generic], low: float, high: float) -> Pixels:
    unit = (values.astype(np.float64) - low) / max(high - low, np.finfo(np.float64).tiny)
    return np.rint(unit * 255).astype(np.uint8)


def _from_array(array: npt.NDArray[np.generic]) -> Image.Image:
    """[height, width(, 1 | 3 | 4)] of bool, uint8, uint16 or float 0..1 -> image."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]  # [height, width]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (3, 4)):
        raise DataError(
            "A picture array must be [height, width], or [height, width, 3 or 4]. "
            f"Got the shape {list(array.shape)}. Move the channels to the last axis."
        )
    if array.size == 0:
        raise DataError(
            f"A picture must have pixels. Got the shape {list(array.shape)}. Remove it."
        )
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    elif array.dtype == np.uint16:
        array = _scaled(array, 0.0, 65535.0)
    elif np.issubdtype(array.dtype, np.floating):
        array = _scaled(_unit(array), 0.0, 1.0)
    elif array.dtype != np.uint8:
        raise DataError(
            "A picture array must be bool, uint8, uint16 or float. "
            f"Got {array.dtype}. Convert it with .astype(np.uint8)."
        )
    return Image.fromarray(np.ascontiguousarray(array))


def _unit(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    if not np.isfinite(array).all():
        raise DataError("A picture array must be finite. Got NaN or infinity. Clean it.")
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        raise DataError(
            f"A picture array of floats must lie in 0..1. Got {low:g}..{high:g}. "
            "Divide it by its full range."
        )
    return array


def _resized(image: Image.Image, width: int, height: int) -> Image.Image:
    """Antialiased: the mean of the covered area for strong reductions, else a triangle filter."""
    if image.size == (width, height):
        return image
    strong = image.width >= 2 * width and image.height >= 2 * height
    method = Image.Resampling.BOX if strong else Image.Resampling.BILINEAR
    return image.resize((width, height), method)


def _bounded(image: Image.Image, width: int, height: int) -> tuple[int, int]:
    """Width and height with the aspect kept that just fit into a frame."""
    factor = min(width / image.width, height / image.height)
    return max(1, round(image.width * factor)), max(1, round(image.height * factor))


def _padded(image: Image.Image, width: int, height: int) -> Image.Image:
    inner = _resized(image, *_bounded(image, width, height))
    pixels = np.asarray(image)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = np.median(border, axis=0).astype(np.uint8)  # [] or [3]
    fill = int(colour) if colour.ndim == 0 else tuple(int(value) for value in colour)
    frame = Image.new(image.mode, (width, height), fill)
    frame.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
    return frame
