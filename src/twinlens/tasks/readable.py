"""Embedding many inputs of which some may be broken: those are told, and the rest is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from twinlens.bundle import BATCH_SIZE, Bundle
from twinlens.errors import DataError
from twinlens.types import FloatArray


@dataclass(frozen=True, slots=True)
class Embedded:
    """Some inputs.

    Attributes:
        places: of those that could be embedded, in what was given. [n]
        vectors: [n, dim].
        problems: what is wrong with each of the others.
        done: how many inputs have been looked at so far.
    """

    places: list[int]
    vectors: FloatArray
    problems: list[str]
    done: int


def embed_readable(
    bundle: Bundle, inputs: Sequence[str], *, at_once: int = BATCH_SIZE
) -> Iterator[Embedded]:
    """Embed inputs part by part, in order.

    Args:
        bundle: the model.
        inputs: paths.
        at_once: inputs of each part.
    """
    for start in range(0, len(inputs), at_once):
        part = range(start, min(start + at_once, len(inputs)))
        try:
            vectors = bundle.embed([inputs[place] for place in part])
            yield Embedded(list(part), vectors, [], part.stop)
        except DataError:
            yield _one_by_one(bundle, inputs, part)


def _one_by_one(bundle: Bundle, inputs: Sequence[str], part: range) -> Embedded:
    places: list[int] = []
    vectors: list[FloatArray] = []
    problems: list[str] = []
    for place in part:
        try:
            vectors.append(bundle.embed([inputs[place]])[0])
            places.append(place)
        except DataError as error:
            problems.append(str(error))
    table = np.array(vectors, np.float32).reshape(-1, bundle.siamese.dim)
    return Embedded(places, table, problems, part.stop)
