from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from blobs import Cosine, blobs
from twinlens.errors import DataError, EvidenceError
from twinlens.evaluation import retrieval, verification
from twinlens.evaluation.ranking import evaluate_ranking
from twinlens.evaluation.result import Evaluation
from twinlens.evaluation.retrieval import search_all
from twinlens.evaluation.suite import Caps, evaluate_embeddings, evaluate_pairs
from twinlens.types import BoolArray, FloatArray, IntArray


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "RESAMPLES", 60)


QUICK = Caps(episodes=20)


def chain(count: int, seed: int = 0) -> tuple[FloatArray, BoolArray, IntArray, IntArray]:
    """Pairs (0, 1), (2, 3), …: no two share an example. Genuine ones score higher."""
    rng = np.random.default_rng(seed)
    same = np.arange(count) % 2 == 0
    left = 2 * np.arange(count)
    return rng.normal(size=count) + 1.5 * same, same, left, left + 1


def test_all_figures_of_enough_data() -> None:
    points, labels = blobs(80, 6)
    found = evaluate_embeddings(points, labels, Cosine(), caps=QUICK)
    assert set(found.metrics) == {
        "roc_auc",
        "eer",
        "tar_at_fmr_0.01",
        "tar_at_fmr_0.001",
        "one_shot_5_way_1_shot",
        "one_shot_20_way_1_shot",
        "one_shot_5_way_5_shot",
        "one_shot_20_way_5_shot",
        "recall_at_1",
        "map_at_r",
    }
    assert not found.absent
    assert all(0 <= x.low <= x.value <= x.high <= 1 for x in found.metrics.values())
    assert (found.examples, found.identities, found.genuine_pairs) == (480, 80, 80 * 15)
    assert found.impostor_pairs == 480 * 479 // 2 - 80 * 15
    same = labels[:, None] == labels
    upper = np.triu_indices(480, 1)
    expected = roc_auc_score(same[upper], (points @ points.T)[upper])
    assert found.metrics["roc_auc"].value == pytest.approx(expected, abs=1e-5)


def test_retrieval_agrees_with_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "_BLOCK_SCORES", 500)  # many blocks
    points, labels = blobs(9, 4)
    labels[:4] = -1
    labels[4:7] = 70, 71, 72  # three alone: searched, but no queries
    found = search_all(points, labels, Cosine(), np.random.default_rng(0))
    known = np.flatnonzero(labels >= 0)
    first: list[bool] = []
    for query in known:
        others = known[known != query]
        if (labels[others] == labels[query]).any():
            best = others[np.argmax(points[others] @ points[query])]
            first.append(bool(labels[best] == labels[query]))
    assert found.recall_at_1.tolist() == first
    assert (found.eligible, found.candidates) == (28, 32)


def test_memory_and_time_are_bounded() -> None:
    points, labels = blobs(400, 10, dim=16)
    scorer = Cosine()
    caps = Caps(genuine=500, impostors=3000, scores=400_000, episodes=10)
    found = evaluate_embeddings(points, labels, scorer, caps=caps)
    assert (found.genuine_pairs, found.impostor_pairs) == (500, 3000)
    assert found.limits == (
        "500 of 18,000 genuine pairs were compared, drawn at random",
        "3,000 of 7,980,000 impostor pairs were compared, drawn at random",
        "100 of 4,000 queries were drawn for search",
    )
    assert scorer.largest <= 2_000_000 < 4000 * 4000  # never all against all
    assert len(found.curve.fmr) <= 2 * verification.CURVE_POINTS + 1


def test_the_same_seed_gives_the_same_figures() -> None:
    points, labels = blobs(30, 4)
    caps = Caps(genuine=50, impostors=200, episodes=10)
    runs = [
        evaluate_embeddings(points, labels, Cosine(), seed=seed, caps=caps) for seed in (3, 3, 4)
    ]
    assert runs[0] == runs[1] != runs[2]


def test_less_noise_is_better_in_every_figure() -> None:
    near, far = (
        evaluate_embeddings(*blobs(30, 6, noise=noise), Cosine(), caps=Caps(episodes=100)).metrics
        for noise in (0.5, 1.0)
    )
    assert near.keys() == far.keys()
    for name in near:
        better = near[name].value > far[name].value
        assert better != (name == "eer"), name


