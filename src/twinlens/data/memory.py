"""Examples that are prepared in memory, since preparing one is cheaper than reading it back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from twinlens.data.problems import listed
from twinlens.errors import DataError
from twinlens.modalities.base import Array, Modality
from twinlens.types import Batch, IntArray

_BETWEEN_REPORTS = 1000


class MemoryStore:
    """Prepared examples of a modality whose references are values, gathered by position.

    Args:
        refs: what `modality.load` takes.
        modality: loads, prepares and pads them.
        progress: told of (prepared, all).

    Raises:
        DataError: values cannot be prepared; names all of them.
    """

    def __init__(
        self,
        refs: Sequence[str],
        modality: Modality,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._modality = modality
        self._arrays: list[Array] = []
        wrong: list[str] = []
        for done, ref in enumerate(refs, start=1):
            try:
                self._arrays.append(modality.prepare(modality.load(ref)))
            except DataError as error:
                wrong.append(str(error))
            if progress is not None and (done % _BETWEEN_REPORTS == 0 or done == len(refs)):
                progress(done, len(refs))
        if wrong:
            raise DataError(listed(wrong, "The data"))

    def __len__(self) -> int:
        return len(self._arrays)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """[channels, *axes] of each example."""
        return [array.shape for array in self._arrays]

    def gather(self, positions: IntArray) -> Batch:
        """The examples at these positions as one batch.

        Args:
            positions: [batch] int64; may repeat.
        """
        return self._modality.collate([self._arrays[int(position)] for position in positions])


def by_size(shapes: Sequence[tuple[int, ...]]) -> IntArray:
    """Positions in order of size, so that batches cut from them need little padding.

    Inputs of one size keep their order.

    Args:
        shapes: [channels, *axes] of each input.

    >>> by_size([(1, 9), (1, 2), (1, 9)]).tolist()
    [1, 0, 2]
    """
    sizes = np.array([np.prod(shape) for shape in shapes], np.int64)  # [n]
    return np.argsort(sizes, kind="stable")
