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

    def attempt(item: str) -> Array | DataError:
        try:
            return bundle.prepared(item, None if look is None else partial(look, item))
        except DataError as error:
            return error

    def embedded(
        found: Sequence[Array | DataError],
    ) -> tuple[Sequence[Array | DataError], FloatArray]:
        return found, bundle.embed_prepared(
            [one for one in found if not isinstance(one, DataError)]
        )

    parts = [inputs[start : start + at_once] for start in range(0, len(inputs), at_once)]
    done = 0
    for found, vectors in behind(lambda part: [attempt(item) for item in part], embedded, parts):
        places = [done + n for n, one in enumerate(found) if not isinstance(one, DataError)]
        problems = [str(one) for one in found if isinstance(one, DataError)]
        done += len(found)
        yield Embedded(places, vectors, problems, done)
