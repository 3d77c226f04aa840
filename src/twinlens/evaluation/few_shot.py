"""The usual N-way K-shot figures, each where the data carries it."""

from __future__ import annotations

import numpy as np

from twinlens.evaluation.one_shot import one_shot_accuracy
from twinlens.types import FloatArray, IntArray, Interval, Scorer

WAYS, SHOTS = (5, 20), (1, 5)


def figure_name(ways: int, shots: int) -> str:
    """The metric's name.

    >>> figure_name(5, 1)
    'one_shot_5_way_1_shot'
    """
    return f"one_shot_{ways}_way_{shots}_shot"


def few_shot_metrics(
    embeddings: FloatArray,
    labels: IntArray,
    scorer: Scorer,
    *,
    groups: IntArray | None,
    episodes: int,
    seed: int,
) -> tuple[dict[str, Interval], dict[str, str]]:
    """Accuracy for every N in `WAYS` and K in `SHOTS`. -> (metrics, absent with the reason).

    Each episode has exactly N identities: groups with fewer take no part.

    Args:
        embeddings: [n, dim].
        labels: [n] identity; below 0 = unknown, left out.
        scorer: larger = more alike.
        groups: [n] group that an episode stays within; None = no groups.
        episodes: of each figure.
        seed: of the episodes.
    """
    metrics: dict[str, Interval] = {}
    absent: dict[str, str] = {}
    outer = np.zeros(len(labels), np.int64) if groups is None else groups
    for ways, shots in ((ways, shots) for shots in SHOTS for ways in WAYS):
        group, count = _usable(labels, outer, shots + 1)
        large = group[count >= ways]
        if not len(large):
            where = "" if groups is None else " in one group"
            absent[figure_name(ways, shots)] = (
                f"needs {ways} identities with {shots + 1} examples each{where}; "
                f"got {count.max(initial=0)}"
            )
            continue
        result = one_shot_accuracy(
            embeddings,
            np.where(np.isin(outer, large), labels, -1),
            scorer,
            ways=ways,
            shots=shots,
            groups=groups,
            episodes=episodes,
            seed=seed,
        )
        metrics[figure_name(ways, shots)] = result.accuracy
    return metrics, absent


def _usable(labels: IntArray, groups: IntArray, needed: int) -> tuple[IntArray, IntArray]:
    """Groups, and how many identities with the needed number of examples each holds."""
    known = labels >= 0
    cells, sizes = np.unique(
        np.stack([groups[known], labels[known]]), axis=1, return_counts=True
    )  # [2, identities]
    return np.unique(cells[0, sizes >= needed], return_counts=True)
