"""Which parts of two inputs make them alike or different, and a test of whether that is so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from twinlens.atomic import write_bytes
from twinlens.bundle import Bundle, Input
from twinlens.errors import ConfigError
from twinlens.evaluation.pictures import png
from twinlens.modalities import Image as Pictures
from twinlens.modalities import Strokes
from twinlens.modalities.base import Array
from twinlens.tasks.explain_pictures import Cells
from twinlens.tasks.explain_strokes import Segments
from twinlens.types import BoolArray, FloatArray

_DRAWS = 20
_GAP = 8
_LEAST_STRENGTH = 1e-9


class Parts(Protocol):
    """How inputs of one modality are taken apart, and shown."""

    @property
    def shape(self) -> tuple[int, ...]:
        """How its parts lie."""
        ...

    @property
    def deleted(self) -> int:
        """Parts that the deletion test takes away."""
        ...

    def without(self, array: Array, gone: BoolArray) -> list[Array]:
        """A prepared input with some of its parts made to say nothing. [n, parts] -> n inputs."""
        ...

    def drawn(self, item: Input, array: Array, heat: FloatArray) -> Image.Image:
        """A square picture, red where the heat is above 0 and blue where below, in [-1, 1].

        Args:
            item: that was read.
            array: the same, prepared.
            heat: of each part, as `shape` says.
        """
        ...


@dataclass(frozen=True, slots=True)
class Explanation:
    """How much each part matters to the score.

    Attributes:
        score: of the two as they are.
        left, right: how much the score falls when the part is taken away: above 0 it makes the two
            alike, below 0 different. [cells, cells] of pictures, [segments] of strokes.
        deletion: how much the score falls when those parts of one input that make most alike are
            taken away together, mean of both inputs. (Taking both away at once at the same place
            would make them alike.)
        random_deletion: the same of as many parts drawn at random, mean of `_DRAWS` draws.
    """

    score: float
    left: FloatArray
    right: FloatArray
    deletion: float
    random_deletion: float

    @property
    def trusted(self) -> bool:
        """Whether taking away what it points at matters more than taking away anything."""
        return self.deletion > self.random_deletion


def explain(bundle: Bundle, a: Input, b: Input, *, seed: int = 0) -> Explanation:
    """Take each part of each input away in turn and see what becomes of the score.

    Of a picture a cell is covered, of a pen path a segment is made a straight line; see the
    classes.

    Args:
        bundle: a model of pictures or strokes.
        a, b: two inputs.
        seed: of the random parts of the test.

    Source:
        Zeiler, Fergus. Visualizing and understanding convolutional networks. ECCV 2014, section
        4.2 (occlusion). Petsiuk, Das, Saenko. RISE. BMVC 2018, section 4.3 (deletion).

    Raises:
        ConfigError: inputs of the model's modality cannot be taken apart.
        DataError: an input cannot be read; names the file.
    """
    parts = parts_of(bundle)
    count = int(np.prod(parts.shape))
    arrays = [bundle.prepared(item) for item in (a, b)]
    rng = np.random.default_rng(seed)
    singly = np.concatenate([np.zeros((1, count), np.bool_), np.eye(count, dtype=np.bool_)])
    embeddings = [_embedded(bundle, parts, array, singly) for array in arrays]
    whole = [embedding[:1] for embedding in embeddings]
    score = bundle.scorer.score(*whole)[0]

    def fall_of(side: int, changed: FloatArray) -> FloatArray:
        """How much the score falls with one input changed, on its own side. [n, dim] -> [n]."""
        sides = [np.repeat(embedding, len(changed), 0) for embedding in whole]
        sides[side] = changed
        return score - bundle.scorer.score(*sides)

    heats = [fall_of(side, embedding[1:]) for side, embedding in enumerate(embeddings)]
    falls: list[FloatArray] = []  # [1 + draws] each: of what is pointed at, then of draws
    for side, (array, heat) in enumerate(zip(arrays, heats, strict=True)):
        chosen = [np.argsort(-heat), *(rng.permutation(count) for _ in range(_DRAWS))]
        gone = np.zeros((len(chosen), count), np.bool_)
        for row, order in zip(gone, chosen, strict=True):
            row[order[: parts.deleted]] = True
        falls.append(fall_of(side, _embedded(bundle, parts, array, gone)))
    fall = np.mean(falls, axis=0)
    left, right = (heat.reshape(parts.shape) for heat in heats)
    return Explanation(float(score), left, right, float(fall[0]), float(fall[1:].mean()))


def parts_of(bundle: Bundle) -> Parts:
    """How the inputs of a model are taken apart.

    Raises:
        ConfigError: they cannot be.
    """
    modality = bundle.siamese.modality
    if isinstance(modality, Pictures):
        return Cells()
    if isinstance(modality, Strokes):
        return Segments(modality)
    raise ConfigError(
        f"--explain must be of pictures or strokes. Got a model of {bundle.config.modality.name}. "
        "Leave it out."
    )


def explanation_picture(bundle: Bundle, found: Explanation, a: Input, b: Input) -> bytes:
    """Both inputs side by side as PNG, red where a part makes them alike, blue where different.

    Raises:
        DataError: an input cannot be read; names the file.
    """
    parts = parts_of(bundle)
    strongest = max(*(float(np.abs(h).max()) for h in (found.left, found.right)), _LEAST_STRENGTH)
    tiles = [
        parts.drawn(item, bundle.prepared(item), heat / strongest)
        for item, heat in ((a, found.left), (b, found.right))
    ]
    width, height = tiles[0].size
    page = Image.new("RGB", (2 * width + _GAP, height), "white")
    for place, tile in enumerate(tiles):
        page.paste(tile, (place * (width + _GAP), 0))
    return png(page)


def write_explanation(path: Path, bundle: Bundle, found: Explanation, a: Input, b: Input) -> None:
    """Write `explanation_picture` to a file.

    Raises:
        DataError: an input cannot be read; names the file.
        WriteError: it cannot be written.
    """
    write_bytes(path, explanation_picture(bundle, found, a, b))


def _embedded(bundle: Bundle, parts: Parts, array: Array, gone: BoolArray) -> FloatArray:
    """Embeddings of one prepared input without some parts. [n, parts] -> [n, dim], measured."""
    batch = bundle.siamese.modality.collate(parts.without(array, gone))
    return bundle.measured(bundle.siamese.embed(batch))
