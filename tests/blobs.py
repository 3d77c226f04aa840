"""Made-up embeddings: identities are directions, examples lie around them."""

from __future__ import annotations

import numpy as np

from twinlens.types import FloatArray, IntArray


class Cosine:
    """A scorer of unit vectors that notes the largest array it was given or asked for."""

    def __init__(self) -> None:
        self.largest = 0

    def score(self, a: FloatArray, b: FloatArray) -> FloatArray:
        self.largest = max(self.largest, a.size)
        return (a * b).sum(axis=1)

    def score_matrix(self, a: FloatArray, b: FloatArray) -> FloatArray:
        self.largest = max(self.largest, len(a) * len(b))
        return a @ b.T


def blobs(
    identities: int, examples: int, *, noise: float = 1.0, dim: int = 8, seed: int = 0
) -> tuple[FloatArray, IntArray]:
    """Unit vectors around one direction for each identity, and labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(identities), examples)
    points = rng.normal(size=(identities, dim))[labels]
    points = points + noise * rng.normal(size=points.shape)
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32), labels
