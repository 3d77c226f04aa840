"""Embedding many inputs of which some may be broken: those are told, and the rest is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from twinlens.bundle import BATCH_SIZE, Bundle
from twinlens.data.behind import behind
from twinlens.errors import DataError
from twinlens.modalities.base import Array
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
    bundle: Bundle,
    inputs: Sequence[str],
    *,
    at_once: int = BATCH_SIZE,
    look: Callable[[str, object], None] | None = None,
) -> Iterator[Embedded]:
    """Embed inputs part by part, in order; each is read once.

    Args:
        bundle: the model.
        inputs: paths.
        at_once: inputs of each part.
        look: shown each input and what was read of it, a part ahead of what is embedded.
    """

    def read(part: range) -> tuple[list[int], list[Array], list[str], int]:
        places: list[int] = []
        arrays: list[Array] = []
        problems: list[str] = []
        for place in part:
            item = inputs[place]
            try:
                arrays.append(bundle.prepared(item, None if look is None else partial(look, item)))
                places.append(place)
            except DataError as error:
                problems.append(str(error))
        return places, arrays, problems, part.stop

    def embedded(found: tuple[list[int], list[Array], list[str], int]) -> Embedded:
        places, arrays, problems, done = found
        return Embedded(places, bundle.embed_prepared(arrays), problems, done)

    starts = range(0, len(inputs), at_once)
    parts = [range(start, min(start + at_once, len(inputs))) for start in starts]
    yield from behind(read, embedded, parts)
