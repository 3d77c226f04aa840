"""Pictures taken apart into a grid of cells."""

from __future__ import annotations

import numpy as np
from PIL import Image

from twinlens.bundle import Input
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
        """What the model sees of the picture, in grey under colour, so that the heat lies right.

        [CELLS, CELLS]
        """
        grey = np.asarray(array, np.float64).mean(axis=0)
        scale = SHOWN / max(grey.shape)
        size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
        shown = (
            Image.fromarray(np.uint8(grey)).resize(size, Image.Resampling.BICUBIC).convert("RGB")
        )
        for sign, colour in ((1, ALIKE), (-1, DIFFERENT)):
            strength = np.clip(sign * heat, 0, 1)
            mask = Image.fromarray(np.uint8(_DENSEST * strength)).resize(
                size, Image.Resampling.BICUBIC
            )
            shown = Image.composite(Image.new("RGB", size, colour), shown, mask)
        page = Image.new("RGB", (SHOWN, SHOWN), "white")
        page.paste(shown, ((SHOWN - size[0]) // 2, (SHOWN - size[1]) // 2))
        return page


def _cells(height: int, width: int) -> BoolArray:
    """[CELLS², height, width] the pixels of each cell, with half of its neighbours."""
    y = (np.arange(height) + 0.5) / height * CELLS
    x = (np.arange(width) + 0.5) / width * CELLS
    centres = np.arange(CELLS) + 0.5
    rows = np.abs(y[None] - centres[:, None]) <= 1  # [cells, height]
    columns = np.abs(x[None] - centres[:, None]) <= 1
    return (rows[:, None, :, None] & columns[None, :, None, :]).reshape(-1, height, width)
