"""Which of several copies is the best one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from twinlens.modalities.decode import to_grey

_SIDE = 256


@dataclass(frozen=True, slots=True, order=True)
class Quality:
    """Of a picture; the greater is the better copy.

    Attributes:
        pixels: width · height on a logarithmic scale in steps of 10 %, so that a cut edge does not
            outweigh the rest.
        sharpness: mean square of the Laplacian of the grey picture at one size.
        bytes: of the file; less compressed is larger.
        width, height: in pixels.
    """

    pixels: int
    sharpness: float
    bytes: int
    width: int
    height: int


def quality_of(picture: Image.Image, size: int) -> Quality:
    """Measure a picture whose file has this many bytes."""
    width, height = picture.size
    step = int(np.log(width * height) / np.log(1.1))
    return Quality(step, _sharpness(picture), size, width, height)


def _sharpness(picture: Image.Image) -> float:
    """Of the grey picture brought to one size, so that copies of other sizes compare."""
    grey = np.asarray(to_grey(picture).resize((_SIDE, _SIDE)), np.float64)  # [side, side]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return round(float(np.square(around - 4 * grey[1:-1, 1:-1]).mean()), 3)
