"""Pen paths taken apart into segments of time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from twinlens.bundle import Input
from twinlens.modalities import Strokes
from twinlens.modalities.base import Array
from twinlens.tasks.explain_pictures import ALIKE, DIFFERENT, SHOWN
from twinlens.types import BoolArray, FloatArray

SEGMENTS = 16
"""Stretches of equal time, in a path's own time."""
_PLAIN, _LIFTED = (150, 150, 150), (225, 225, 225)
"""Colours of what does not matter, and of the way that the pen goes in the air."""
_UPWARD = frozenset({".txt"})
"""Files whose y grows upward, as that of the tablets of SVC2004; on screens it grows downward."""
_MARGIN = 14
_FINE = 2
"""How many times finer lines are drawn than shown."""


class Segments:
    """A segment becomes a straight line at an even pace and pressure, with half of each neighbour.

    What is derived from place, speed and the like, is derived anew.
    """  # fmt: skip

    shape = (SEGMENTS,)
    deleted = 3

    def __init__(self, modality: Strokes) -> None:
        self._modality = modality

    def without(self, array: Array, gone: BoolArray) -> list[Array]:
        """[n, segments] -> n paths [channels, points]."""
        place = (np.arange(array.shape[1]) + 0.5) / array.shape[1] * SEGMENTS
        near = np.abs(place[None] - (np.arange(SEGMENTS) + 0.5)[:, None]) <= 1  # [segments, points]
        return [self._modality.straightened(array, near[row].any(0)) for row in gone]

    def drawn(self, item: Input, array: Array, heat: FloatArray) -> Image.Image:
        """The path in colour, as the model sees it: centred, and as large as there is room."""
        x, y = np.asarray(array[:2], np.float64)
        if Path(str(item)).suffix.lower() in _UPWARD:
            y = -y
        size = SHOWN - 2 * _MARGIN
        scale = size / max(float(np.ptp(x)), float(np.ptp(y)), 1e-6)
        x = (x - x.min() - np.ptp(x) / 2) * scale + SHOWN / 2
        y = (y - y.min() - np.ptp(y) / 2) * scale + SHOWN / 2
        points = np.stack([x, y], 1) * _FINE  # [points, 2]
        page = Image.new("RGB", (SHOWN * _FINE, SHOWN * _FINE), "white")
        pen = ImageDraw.Draw(page)
        down = self._modality.down(array)
        moments = (np.arange(len(points)) + 0.5) / len(points) * SEGMENTS - 0.5
        strength = np.interp(moments, np.arange(SEGMENTS), heat)
        for i in range(len(points) - 1):
            on_paper = bool(down[i] and down[i + 1])
            colour = _mixed(float(strength[i])) if on_paper else _LIFTED
            ends = [(float(px), float(py)) for px, py in points[i : i + 2]]
            pen.line(ends, fill=colour, width=(4 if on_paper else 1) * _FINE)
        return page.resize((SHOWN, SHOWN), Image.Resampling.LANCZOS)


def _mixed(strength: float) -> tuple[int, int, int]:
    """From grey to red for 1 and to blue for -1."""
    end, share = (ALIKE if strength > 0 else DIFFERENT), min(abs(strength), 1.0)
    red, green, blue = (round(p + share * (e - p)) for p, e in zip(_PLAIN, end, strict=True))
    return red, green, blue
