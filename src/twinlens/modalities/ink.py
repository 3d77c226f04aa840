"""Ink on paper: found by its darkness, freed of the paper, cropped."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from twinlens.errors import DataError
from twinlens.types import FloatArray

_LEAST_CONTRAST = 16
"""Grey levels (of 255) between ink and paper, below which a page is blank."""
_DUST = 0.004
"""Share of the ink that may lie outside the crop on each side: specks, not strokes."""


def crop_ink(picture: Image.Image) -> Image.Image:
    """The inked part of a page, as grey ink on white paper.

    Paper (above Otsu's threshold) becomes white and the darkest ink black, so that neither the
    paper nor the scanner's exposure is left to recognise a page by.

    Args:
        picture: of mode L or RGB, dark ink on lighter paper.

    Source:
        Otsu. A threshold selection method from gray-level histograms. IEEE SMC 9, 1979.

    Raises:
        DataError: there is no ink.
    """
    page = ImageOps.grayscale(picture)
    counts = np.array(page.histogram(), np.float64)
    threshold = _otsu(counts)
    dark, light = counts[: threshold + 1], counts[threshold + 1 :]
    if (
        not dark.sum()
        or not light.sum()
        or _mean(light) + threshold + 1 - _mean(dark) < (_LEAST_CONTRAST)
    ):
        raise DataError(
            "A page must have ink that is darker than its paper. Got a blank one. Remove it."
        )
    grey = np.asarray(page, np.float64)
    blackest = float(np.percentile(grey[grey <= threshold], 5))
    ink = np.clip((threshold + 1 - grey) / max(threshold + 1 - blackest, 1.0), 0, 1)  # [h, w]
    top, bottom = _extent(ink.sum(axis=1))
    left, right = _extent(ink.sum(axis=0))
    return Image.fromarray(np.uint8(255 - 255 * ink[top:bottom, left:right]))


def centre_ink(picture: Image.Image) -> Image.Image:
    """The ink of a page in the middle of white paper of the page's size: how large it is written
    is kept.

    Args:
        picture: as of `crop_ink`.

    Raises:
        DataError: there is no ink.
    """
    ink = crop_ink(picture)
    page = Image.new("L", picture.size, 255)
    page.paste(ink, ((page.width - ink.width) // 2, (page.height - ink.height) // 2))
    return page


def _otsu(counts: FloatArray) -> int:
    """The level that splits a histogram [256] with the largest variance between both parts."""
    total = counts.sum()
    below = np.cumsum(counts) / total
    mean = np.cumsum(counts * np.arange(256)) / total
    between = np.zeros(256)
    inner = (below > 0) & (below < 1)
    spread = np.square(mean[-1] * below[inner] - mean[inner])
    between[inner] = spread / (below[inner] * (1 - below[inner]))
    return int(np.argmax(between))


def _mean(counts: FloatArray) -> float:
    return float(counts @ np.arange(len(counts)) / counts.sum())


def _extent(ink: FloatArray) -> tuple[int, int]:
    """First and one past the last line that matter, given how much ink each line has."""
    share = np.cumsum(ink) / ink.sum()
    first = int(np.searchsorted(share, _DUST, side="right"))
    last = int(np.searchsorted(share, 1 - _DUST))
    return first, max(last, first) + 1
