"""Histograms of oriented gradients: what was used before features were learned."""

from __future__ import annotations

import numpy as np

from twinlens.modalities.decode import Pixels
from twinlens.types import FloatArray


def oriented_gradients(page: Pixels, cell: int = 8, bins: int = 9) -> FloatArray:
    """Histograms of oriented gradients, each block of 2 × 2 cells of unit length. -> [n].

    Source:
        Dalal, Triggs. Histograms of oriented gradients for human detection. CVPR 2005.
    """
    down, across = np.gradient(page.astype(np.float64))
    size, angle = np.hypot(down, across), np.arctan2(down, across) % np.pi
    height, width = page.shape[0] // cell, page.shape[1] // cell
    row, column = np.indices(page.shape) // cell
    place = (row * width + column) * bins + np.minimum((angle / np.pi * bins).astype(int), bins - 1)
    inside = (row < height) & (column < width)
    cells = np.bincount(place[inside], size[inside], height * width * bins)
    grid = cells.reshape(height, width, bins)
    blocks = np.concatenate([grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]], axis=2)
    blocks /= np.linalg.norm(blocks, axis=2, keepdims=True) + 1e-6 * cell * cell
    return blocks.ravel()
