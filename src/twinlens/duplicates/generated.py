"""Pictures out of nothing, to learn from what stays the same when a picture is changed.

Backgrounds whose detail falls off with its fineness as that of photos does, things with edges and
surfaces on them, light from somewhere. No photo is in them, so what learns from them can be given
away.

Source:
    Learning from noise with the statistics of photos: Baradad et al. Learning to see by looking at
    noise. NeurIPS 2021. Falling off of detail: Field. Relations between the statistics of natural
    images and the response properties of cortical cells. JOSA A, 1987.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from twinlens.atomic import new_folder
from twinlens.types import FloatArray

_COARSEST = 2
_FEWEST, _MOST = 3, 14
"""Things on a picture."""


def generated(rng: np.random.Generator, side: int = 192) -> Image.Image:
    """A picture of things before a background, RGB.

    Args:
        rng: of all that is random in it.
        side: in pixels, of the longer side.
    """
    shorter = round(side * rng.uniform(0.6, 1))
    width, height = (side, shorter) if rng.random() < 0.6 else (shorter, side)
    page = Image.fromarray(_surface(rng, height, width))
    for _ in range(rng.integers(_FEWEST, _MOST + 1)):
        page.paste(Image.fromarray(_surface(rng, height, width)), mask=_thing(rng, width, height))
    return Image.fromarray(_lit(rng, np.asarray(page, np.float64)))


def write_generated(folder: Path, count: int, *, seed: int = 0) -> None:
    """Fill a new folder with generated pictures.

    Raises:
        WriteError: something is at `folder`, or it cannot be written to.
    """
    with new_folder(folder) as place:
        for number in range(count):
            picture = generated(np.random.default_rng([seed, number]))
            picture.save(place / f"{number:05}.png")


def _surface(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Noise in octaves around a colour, the finer the fainter. [height, width, 3] uint8."""
    falling = rng.uniform(0.5, 1.5)
    total = np.zeros((height, width, 3))
    step = _COARSEST
    while step < max(height, width):
        knots = rng.normal(size=(step, step, 3))
        knots = knots[..., :1] + 0.2 * knots  # channels hang together
        total += _stretched(knots, height, width) / step**falling
        step *= 2
    contrast = rng.uniform(5, 60)
    colour = rng.uniform(20, 235) + rng.normal(0, rng.uniform(0, 40), 3)  # mostly dull
    return np.clip(colour + contrast * total / (total.std() + 1e-6), 0, 255).astype(np.uint8)


def _stretched(knots: FloatArray, height: int, width: int) -> FloatArray:
    layers = [
        np.asarray(
            Image.fromarray(knots[..., channel].astype(np.float32)).resize(
                (width, height), Image.Resampling.BICUBIC
            )
        )
        for channel in range(3)
    ]
    return np.stack(layers, axis=2)


def _thing(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Where a thing is, with hard or soft edges."""
    mask = Image.new("L", (width, height))
    draw = ImageDraw.Draw(mask)
    middle = rng.uniform(0, 1, 2) * (width, height)
    reach = rng.uniform(0.04, 0.4) * min(width, height)
    kind = rng.integers(3)
    if kind == 0:
        x, y = reach * rng.uniform(0.4, 1.2, 2)
        draw.ellipse((middle[0] - x, middle[1] - y, middle[0] + x, middle[1] + y), fill=255)
    elif kind == 1:
        turns = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 8)))
        radii = reach * rng.uniform(0.5, 1.3, len(turns))
        corners = middle + np.stack([radii * np.cos(turns), radii * np.sin(turns)], axis=1)
        draw.polygon([tuple(corner) for corner in corners.tolist()], fill=255)
    else:
        end = middle + 3 * reach * rng.uniform(-1, 1, 2)
        draw.line((*middle, *end), fill=255, width=max(1, round(reach * rng.uniform(0.03, 0.4))))
    if rng.random() < 0.4:
        mask = mask.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 5)))
    return mask


def _lit(rng: np.random.Generator, page: FloatArray) -> np.ndarray:
    """Brighter to one side, and a little grain. [height, width, 3] -> uint8."""
    height, width, _ = page.shape
    across, down = rng.uniform(-0.4, 0.4, 2)
    light = (
        1 + across * np.linspace(-1, 1, width)[None] + down * np.linspace(-1, 1, height)[:, None]
    )
    grain = rng.normal(0, rng.uniform(0, 6), page.shape)
    return np.clip(page * light[..., None] + grain, 0, 255).astype(np.uint8)
