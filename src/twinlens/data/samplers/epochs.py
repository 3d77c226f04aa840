"""An endless sequence in which each of n things comes once an epoch."""

from __future__ import annotations

import numpy as np

from twinlens.types import IntArray


class Epochs:
    """Permutation after permutation of `count` things; any stretch of it can be asked for.

    What lies at a place is a function of (seed, stream, rank) alone; the last permutation is
    kept only so that it need not be made again for the next batch.
    """

    def __init__(self, count: int, *, seed: int, stream: int = 0) -> None:
        """Args:
        count: how many things, at least 1.
        seed: of all permutations.
        stream: tells apart the sequences of one sampler.
        """
        self.count = count
        self._seed, self._stream = seed, stream
        self._kept: tuple[int, int, IntArray] | None = None

    def take(self, start: int, size: int, *, rank: int) -> IntArray:
        """Places start … start + size - 1 of the endless sequence. -> [size] int64.

        >>> epochs = Epochs(3, seed=0)
        >>> sorted(epochs.take(3, 3, rank=0).tolist())
        [0, 1, 2]
        """
        pieces: list[IntArray] = []
        while size > 0:
            epoch, offset = divmod(start, self.count)
            piece = self._permutation(epoch, rank)[offset : offset + size]
            pieces.append(piece)
            start, size = start + len(piece), size - len(piece)
        return np.concatenate(pieces)

    def _permutation(self, epoch: int, rank: int) -> IntArray:
        if self._kept is None or self._kept[:2] != (epoch, rank):
            rng = np.random.default_rng([self._seed, self._stream, epoch, rank])
            self._kept = (epoch, rank, rng.permutation(self.count))
        return self._kept[2]
