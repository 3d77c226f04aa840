"""Frames, bars and letterboxes around a picture: found by being flat, and cut off."""

from __future__ import annotations

import numpy as np
from PIL import Image

from twinlens.types import IntArray

_SIDE = 80
"""Pixels of the longer side that are looked at: a line of fewer averages several of the picture."""
_FLAT = 10
"""Levels (of 255) from a line's median colour within which a pixel belongs to a margin."""
_SHARE = 0.85
"""Of a line's pixels: the rest may be writing on a bar."""
_WRITTEN = 0.3
"""Share of a line's pixels that still have a margin's colour where something is written on it."""
_TALLEST = 0.15
"""Share of the lines that such writing takes at most."""
_ROUNDS = 3
_LEAST = 0.25
"""Share of each side that must be left: a picture with less in it is taken whole."""


def crop_content(picture: Image.Image) -> Image.Image:
    """What is left of a picture without the flat lines at its four sides.

    A line is flat where nearly all of its pixels have its own median colour; so margins may have
    several colours. A bar with writing on it goes, too: lines between flat ones that still have
    much of their colour. Sides take turns, since a bar on top hides that the columns below it are
    flat.

    Args:
        picture: of mode L or RGB.
    """
    factor = max(1, -(-max(picture.size) // _SIDE))
    small = picture.reduce(factor) if factor > 1 else picture
    pixels = np.asarray(small, np.int16)
    pixels = pixels.reshape(*pixels.shape[:2], -1)  # [height, width, 1 | 3]
    top, bottom, left, right = 0, pixels.shape[0], 0, pixels.shape[1]
    for _ in range(_ROUNDS):
        before = (top, bottom, left, right)
        above, below = _margins(pixels[top:bottom, left:right])
        top, bottom = top + above, bottom - below
        above, below = _margins(pixels[top:bottom, left:right].swapaxes(0, 1))
        left, right = left + above, right - below
        if (top, bottom, left, right) == before:
            break
    height, width = pixels.shape[:2]
    if bottom - top < _LEAST * height or right - left < _LEAST * width:
        return picture
    if (top, bottom, left, right) == (0, height, 0, width):
        return picture
    across, down = picture.width / width, picture.height / height
    corner, far = (left * across, top * down), (right * across, bottom * down)
    return picture.crop((round(corner[0]), round(corner[1]), round(far[0]), round(far[1])))


def _margins(lines: IntArray) -> tuple[int, int]:
    """How many lines belong to a margin at the start, and at the end. [lines, pixels, channels]."""
    start, end = _margin(lines), _margin(lines[::-1])
    return (start, end) if start + end < len(lines) else (0, 0)


def _margin(lines: IntArray) -> int:
    """How many lines belong to the margin at the start: up to the last flat one before the picture.

    Writing may stand between flat lines: lines that still have much of the colour before them.
    """
    found, colour = 0, None
    for number, line in enumerate(lines):
        middle = np.sort(line, axis=0)[len(line) // 2]
        share = _share_of(line, middle)
        if share >= _SHARE:
            found, colour = number + 1, middle
        elif (
            colour is None
            or number - found >= _TALLEST * len(lines)
            or _share_of(line, colour) < _WRITTEN
        ):
            break
    return found


def _share_of(line: IntArray, colour: IntArray) -> float:
    """Of a line's pixels that have a colour. [pixels, channels], [channels]."""
    return float((np.abs(line - colour) <= _FLAT).all(axis=1).mean())
