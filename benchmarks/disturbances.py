"""What happens to pictures of faces, at three strengths, made by Pillow and NumPy.

None of it is the code that changes pictures in training, so a model is not tried on its own tricks.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Strength = Literal["mild", "moderate", "strong"]
Disturbance = Callable[[Image.Image, float, np.random.Generator], Image.Image]


def side_light(picture: Image.Image, amount: float, rng: np.random.Generator) -> Image.Image:
    """Brighter on one side and darker on the other, by up to `amount`."""
    return _scaled(picture, 1 + amount * _slope(picture, rng))


def dim_light(picture: Image.Image, gamma: float, rng: np.random.Generator) -> Image.Image:
    """Dark as by an exponent `gamma`."""
    del rng
    return picture.point([round(255 * (level / 255) ** gamma) for level in range(256)] * 3)


def half_shadow(picture: Image.Image, depth: float, rng: np.random.Generator) -> Image.Image:
    """One half loses `depth` of its light, over a soft edge."""
    return _scaled(picture, 1 - depth / (1 + np.exp(-10 * _slope(picture, rng))))


def pose(picture: Image.Image, amount: float, rng: np.random.Generator) -> Image.Image:
    """Seen from the side: one edge larger than the other by `amount`; turned by half of it, rad."""
    width, height = picture.size
    angle = math.degrees(amount / 2) * rng.choice([-1, 1])
    turned = picture.rotate(angle, Image.Resampling.BICUBIC, fillcolor=_mean(picture))
    inset = amount / 2 * height
    near, far = (0.0, inset) if rng.random() < 0.5 else (inset, 0.0)
    corners = (0, near, 0, height - near, width, height - far, width, far)
    return turned.transform(picture.size, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC)


def expression(picture: Image.Image, amount: float, rng: np.random.Generator) -> Image.Image:
    """Mouth, cheeks and brows moved by about `amount` of the side, smoothly and locally."""
    pixels = np.asarray(picture, np.float64)
    height, width = pixels.shape[:2]
    y, x = np.mgrid[0:height, 0:width] / height
    down, across = np.zeros((height, width)), np.zeros((height, width))
    for at in ((0.72, 0.42), (0.72, 0.58), (0.3, 0.35), (0.3, 0.65), (0.6, 0.5)):
        bump = np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * 0.1**2))
        push = rng.normal(0, amount, 2)
        down, across = down + push[0] * bump, across + push[1] * bump
    rows = np.clip(np.rint((y + down) * height), 0, height - 1).astype(int)
    columns = np.clip(np.rint((x + across) * width), 0, width - 1).astype(int)
    return Image.fromarray(np.uint8(pixels[rows, columns]))


def blur(picture: Image.Image, share: float, rng: np.random.Generator) -> Image.Image:
    """Gaussian, its standard deviation a share of the side."""
    del rng
    return picture.filter(ImageFilter.GaussianBlur(share * picture.height))


def compression(picture: Image.Image, quality: float, rng: np.random.Generator) -> Image.Image:
    """Through a JPEG file of this quality."""
    del rng
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=int(quality))
    return Image.open(file).convert("RGB")


def occlusion(picture: Image.Image, share: float, rng: np.random.Generator) -> Image.Image:
    """A bar over the eyes, or a mask up from the chin, of this share of the height."""
    copy = picture.copy()
    height, width = picture.height, picture.width
    top = 0.42 - share / 2 if rng.random() < 0.5 else 0.88 - share
    box = (0.12 * width, top * height, 0.88 * width, (top + share) * height)
    ImageDraw.Draw(copy).rectangle(box, fill=tuple(rng.integers(0, 256, 3).tolist()))
    return copy


DISTURBANCES: Mapping[str, tuple[Disturbance, Mapping[Strength, float]]] = {
    "side light": (side_light, {"mild": 0.3, "moderate": 0.6, "strong": 0.9}),
    "dim light": (dim_light, {"mild": 1.5, "moderate": 2.0, "strong": 3.0}),
    "half shadow": (half_shadow, {"mild": 0.3, "moderate": 0.5, "strong": 0.7}),
    "pose": (pose, {"mild": 0.1, "moderate": 0.2, "strong": 0.35}),
    "expression": (expression, {"mild": 0.015, "moderate": 0.03, "strong": 0.06}),
    "blur": (blur, {"mild": 0.01, "moderate": 0.02, "strong": 0.035}),
    "compression": (compression, {"mild": 30, "moderate": 15, "strong": 7}),
    "occlusion": (occlusion, {"mild": 0.1, "moderate": 0.18, "strong": 0.35}),
}
"""Name -> what is done, and how much of it."""


def _slope(picture: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """-1 to 1 across the picture along a random direction. -> [height, width]."""
    angle = rng.uniform(0, 2 * math.pi)
    y, x = np.mgrid[-1 : 1 : picture.height * 1j, -1 : 1 : picture.width * 1j]
    return (math.cos(angle) * x + math.sin(angle) * y) / math.sqrt(2)


def _scaled(picture: Image.Image, light: np.ndarray) -> Image.Image:
    pixels = np.asarray(picture, np.float64) * light[..., None]
    return Image.fromarray(np.uint8(np.clip(pixels, 0, 255)))


def _mean(picture: Image.Image) -> tuple[int, ...]:
    return tuple(int(level) for level in np.asarray(picture).mean(axis=(0, 1)))
