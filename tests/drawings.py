"""Drawings and pictures that tests learn from and look through, made on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw


def glyph(identity: int, example: int, side: int = 20) -> np.ndarray:
    """A drawing of an identity: strokes fixed by the identity, jittered by the example.

    [side, side] uint8, dark ink on white.
    """
    shape = np.random.default_rng(identity)
    jitter = np.random.default_rng([identity, example])
    page = np.full((side, side), 255, np.uint8)
    for _ in range(4):
        ends = shape.uniform(2, side - 3, size=(2, 2)) + jitter.normal(0, 0.5, size=(2, 2))
        for t in np.linspace(0, 1, 3 * side):
            row, column = np.clip(ends[0] * (1 - t) + ends[1] * t, 0, side - 1).astype(int)
            page[row, column] = 0
    return page


def write_glyphs(
    root: Path, identities: int, examples: int, *, group: str = "", first: int = 0
) -> Path:
    """A folder a class of PNG drawings under root (/group); identities count from `first`."""
    for identity in range(first, first + identities):
        folder = root / group / f"class{identity:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        for example in range(examples):
            picture = Image.fromarray(glyph(identity, example))
            picture.save(folder / f"{example:02d}.png")
    return root


def photo(seed: int) -> Image.Image:
    """Coloured shapes before a wall of soft spots, with a fine grain. 120 × 90 pixels."""
    rng = np.random.default_rng(seed)
    spots = rng.integers(0, 255, 3) + rng.integers(-60, 60, (9, 12, 3))
    page = Image.fromarray(np.clip(spots, 0, 255).astype(np.uint8)).resize((120, 90))
    draw = ImageDraw.Draw(page)
    for _ in range(6):
        corners = np.sort(rng.integers(0, 120, (2, 2)), axis=0).ravel().tolist()
        draw.rectangle(corners, fill=tuple(rng.integers(0, 255, 3).tolist()))
    grain = np.asarray(page, np.int16) + rng.integers(-12, 12, (90, 120, 3))
    return Image.fromarray(np.clip(grain, 0, 255).astype(np.uint8))
