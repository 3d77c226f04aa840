from __future__ import annotations

import numpy as np
import pytest

from twinlens.errors import DataError, EvidenceError
from twinlens.evaluation.result import Evaluation
from twinlens.evaluation.triplets import evaluate_triplets


def test_the_share_in_the_right_order_and_ties_count_half() -> None:
    near, far = np.array([0.9, 0.5, 0.2, 0.7]), np.array([0.1, 0.5, 0.6, 0.3])
    found = evaluate_triplets(near, far, np.arange(4), examples=9)
    assert found.metrics["triplet_accuracy"].value == pytest.approx(2.5 / 4)
    assert found.kind == "triplets"
    assert "triplets only" in found.absent["roc_auc"]
    assert Evaluation.from_dict(found.to_dict()) == found


def test_the_interval_resamples_connected_parts() -> None:
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(40) < 0.7, 25)  # all triplets of a part are right, or none is
    near, far = np.where(right, 1.0, 0.0), np.where(right, 0.0, 1.0)
    together = evaluate_triplets(near, far, np.repeat(np.arange(40), 25), examples=9)
    apart = evaluate_triplets(near, far, np.arange(1000), examples=9)
    wide, narrow = (e.metrics["triplet_accuracy"] for e in (together, apart))
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_no_triplet_and_nan_are_refused() -> None:
    nothing = np.zeros(0)
    with pytest.raises(EvidenceError, match="at least one triplet"):
        evaluate_triplets(nothing, nothing, np.zeros(0, np.int64), examples=0)
    with pytest.raises(DataError, match="finite"):
        evaluate_triplets(np.array([np.nan]), np.array([0.0]), np.zeros(1, np.int64), examples=2)
