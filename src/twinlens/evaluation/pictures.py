"""Two examples side by side, as pictures inside a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

_MOST_PIXELS = 240
"""On the longer side; a page with many pictures stays small."""


@dataclass(frozen=True, slots=True)
class PicturePair:
    """What a page shows of one comparison.

    Attributes:
        left, right: picture file, or its bytes; or a text.
        caption: what the two are.
        score: larger = more alike.
        why: lines that say what makes the two alike or not.
    """

    left: Path | bytes | str
    right: Path | bytes | str
    caption: str
    score: float
    why: Sequence[str] = ()


def data_uri(picture: Path | bytes) -> str | None:
    """The picture as a small PNG inside a data URI; None when it is no picture that can be read.

    An example need not be a picture (a sound, a sentence), so that is no error.
    """
    try:
        with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture) as opened:
            opened.thumbnail((_MOST_PIXELS, _MOST_PIXELS))
            seen = opened.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    paper = Image.new("RGBA", seen.size, "white")
    paper.alpha_composite(seen)
    return embedded(png(paper.convert("RGB")))


def png(picture: Image.Image) -> bytes:
    """A picture as the bytes of a small PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def embedded(content: bytes) -> str:
    """The bytes of a PNG file as a data URI, as they are."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
