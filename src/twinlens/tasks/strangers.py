"""A data set's embeddings -> what is known of strangers against galleries of its identities."""

from __future__ import annotations

import math

import numpy as np

from twinlens.calibration import OpenSet
from twinlens.calibration.open_set import FEWEST_IDENTITIES
from twinlens.data.dataset import Dataset
from twinlens.siamese import Siamese
from twinlens.types import FloatArray, IntArray

_TEMPLATES = (1, 2, 4, 8)
_PROBES = 2
"""Of each identity at most; more of the same tell little more."""
_ENOUGH = 0.8
"""Share of the identities that must have examples for so many templates."""
_MOST_SCORES = 4_000_000
"""Scores computed for each number of templates: about a second."""
_MOST_LEARNED = 500_000
"""The same where a network scores them."""
_BLOCK_SCORES = 1_000_000


def open_sets(
    embeddings: FloatArray, dataset: Dataset, siamese: Siamese, *, seed: int = 0
) -> tuple[OpenSet, ...]:
    """Each identity as a stranger to the others, for one template of each and for more.

    Args:
        embeddings: [n, dim] of the examples.
        dataset: () comes of one without identities, or with too few.
        siamese: scores embeddings.
        seed: of which examples are templates and which are probes.
    """
    if dataset.kind != "labels":
        return ()
    labels = dataset.labels()
    rng = np.random.default_rng(seed)
    most = _MOST_LEARNED if siamese.comparator.indexable is None else _MOST_SCORES
    found: list[OpenSet] = []
    several = int((np.bincount(labels[labels >= 0]) >= 2).sum())
    for templates in _TEMPLATES:
        cast = _cast(labels, templates, math.isqrt(most // (_PROBES * templates)), rng)
        if len(cast) < max(FEWEST_IDENTITIES, _ENOUGH * several if templates > 1 else 0):
            break
        enrolled = np.concatenate([group[:templates] for group in cast])
        probes = np.concatenate([group[templates:] for group in cast])
        owner = np.repeat(np.arange(len(cast)), [len(group) - templates for group in cast])
        best = _best(embeddings[probes], embeddings[enrolled], siamese, templates)
        found.append(OpenSet.fit(best, owner, templates=templates))
    return tuple(found)


def _cast(labels: IntArray, templates: int, most: int, rng: np.random.Generator) -> list[IntArray]:
    """Positions of the templates and then of the probes of each identity that has enough."""
    order = rng.permutation(np.flatnonzero(labels >= 0))
    order = order[np.argsort(labels[order], kind="stable")]
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    groups = [g for g in np.split(order, starts[1:]) if len(g) > templates]
    chosen = sorted(rng.permutation(len(groups))[:most].tolist())
    return [groups[place][: templates + _PROBES] for place in chosen]


def _best(probes: FloatArray, enrolled: FloatArray, siamese: Siamese, templates: int) -> FloatArray:
    """Best score of each probe with each identity. [p, dim], [c · templates, dim] -> [p, c]."""
    rows = max(1, _BLOCK_SCORES // len(enrolled))
    parts = [
        siamese.score_matrix(probes[start : start + rows], enrolled)
        .reshape(-1, len(enrolled) // templates, templates)
        .max(axis=2)
        for start in range(0, len(probes), rows)
    ]
    return np.concatenate(parts)
