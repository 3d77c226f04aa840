"""Which of several copies is the best one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from twinlens.modalities.decode import read_image

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


def quality_of(path: Path) -> Quality:
    """Measure a picture.

    Raises:
        DataError: it cannot be read.
    """
    picture = read_image(path)
    width, height = picture.size
    step = int(np.log(width * height) / np.log(1.1))
    return Quality(step, _sharpness(picture), path.stat().st_size, width, height)


def _sharpness(picture: Image.Image) -> float:
    """Of the grey picture brought to one size, so that copies of other sizes compare."""
    grey = np.asarray(picture.convert("L").resize((_SIDE, _SIDE)), np.float64)  # [side, side]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return round(float(np.square(around - 4 * grey[1:-1, 1:-1]).mean()), 3)