def test_what_the_data_cannot_carry_is_absent_with_a_reason() -> None:
    found = evaluate_embeddings(*blobs(30, 4), Cosine(), caps=QUICK)
    assert "tar_at_fmr_0.01" in found.metrics  # 30 · 29 / 2 = 435 pairs of identities
    assert found.absent["tar_at_fmr_0.001"] == (
        "needs at least 3,000 impostor comparisons of different pairs of identities "
        "(rule of 3: 3 / 0.001); got 435, and 78 identities would do"
    )
    assert 78 * 77 // 2 >= 3000 > 77 * 76 // 2
    assert "6 examples" in found.absent["one_shot_5_way_5_shot"]


def test_a_perfect_score_promises_no_perfection() -> None:
    found = evaluate_embeddings(*blobs(12, 4, noise=1e-3), Cosine(), caps=QUICK).metrics
    for name in ("roc_auc", "one_shot_5_way_1_shot", "recall_at_1", "map_at_r"):
        assert found[name].value == 1.0
        assert found[name].low == pytest.approx(0.025 ** (1 / 12))
    assert found["eer"].value == 0.0
    assert found["eer"].high == pytest.approx(1 - 0.025 ** (1 / 12))


def test_json_there_and_back() -> None:
    found = evaluate_embeddings(*blobs(3, 2), Cosine(), caps=QUICK)
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert Evaluation.from_dict(json.loads(text)) == found
    with pytest.raises(DataError, match="metrics"):
        Evaluation.from_dict({"kind": "embeddings"})
    with pytest.raises(DataError, match="surprise"):
        Evaluation.from_dict({**found.to_dict(), "surprise": 1})


def test_bad_input_is_refused() -> None:
    points, labels = blobs(4, 3)
    with pytest.raises(DataError, match=r"\[examples, dim\]"):
        evaluate_embeddings(points[0], labels, Cosine())
    with pytest.raises(DataError, match="labels"):
        evaluate_embeddings(points, labels[1:], Cosine())
    with pytest.raises(DataError, match="groups"):
        evaluate_embeddings(points, labels, Cosine(), groups=labels[1:])
    points[5] = np.inf
    with pytest.raises(DataError, match="position 5"):
        evaluate_embeddings(points, labels, Cosine())


def test_too_little_is_refused() -> None:
    for identities, examples in ((1, 9), (9, 1)):
        with pytest.raises(EvidenceError, match="at least two identities"):
            evaluate_embeddings(*blobs(identities, examples), Cosine())
    with pytest.raises(EvidenceError):
        evaluate_embeddings(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), Cosine())


def test_pairs_that_do_not_touch_are_resampled_as_they_are() -> None:
    scores, same, left, right = chain(400)
    found = evaluate_pairs(scores, same, left, right)
    assert found.metrics["roc_auc"].value == pytest.approx(roc_auc_score(same, scores))
    assert found.metrics["roc_auc"].method == "component bootstrap"
    accepted = scores >= np.sort(scores[same])[-100]  # half of 200
    precision = found.metrics["precision_at_recall_0.5"]
    assert precision.value == pytest.approx(same[accepted].mean())
    assert precision.low < precision.value < precision.high
    assert (found.kind, found.examples, found.identities) == ("pairs", 800, None)
    assert found.absent["recall_at_1"].startswith("needs the identity")
    assert found.absent["tar_at_fmr_0.01"].startswith("needs at least 300 impostor pairs")
    assert Evaluation.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_pairs_that_hang_together_resample_examples() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.integers(40, size=(2, 500))
    same = rng.random(500) < 0.5
    found = evaluate_pairs(rng.normal(size=500) + same, same, left, right)
    assert found.metrics["roc_auc"].method == "example bootstrap"


