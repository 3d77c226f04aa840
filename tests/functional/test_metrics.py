from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

from twinlens.errors import DataError, EvidenceError
from twinlens.functional.metrics import (
    ScoreOrder,
    equal_error_rate,
    map_at_r,
    recall_at_1,
    roc_auc,
    tar_at_fmr,
)
from twinlens.types import BoolArray, FloatArray


def comparisons(seed: int, count: int = 200, levels: int = 25) -> tuple[FloatArray, BoolArray]:
    """Scores with many ties; genuine ones tend to be higher."""
    rng = np.random.default_rng(seed)
    same = rng.random(count) < 0.4
    same[:2] = True, False
    return np.round((rng.normal(size=count) + same) * levels / 5) / levels, same


@st.composite
def tied_comparisons(draw: st.DrawFn) -> tuple[FloatArray, BoolArray]:
    rows = draw(st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=2, max_size=30))
    scores, same = (np.array(column) for column in zip(*rows, strict=True))
    same[:2] = True, False
    return scores.astype(float), same


def test_by_hand() -> None:
    scores, same = np.array([0.9, 0.7, 0.6, 0.3]), np.array([True, False, True, False])
    assert roc_auc(scores, same) == 0.75
    assert equal_error_rate(scores, same) == (0.5, 0.7)
    assert tar_at_fmr(scores, same, 0.0) == (0.5, 0.9)
    assert tar_at_fmr(scores, same, 0.5) == (1.0, 0.6)


@given(tied_comparisons(), st.integers(0, 2**31))
def test_a_whole_curve_is_that_of_each_rate_alone(
    compared: tuple[FloatArray, BoolArray], seed: int
) -> None:
    order = ScoreOrder.of(*compared)
    rng = np.random.default_rng(seed)
    weights = [
        rng.integers(0, 3, len(o)) * 1.0 for o in (order.genuine_order, order.impostor_order)
    ]
    fmrs = np.array([0.0, 0.01, 0.1, 1 / 3, 0.5, 2 / 3, 0.9, 1.0])
    for rates in (order.weigh(), order.weigh(*weights)):
        if rates.is_defined:
            expected = [1 - rates.tar_at_fmr(fmr)[0] for fmr in fmrs]
            np.testing.assert_allclose(rates.fnmr_at_fmrs(fmrs), expected, atol=1e-12)


def test_without_any_error() -> None:
    scores, same = np.array([0.9, 0.8, 0.2, 0.1]), np.array([True, True, False, False])
    assert roc_auc(scores, same) == 1.0
    assert equal_error_rate(scores, same)[0] == 0.0
    assert tar_at_fmr(scores, same, 0.0) == (1.0, 0.8)


def test_equal_scores_say_nothing() -> None:
    scores, same = np.full(6, 0.5), np.arange(6) < 3
    assert roc_auc(scores, same) == 0.5
    assert equal_error_rate(scores, same) == (0.5, 0.5)
    assert tar_at_fmr(scores, same, 0.1) == (0.0, math.inf)


@pytest.mark.parametrize("seed", range(5))
def test_roc_auc_agrees_with_scikit_learn(seed: int) -> None:
    scores, same = comparisons(seed)
    weights = np.random.default_rng(seed).integers(0, 4, len(scores)).astype(float)
    assert roc_auc(scores, same) == pytest.approx(roc_auc_score(same, scores))
    weighed = roc_auc_score(same, scores, sample_weight=weights)
    assert roc_auc(scores, same, weights) == pytest.approx(weighed)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fmr", [0.0, 0.05, 0.29, 1.0])
def test_tar_is_the_best_of_all_thresholds_that_keep_the_bound(seed: int, fmr: float) -> None:
    scores, same = comparisons(seed)
    rate, threshold = tar_at_fmr(scores, same, fmr)
    allowed = [t for t in [*scores, math.inf] if np.mean(scores[~same] >= t) <= fmr]
    assert rate == pytest.approx(max(np.mean(scores[same] >= t) for t in allowed))
    assert np.mean(scores[~same] >= threshold) <= fmr


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("recall", [0.5, 0.9, 1.0])
def test_precision_is_that_of_the_highest_threshold_with_the_recall(
    seed: int, recall: float
) -> None:
    scores, same = comparisons(seed)
    weights = np.random.default_rng(seed).integers(1, 4, len(scores)).astype(float)
    precision, recalls, _ = precision_recall_curve(same, scores, sample_weight=weights)
    expected = precision[np.flatnonzero(recalls >= recall - 1e-9)[-1]]  # thresholds ascend
    order = ScoreOrder.of(scores, same)
    rates = order.weigh(weights[order.genuine_order], weights[order.impostor_order])
    assert rates.precision_at_recall(recall) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_eer_is_where_the_roc_meets_the_falling_diagonal(seed: int) -> None:
    scores, same = comparisons(seed)
    fmr, tar, _ = roc_curve(same, scores, drop_intermediate=False)
    rate, threshold = equal_error_rate(scores, same)
    assert np.interp(rate, fmr, tar) == pytest.approx(1 - rate)
    assert threshold in scores


