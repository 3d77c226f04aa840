"""Orders of candidates, against an oracle that goes through them one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from twinlens.functional.ranking import rank_lists


def test_by_hand() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.2, 0.5, 0.4])
    right = np.array([False, True, True, False, True, False])
    question = np.array([7, 7, 7, 3, 5, 5])
    found = rank_lists(scores, right, question)
    assert found.question.tolist() == [5, 7]
    np.testing.assert_allclose(found.average_precision, [1, (1 / 2 + 2 / 3) / 2])
    np.testing.assert_allclose(found.reciprocal_rank, [1, 1 / 2])
    np.testing.assert_allclose(found.first, [1, 0])


def test_equal_scores_earn_nothing() -> None:
    found = rank_lists(np.zeros(4), np.array([True, False, False, False]), np.zeros(4))
    assert found.average_precision.tolist() == [0.25]
    assert found.first.tolist() == [0]


def test_a_question_without_a_right_candidate_does_not_count() -> None:
    found = rank_lists(np.arange(3.0), np.zeros(3, np.bool_), np.array([0, 0, 1]))
    assert len(found.question) == len(found.average_precision) == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=40))
def test_against_an_oracle(rows: list[tuple[int, bool]]) -> None:
    question = np.array([q for q, _ in rows])
    right = np.array([r for _, r in rows])
    scores = np.random.default_rng(len(rows)).permutation(len(rows)).astype(float)
    found = rank_lists(scores, right, question)
    wanted = [
        average_precision_score(right[question == q], scores[question == q])
        for q in np.unique(question)
        if right[question == q].any()
    ]
    np.testing.assert_allclose(found.average_precision, wanted)
    firsts = [
        1 / (1 + int(np.argmax(right[question == q][np.argsort(-scores[question == q])])))
        for q in found.question
    ]
    assert found.reciprocal_rank == pytest.approx(firsts)
    np.testing.assert_allclose(found.first, np.array(firsts) == 1)
