from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from blobs import Cosine, blobs
from twinlens.evaluation import comparisons
from twinlens.evaluation.comparisons import distinct, draw_pairs, score_pairs


@given(st.lists(st.integers(-1, 4), min_size=2, max_size=25))
def test_without_a_cap_every_pair_comes_once(names: list[int]) -> None:
    labels = np.array(names)
    drawn = draw_pairs(labels, np.random.default_rng(0), most_genuine=999, most_impostors=999)
    known = [i for i, name in enumerate(names) if name >= 0]
    pairs = [frozenset(pair) for pair in zip(drawn.left, drawn.right, strict=True)]
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == {frozenset(pair) for pair in itertools.combinations(known, 2)}
    assert (drawn.same == (labels[drawn.left] == labels[drawn.right])).all()
    assert drawn.genuine_total == drawn.same.sum()
    assert drawn.impostor_total == (~drawn.same).sum()


def test_a_cap_draws_evenly() -> None:
    labels = np.repeat(np.arange(5), [2, 3, 4, 1, 10])
    hits = np.zeros((20, 20))
    for seed in range(400):
        rng = np.random.default_rng(seed)
        drawn = draw_pairs(labels, rng, most_genuine=11, most_impostors=13)
        assert (drawn.same.sum(), len(drawn.same)) == (11, 24)
        assert (drawn.genuine_total, drawn.impostor_total) == (55, 135)
        hits[drawn.left, drawn.right] += 1
    same = labels[:, None] == labels
    upper = np.triu(np.ones((20, 20), bool), 1)
    assert np.abs(hits[upper & same] / 400 - 11 / 55).max() < 0.1
    assert np.abs(hits[upper & ~same] / 400 - 13 / 135).max() < 0.08


@given(st.integers(1, 400), st.integers(1, 50))
def test_distinct_numbers(total: int, count: int) -> None:
    count = min(count, total)
    found = distinct(total, count, np.random.default_rng(0))
    assert len(np.unique(found)) == count
    assert 0 <= found.min() <= found.max() < total


def test_scores_come_in_order_and_in_chunks() -> None:
    points, _ = blobs(500, 1, dim=100)
    rng = np.random.default_rng(0)
    left, right = rng.integers(500, size=(2, 50_000))
    scorer = Cosine()
    found = score_pairs(points, scorer, left, right)
    np.testing.assert_allclose(found, np.einsum("nd,nd->n", points[left], points[right]), atol=1e-5)
    assert scorer.largest <= comparisons._CHUNK_VALUES
    assert len(score_pairs(points, scorer, left[:0], right[:0])) == 0