def test_a_weight_is_a_repetition() -> None:
    scores, same = comparisons(3, 60)
    weights = np.random.default_rng(1).integers(1, 4, len(scores))
    repeated = np.repeat(scores, weights), np.repeat(same, weights)
    weighed = weights.astype(float)
    assert roc_auc(scores, same, weighed) == pytest.approx(roc_auc(*repeated))
    assert equal_error_rate(scores, same, weighed) == pytest.approx(equal_error_rate(*repeated))
    assert tar_at_fmr(scores, same, 0.1, weighed) == pytest.approx(tar_at_fmr(*repeated, 0.1))


@given(tied_comparisons())
def test_only_the_order_of_scores_counts(case: tuple[FloatArray, BoolArray]) -> None:
    scores, same = case
    assert roc_auc(np.exp(scores), same) == roc_auc(scores, same)
    assert equal_error_rate(3 * scores + 1, same)[0] == equal_error_rate(scores, same)[0]
    assert tar_at_fmr(np.exp(scores), same, 0.2)[0] == tar_at_fmr(scores, same, 0.2)[0]


@given(tied_comparisons())
def test_swapping_truth_and_direction_swaps_the_errors(case: tuple[FloatArray, BoolArray]) -> None:
    scores, same = case
    assert roc_auc(scores, ~same) == pytest.approx(1 - roc_auc(scores, same))
    assert roc_auc(-scores, ~same) == pytest.approx(roc_auc(scores, same))
    other = equal_error_rate(-scores, ~same)[0]
    assert other == pytest.approx(equal_error_rate(scores, same)[0])


@given(tied_comparisons(), st.floats(0, 5))
def test_more_alike_genuine_pairs_are_never_worse(
    case: tuple[FloatArray, BoolArray], lift: float
) -> None:
    scores, same = case
    lifted = scores + lift * same
    assert roc_auc(lifted, same) >= roc_auc(scores, same)
    assert tar_at_fmr(lifted, same, 0.2)[0] >= tar_at_fmr(scores, same, 0.2)[0]


@given(tied_comparisons(), st.permutations(range(30)))
def test_the_order_of_comparisons_does_not_count(
    case: tuple[FloatArray, BoolArray], order: list[int]
) -> None:
    scores, same = case
    shuffled = [i for i in order if i < len(scores)]
    assert roc_auc(scores[shuffled], same[shuffled]) == roc_auc(scores, same)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(EvidenceError, match="Got 2 and 0"):
        roc_auc(np.array([0.1, 0.2]), [True, True])
    with pytest.raises(DataError, match="position 1"):
        roc_auc(np.array([0.1, math.nan]), [True, False])
    with pytest.raises(DataError, match="equally long"):
        roc_auc(np.zeros(3), [True, False])
    with pytest.raises(EvidenceError, match="carry weight"):
        roc_auc(np.zeros(2), [True, False], np.array([1.0, 0.0]))
    assert not ScoreOrder.of(np.zeros(2), [True, False]).weigh(np.zeros(1)).is_defined


def test_retrieval_by_hand() -> None:
    scores = np.array([[0.9, 0.8, 0.7, -np.inf], [0.9, 0.8, 0.7, -np.inf]])
    relevant = np.array([[True, False, True, False], [False, True, False, False]])
    assert recall_at_1(scores, relevant).tolist() == [1, 0]
    assert map_at_r(scores, relevant).tolist() == [0.5, 0]  # the third place is beyond R = 2


def test_equal_candidates_count_as_chance() -> None:
    scores, relevant = np.zeros((1, 4)), np.array([[True, False, False, False]])
    assert recall_at_1(scores, relevant).tolist() == [0.25]
    assert map_at_r(scores, relevant).tolist() == [0.25]


@pytest.mark.parametrize("seed", range(4))
def test_map_at_r_is_the_mean_over_random_orders_of_equal_scores(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (5, 9)).astype(float)
    relevant = rng.random((5, 9)) < 0.4
    relevant[:, 0] = True
    shuffled = [map_at_r(scores + 1e-6 * rng.random((5, 9)), relevant) for _ in range(4000)]
    np.testing.assert_allclose(map_at_r(scores, relevant), np.mean(shuffled, 0), atol=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_map_at_r_agrees_with_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, relevant = rng.random((6, 20)), rng.random((6, 20)) < 0.3
    relevant[:, 0] = True
    expected: list[float] = []
    for row, truth in zip(scores, relevant, strict=True):
        ranked, count = truth[np.argsort(-row)], int(truth.sum())
        expected.append(sum(ranked[: k + 1].mean() for k in range(count) if ranked[k]) / count)
    np.testing.assert_allclose(map_at_r(scores, relevant), expected)


def test_a_query_without_anything_to_find_is_refused() -> None:
    with pytest.raises(EvidenceError, match="1 of 2"):
        map_at_r(np.zeros((2, 2)), np.array([[True, False], [False, False]]))
