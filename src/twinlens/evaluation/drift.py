"""Whether new inputs look to the model like those it was evaluated on."""

from __future__ import annotations

import numpy as np

from twinlens.errors import EvidenceError
from twinlens.evaluation.inputs import check_embeddings
from twinlens.evaluation.result import Drift
from twinlens.types import FloatArray, IntArray, Scorer

MOST = 500
"""Examples of each side that are compared; more are drawn from."""
PERMUTATIONS = 999
FEWEST = 10


def drift(
    known: FloatArray,
    labels: IntArray,
    new: FloatArray,
    scorer: Scorer,
    *,
    seed: int = 0,
) -> Drift:
    """Shift of embeddings and of scores between evaluated and new inputs, with a test of each.

    Embeddings: the energy distance. Scores: the difference of the mean score of two inputs of one
    side. Both are tested by dealing the inputs to two sides anew, 999 times. An identity gives one
    of its evaluated examples, since several would count as more evidence than they are; of the new
    inputs identities are not known, so that many pictures of few people look like a shift.

    Args:
        known: [n, dim] embeddings that were evaluated.
        labels: [n] their identities; below 0 = none known.
        new: [m, dim] embeddings without labels.
        scorer: larger = more alike.
        seed: of draws.

    Source:
        Székely, Rizzo. Energy statistics. Journal of Statistical Planning and Inference 143, 2013.

    Raises:
        DataError: embeddings are not finite.
        EvidenceError: a side has fewer than ten inputs.
    """
    check_embeddings(known, labels)
    check_embeddings(new, np.zeros(len(new), np.int64))
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(known))
    _, first = np.unique(np.where(labels < 0, -1 - np.arange(len(labels)), labels)[order],
                         return_index=True)  # fmt: skip
    a = known[rng.permutation(order[first])[:MOST]]
    b = new[rng.permutation(len(new))[:MOST]]
    if min(len(a), len(b)) < FEWEST:
        raise EvidenceError(
            f"A drift needs {FEWEST} inputs of different identities on each side. Got {len(a)} and "
            f"{len(b)}. Add inputs."
        )
    both = np.concatenate([a, b])
    squares = np.square(both).sum(axis=1)
    distance = np.sqrt(np.maximum(squares[:, None] + squares - 2 * both @ both.T, 0))
    scores = scorer.score_matrix(both, both)
    side = np.arange(len(both)) < len(a)
    found = _statistics(distance, scores, side)
    dealt = np.array(
        [_statistics(distance, scores, rng.permutation(side)) for _ in range(PERMUTATIONS)]
    )
    p_values = (1 + (np.abs(dealt) >= np.abs(found) - 1e-12).sum(axis=0)) / (1 + PERMUTATIONS)
    return Drift(
        known=len(a),
        new=len(b),
        energy_distance=float(found[0]),
        energy_p=float(p_values[0]),
        score_shift=float(found[1]),
        score_p=float(p_values[1]),
    )


def _statistics(distance: FloatArray, scores: FloatArray, side: np.ndarray) -> FloatArray:
    """(energy distance, mean score within the new side less that within the known). [2]."""
    a, b = side.astype(np.float64), (~side).astype(np.float64)
    n, m = a.sum(), b.sum()
    inner_a, inner_b = a @ distance @ a / (n * (n - 1)), b @ distance @ b / (m * (m - 1))
    energy = 2 * (a @ distance @ b) / (n * m) - inner_a - inner_b
    own = np.diag(scores)
    mean_a = (a @ scores @ a - own @ a) / (n * (n - 1))
    mean_b = (b @ scores @ b - own @ b) / (m * (m - 1))
    return np.array([energy, mean_b - mean_a])