def test_pairs_around_shared_examples_are_less_certain_than_free_ones() -> None:
    rng = np.random.default_rng(0)
    hubs = np.arange(200) // 10  # ten pairs share an example, and its effect on their score
    same = hubs % 2 == 0
    scores = same + rng.normal(size=20)[hubs] + 0.3 * rng.normal(size=200)
    free = evaluate_pairs(scores, same, np.arange(200), 200 + np.arange(200))
    bound = evaluate_pairs(scores, same, hubs, 200 + np.arange(200))
    width = [x.metrics["roc_auc"].high - x.metrics["roc_auc"].low for x in (free, bound)]
    assert width[1] > 2 * width[0]


def test_an_impostor_pair_counts_as_often_as_both_its_identities_are_drawn() -> None:
    left, right = np.array([0, 1, 0, 1]), np.array([0, 1, 1, 2])
    compared = verification.Compared(np.zeros(4), left == right, left, right, 3, "identity", 2)
    weights = verification.weigher(compared, np.arange(4))
    assert weights(np.array([2.0, 3.0, 0.0])).tolist() == [2, 3, 6, 0]


def test_bad_pairs_are_refused() -> None:
    scores, same, left, right = chain(20)
    with pytest.raises(DataError, match="left and right"):
        evaluate_pairs(scores, same, left[1:], right)
    with pytest.raises(EvidenceError, match="Got 20 and 0"):
        evaluate_pairs(scores, np.ones(20, bool), left, right)
    scores[2] = np.nan
    with pytest.raises(DataError, match="position 2"):
        evaluate_pairs(scores, same, left, right)


def test_the_worst_comparisons_are_named() -> None:
    points, labels = blobs(6, 4)
    found = evaluate_embeddings(points, labels, Cosine(), caps=QUICK)
    same = (labels[:, None] == labels) & ~np.eye(24, dtype=bool)
    scores = points @ points.T
    worst = found.false_matches[0]
    assert worst.score == pytest.approx(scores[labels[:, None] != labels].max())
    assert scores[worst.left, worst.right] == pytest.approx(worst.score)
    assert found.false_non_matches[0].score == pytest.approx(scores[same].min())


def test_curve_and_histogram_hold_all() -> None:
    found = evaluate_embeddings(*blobs(20, 5), Cosine(), caps=QUICK)
    assert sum(found.histogram.genuine) == found.genuine_pairs
    assert sum(found.histogram.impostor) == found.impostor_pairs
    curve = found.curve
    assert (curve.fmr[0], curve.fnmr[0]) == (1, 0)
    assert np.all(np.diff(curve.threshold) > 0)
    assert np.all(np.diff(curve.fmr) <= 0)
    assert np.all(np.diff(curve.fnmr) >= 0)
    area = -np.trapezoid([*(1 - np.array(curve.fnmr)), 0], [*curve.fmr, 0])
    assert area == pytest.approx(found.metrics["roc_auc"].value, abs=0.01)


def test_equal_scores_are_shown_too() -> None:
    found = evaluate_embeddings(np.ones((6, 2), np.float32), np.arange(6) // 2, Cosine())
    assert found.metrics["roc_auc"].value == 0.5
    assert found.metrics["recall_at_1"].value == pytest.approx(0.2)
    assert sum(found.histogram.impostor) == found.impostor_pairs


def test_lists_of_candidates_are_ranked_too() -> None:
    """Thirty questions of five candidates, every third without a right one."""
    rng = np.random.default_rng(0)
    left = np.repeat(np.arange(30), 5)
    same = (np.arange(150) % 5 == 0) & (left % 3 > 0)
    scores = rng.normal(size=150) + same
    found = evaluate_pairs(scores, same, left, 30 + np.arange(150))
    ranked = evaluate_ranking(scores, same, left)
    assert {name: found.metrics[name] for name in ranked.metrics} == ranked.metrics
    assert {"map", "mrr", "accuracy_at_1", "answerable_auc"} == ranked.metrics.keys()
    assert found.metrics["map"].method == "question bootstrap"
    assert "questions that are ranked: 20; others, without a right candidate: 10" in found.limits
    assert Evaluation.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_pairs_that_are_no_lists_are_not_ranked() -> None:
    left = np.repeat(np.arange(30), 2)
    same = np.arange(60) % 2 == 0
    found = evaluate_pairs(np.arange(60) % 7 + 3.0 * same, same, left, 30 + np.arange(60))
    assert "map" not in found.metrics and found.limits == ()
