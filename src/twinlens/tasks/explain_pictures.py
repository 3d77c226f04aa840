"""Pictures taken apart into a grid of cells."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from twinlens.bundle import Input
from twinlens.errors import DataError
from twinlens.modalities.base import Array
from twinlens.types import BoolArray, FloatArray

CELLS = 8
"""Cells on each side of the grid that is laid over a picture."""
ALIKE, DIFFERENT = (214, 72, 28), (31, 111, 178)
"""Colours of what makes alike and of what makes different."""
SHOWN = 240
"""Pixels on each side of what is drawn."""
_DENSEST = 170


class Cells:
    """A cell is covered by the median colour of its picture, with a half of each neighbour."""

    shape = (CELLS, CELLS)
    deleted = 10

    def without(self, array: Array, gone: BoolArray) -> list[Array]:
        """[n, cells] -> n pictures [channels, height, width]."""
        cells = _cells(array.shape[1], array.shape[2])  # [cells, height, width]
        fill = np.median(np.asarray(array, np.float64), axis=(1, 2))[:, None, None]
        filled = fill.astype(array.dtype)
        return [np.where(np.any(cells[row], axis=0)[None], filled, array) for row in gone]

    def drawn(self, item: Input, array: Array, heat: FloatArray) -> Image.Image:
        """The picture in grey under colour. [CELLS, CELLS]"""
        shown = _picture(item).convert("L").convert("RGB").resize((SHOWN, SHOWN))
        for sign, colour in ((1, ALIKE), (-1, DIFFERENT)):
            strength = np.clip(sign * heat, 0, 1)
            mask = Image.fromarray(np.uint8(_DENSEST * strength)).resize(
                shown.size, Image.Resampling.BICUBIC
            )
            shown = Image.composite(Image.new("RGB", shown.size, colour), shown, mask)
        return shown


def _picture(item: Input) -> Image.Image:
    if isinstance(item, Image.Image):
        return item
    try:
        if isinstance(item, (str, Path)):
            return Image.open(io.BytesIO(Path(item).read_bytes()))
        return Image.fromarray(np.asarray(item))
    except (OSError, TypeError, ValueError) as error:
        raise DataError(f"{item} must be a picture to draw on. Got: {error}.") from error


def _cells(height: int, width: int) -> BoolArray:
    """[CELLS², height, width] the pixels of each cell, with half of its neighbours."""
    y = (np.arange(height) + 0.5) / height * CELLS
    x = (np.arange(width) + 0.5) / width * CELLS
    centres = np.arange(CELLS) + 0.5
    rows = np.abs(y[None] - centres[:, None]) <= 1  # [cells, height]
    columns = np.abs(x[None] - centres[:, None]) <= 1
    return (rows[:, None, :, None] & columns[None, :, None, :]).reshape(-1, height, width)
