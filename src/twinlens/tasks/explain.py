"""Which parts of two pictures make them alike or different, and a test of whether that is so."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from twinlens.atomic import write_bytes
from twinlens.bundle import Bundle, Input
from twinlens.errors import ConfigError
from twinlens.modalities import Image as Pictures
from twinlens.types import BoolArray, FloatArray

CELLS = 8
"""Cells on each side of the grid that is laid over a picture."""
_DELETED = 10
"""Cells, of 64, that the deletion test covers."""
_DRAWS = 20
_SHOWN = 240
_HEAT = {True: (214, 72, 28), False: (31, 111, 178)}
"""Colours of what makes alike and of what makes different."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """How much each part matters to the score.

    Attributes:
        score: of the two as they are.
        left, right: [CELLS, CELLS] how much the score falls when the part is covered: above 0 it
            makes the two alike, below 0 different.
        deletion: how much the score falls when the `_DELETED` parts of one picture that make most
            alike are covered together, mean of both pictures. (Covering both at once at the same
            place would make them alike.)
        random_deletion: the same of as many parts drawn at random, mean of `_DRAWS` draws.
    """

    score: float
    left: FloatArray
    right: FloatArray
    deletion: float
    random_deletion: float

    @property
    def trusted(self) -> bool:
        """Whether covering what it points at matters more than covering anything."""
        return self.deletion > self.random_deletion


def explain(bundle: Bundle, a: Input, b: Input, *, seed: int = 0) -> Explanation:
    """Cover each part of each picture in turn and see what becomes of the score.

    A part is covered by the median colour of its picture, together with a half of each neighbour.

    Args:
        bundle: a model of pictures.
        a, b: two pictures.
        seed: of the random parts of the test.

    Source:
        Zeiler, Fergus. Visualizing and understanding convolutional networks. ECCV 2014, section
        4.2 (occlusion). Petsiuk, Das, Saenko. RISE. BMVC 2018, section 4.3 (deletion).

    Raises:
        ConfigError: the model does not compare pictures.
        DataError: a picture cannot be read; names the file.
    """
    modality = bundle.siamese.modality
    if not isinstance(modality, Pictures):
        raise ConfigError(
            f"--explain must be of pictures. Got a model of {bundle.config.modality.name}. "
            "Leave it out."
        )
    arrays = [modality.prepare(bundle.raw(item)) for item in (a, b)]
    cells = [_cells(array.shape[1], array.shape[2]) for array in arrays]  # [cells, h, w] each
    embeddings = [
        _embedded(bundle, array, np.concatenate([_nothing(array), covers]))
        for array, covers in zip(arrays, cells, strict=True)
    ]
    whole = [embedding[:1] for embedding in embeddings]
    score = bundle.siamese.score(*whole)[0]
    maps = [
        score - bundle.siamese.score(one[1:], np.repeat(other, len(one) - 1, 0))
        for one, other in zip(embeddings, reversed(whole), strict=True)
    ]
    rng = np.random.default_rng(seed)
    chosen = [np.argsort(-heat)[:_DELETED] for heat in maps]
    drawn = [[rng.permutation(CELLS**2)[:_DELETED] for _ in range(_DRAWS)] for _ in maps]
    falls: list[FloatArray] = []  # [1 + draws] each: of what is pointed at, then of draws
    for array, cover, top, draws, other in zip(
        arrays, cells, chosen, drawn, reversed(whole), strict=True
    ):
        covers = np.stack([cover[places].any(0) for places in [top, *draws]])
        harmed = _embedded(bundle, array, covers)
        falls.append(score - bundle.siamese.score(harmed, np.repeat(other, len(harmed), 0)))
    fall = np.mean(falls, axis=0)
    return Explanation(
        float(score),
        maps[0].reshape(CELLS, CELLS),
        maps[1].reshape(CELLS, CELLS),
        float(fall[0]),
        float(fall[1:].mean()),
    )


def write_explanation(path: Path, found: Explanation, a: Path, b: Path) -> None:
    """Both pictures side by side, red where a part makes them alike, blue where different.

    Raises:
        WriteError: it cannot be written.
    """
    strongest = max(float(np.abs(found.left).max()), float(np.abs(found.right).max()), 1e-9)
    tiles = [
        _tinted(picture, heat / strongest) for picture, heat in ((a, found.left), (b, found.right))
    ]
    page = Image.new("RGB", (2 * _SHOWN + 8, _SHOWN), "white")
    page.paste(tiles[0], (0, 0))
    page.paste(tiles[1], (_SHOWN + 8, 0))
    buffer = io.BytesIO()
    page.save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())


def _cells(height: int, width: int) -> BoolArray:
    """[CELLS², height, width] the pixels of each cell, with half of its neighbours."""
    y = (np.arange(height) + 0.5) / height * CELLS
    x = (np.arange(width) + 0.5) / width * CELLS
    centres = np.arange(CELLS) + 0.5
    rows = np.abs(y[None] - centres[:, None]) <= 1  # [cells, height]
    columns = np.abs(x[None] - centres[:, None]) <= 1
    return (rows[:, None, :, None] & columns[None, :, None, :]).reshape(-1, height, width)


def _nothing(array: np.ndarray) -> BoolArray:
    return np.zeros((1, *array.shape[1:]), np.bool_)


def _embedded(bundle: Bundle, array: np.ndarray, covers: BoolArray) -> FloatArray:
    """Embeddings of one prepared picture under covers. [n, height, width] -> [n, dim]."""
    fill = np.median(array, axis=(1, 2)).astype(array.dtype)[:, None, None]
    covered = [np.where(cover[None], fill, array) for cover in covers]
    return bundle.siamese.embed(bundle.siamese.modality.collate(covered))


def _tinted(picture: Path, heat: FloatArray) -> Image.Image:
    with Image.open(picture) as opened:
        shown = opened.convert("L").convert("RGB").resize((_SHOWN, _SHOWN))
    for sign, colour in _HEAT.items():
        strength = np.clip(heat if sign else -heat, 0, 1)
        mask = Image.fromarray(np.uint8(170 * strength)).resize(
            shown.size, Image.Resampling.BICUBIC
        )
        shown = Image.composite(Image.new("RGB", shown.size, colour), shown, mask)
    return shown
