"""A query joined with what it found: their mean asks again."""

from __future__ import annotations

import numpy as np

from twinlens.types import FloatArray

ALPHA = 3.0


def expanded(query: FloatArray, found: FloatArray, scores: FloatArray | None) -> FloatArray:
    """Mean of a query and of what it found.

    Args:
        query: [dim].
        found: [n, dim], perhaps none.
        scores: [n] cosines; each weighs as their third power, negative ones nothing. None weighs
            all alike.

    Returns:
        [dim] float64, of no particular length.

    Source:
        Chum et al. Total recall. ICCV 2007. Weights: Radenović, Tolias, Chum. Fine-tuning CNN image
        retrieval with no human annotation. TPAMI 2018, with α = 3.

    >>> expanded(np.array([1.0, 0.0]), np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0.0, 1.0]))
    array([1., 0.])
    """
    weights = np.ones(len(found)) if scores is None else np.maximum(scores, 0.0) ** ALPHA
    return (query + weights @ found.astype(np.float64)) / (1 + weights.sum())
