"""Is this more like that than like the other? The measure of given triplets."""

from __future__ import annotations

import numpy as np

from twinlens.errors import EvidenceError
from twinlens.evaluation.bootstrap import mean_interval
from twinlens.evaluation.few_shot import SHOTS, WAYS, figure_name
from twinlens.evaluation.result import Evaluation
from twinlens.evaluation.verification import FALSE_MATCH_RATES, histogram, thinned_curve
from twinlens.functional.metrics import ScoreOrder
from twinlens.types import FloatArray, IntArray


def evaluate_triplets(
    near: FloatArray, far: FloatArray, parts: IntArray, *, examples: int, seed: int = 0
) -> Evaluation:
    """Share of triplets in the right order; a tie counts half.

    A positive is only more alike than its negative, not the same, so no rate of errors at one
    threshold is given; the curve and the histogram show how the scores of the two lie.

    Args:
        near, far: [n] score of the anchor with its positive, and with its negative.
        parts: [n] number of the connected part that each triplet belongs to: what is resampled.
        examples: how many take part.
        seed: of the bootstrap.

    Raises:
        DataError: a score is not finite.
        EvidenceError: there is no triplet.
    """
    if not len(near):
        raise EvidenceError("An evaluation needs at least one triplet. Got none. Add some.")
    scores, same = np.concatenate([near, far]), np.arange(2 * len(near)) < len(near)
    order = ScoreOrder.of(scores, same)
    right = (near > far) + 0.5 * (near == far)
    found = mean_interval(right, parts, np.random.default_rng(seed), unit="component")
    needs = "needs the identity of each example; the data gives triplets only"
    names = ["roc_auc", "eer", *(f"tar_at_fmr_{fmr:g}" for fmr in FALSE_MATCH_RATES)]
    names += ["recall_at_1", "map_at_r", *(figure_name(n, k) for n in WAYS for k in SHOTS)]
    return Evaluation(
        kind="triplets",
        examples=examples,
        identities=None,
        genuine_pairs=len(near),
        impostor_pairs=len(far),
        metrics={"triplet_accuracy": found},
        absent=dict.fromkeys(names, needs),
        method=f"95 % interval: {found.method}",
        limits=(),
        curve=thinned_curve(order.weigh()),
        histogram=histogram(scores, same),
        false_matches=(),
        false_non_matches=(),
        seed=seed,
    )
