"""Scored comparisons of made-up people, of whom the truth is known."""

from __future__ import annotations

import numpy as np

from twinlens.types import Compared, FloatArray


def people(count: int, rng: np.random.Generator, *, examples: int = 5, dim: int = 24) -> Compared:
    """Everyone compared with everyone, some people harder to tell apart than others."""
    centres = rng.normal(size=(count, dim)) + rng.beta(1, 6, size=(count, 1)) * 1.5
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    spread = rng.uniform(0.4, 0.8, size=(count, 1, 1)) / np.sqrt(dim)
    embeddings = centres[:, None] + spread * rng.normal(size=(count, examples, dim))
    embeddings /= np.linalg.norm(embeddings, axis=2, keepdims=True)
    flat: FloatArray = embeddings.reshape(-1, dim)
    labels = np.repeat(np.arange(count), examples)
    left, right = np.triu_indices(len(flat), 1)
    scores = (flat @ flat.T)[left, right]
    a, b = labels[left], labels[right]
    return Compared(scores, a == b, a, b, count, "identity", count)


def wolves(count: int, rng: np.random.Generator, *, examples: int = 2) -> Compared:
    """Everyone compared with everyone; some people are taken for many others."""
    labels = np.repeat(np.arange(count), examples)
    left, right = np.triu_indices(len(labels), 1)
    a, b = labels[left], labels[right]
    taken = rng.exponential(0.4, size=count)
    scores = taken[a] + taken[b] + rng.normal(size=len(a)) + 4 * (a == b)
    return Compared(scores, a == b, a, b, count, "identity", count)


def independent(genuine: FloatArray, impostors: FloatArray) -> Compared:
    """Comparisons of which each has an identity of its own."""
    scores = np.concatenate([genuine, impostors])
    own = np.arange(len(scores))
    return Compared(scores, own < len(genuine), own, own, len(own), "identity", len(genuine))
