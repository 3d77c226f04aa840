"""What happens to a picture on its way through phones, sites and editors: twelve named changes.

Each keeps what the picture shows. A strength in (0, 1] says how much is changed at most.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

Change = Callable[[Image.Image, float, np.random.Generator], Image.Image]
_WORDS = ("copy", "SALE", "IMG_2041", "draft", "hello", "09:41")


def _crop(picture: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Up to 40 % of each side cut off."""
    share = 1 - strength * rng.uniform(0.2, 0.4)
    width, height = (max(1, round(side * share)) for side in picture.size)
    left = int(rng.integers(0, picture.width - width + 1))
    top = int(rng.integers(0, picture.height - height + 1))
    return picture.crop((left, top, left + width, top + height))


def _resize(picture: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Down to a quarter of each side, and the aspect changed a little."""
    scale = 1 - 0.75 * strength * rng.uniform(0.6, 1)
    stretch = 1 + 0.1 * strength * rng.uniform(-1, 1)
    width, height = picture.size
    return picture.resize((max(1, round(width * scale * stretch)), max(1, round(height * scale))))


def _jpeg(picture: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Quality down to 5."""
    return _compressed(picture, round(60 - 55 * strength * rng.uniform(0.7, 1)))


def _rotation(picture: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Up to 20 degrees, corners filled with the mean colour."""
    angle_deg = 20 * strength * rng.uniform(0.5, 1) * rng.choice([-1, 1])
    fill = tuple(int(v) for v in np.asarray(picture).reshape(-1, 3).mean(axis=0))
    return picture.rotate(angle_deg, Image.Resampling.BILINEAR, fillcolor=fill)


def _flip(picture: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Left to right."""
    return ImageOps.mirror(picture)


def _colour(picture: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Saturation, and the balance of the channels."""
    changed = ImageEnhance.Color(picture).enhance(1 + strength * rng.uniform(-1, 1))
    gains = 1 + 0.3 * strength * rng.uniform(-1, 1, 3)
    return Image.fromarray(np.clip(np.asarray(changed) * gains, 0, 255).astype(np.uint8))


def _light(picture: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Brightness and contrast."""
    changed = ImageEnhance.Brightness(picture).enhance(1 + 0.6 * strength * rng.uniform(-1, 1))
    return ImageEnhance.Contrast(changed).enhance(1 + 0.6 * strength * rng.uniform(-1, 1))


def _border(picture: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """A frame of up to a fifth of the longer side."""
    width = max(1, round(0.2 * strength * rng.uniform(0.5, 1) * max(picture.size)))
    shade = int(rng.choice([0, 255]))
    return ImageOps.expand(picture, width, (shade, shade, shade))


def _text(picture: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """A line of text on a bar at the top or the bottom."""
    height = max(8, round(0.2 * strength * rng.uniform(0.6, 1) * picture.height))
    changed = picture.copy()
    top = 0 if rng.random() < 0.5 else picture.height - height
    draw = ImageDraw.Draw(changed)
    draw.rectangle((0, top, picture.width, top + height), fill="black")
    words = " ".join(rng.choice(_WORDS, 3))
    draw.text((2, top + 1), words, fill="white", font_size=max(6, 0.7 * height))
    return changed


def _blur(picture: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """By up to a fiftieth of the longer side."""
    radius = strength * rng.uniform(0.5, 1) * max(picture.size) / 50
    return picture.filter(ImageFilter.GaussianBlur(radius))


def _screenshot(picture: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Shown on a page with bars above and below, and compressed."""
    margin = max(1, round(0.15 * strength * rng.uniform(0.5, 1) * picture.width))
    bar = max(2, round(0.2 * strength * picture.height))
    page = Image.new(
        "RGB", (picture.width + 2 * margin, picture.height + margin + 2 * bar), "white"
    )
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, page.width, bar), fill=(60, 70, 90))
    draw.text((4, 1), " ".join(rng.choice(_WORDS, 2)), fill="white", font_size=max(6, 0.6 * bar))
    page.paste(picture, (margin, bar + margin // 2))
    return _compressed(page, 70)


def _watermark(picture: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """A half transparent word across the middle."""
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    size = max(8, round(0.15 * max(picture.size)))
    step = max(size * 2, round(picture.height / (1 + 4 * strength)))
    for top in range(0, picture.height, step):
        word = str(rng.choice(_WORDS))
        place = (int(rng.integers(0, max(1, picture.width // 2))), top)
        draw.text(place, word, fill=(255, 255, 255, round(180 * strength)), font_size=size)
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


TRANSFORMS: Mapping[str, Change] = {
    "crop": _crop,
    "resize": _resize,
    "jpeg": _jpeg,
    "rotation": _rotation,
    "flip": _flip,
    "colour": _colour,
    "light": _light,
    "border": _border,
    "text": _text,
    "blur": _blur,
    "screenshot": _screenshot,
    "watermark": _watermark,
}
"""Name -> change of an RGB picture."""


def altered(
    picture: Image.Image, name: str, strength: float, rng: np.random.Generator
) -> Image.Image:
    """A copy of a picture, changed by one of `TRANSFORMS`; RGB.

    Args:
        picture: of any mode.
        name: of the change.
        strength: in (0, 1].
        rng: of all that is random in it.
    """
    return TRANSFORMS[name](picture.convert("RGB"), strength, rng)


def _compressed(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")
