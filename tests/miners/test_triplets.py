"""Miners of triplets, against loops over all triplets."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from scoring import (
    COMPARATORS,
    Given,
    batch_of,
    comparator_of,
    labels_of_a_batch,
    negatives,
    numbered,
    positives,
    rows_of,
    score_matrix,
    triplets_of,
)
from twinlens.errors import ConfigError
from twinlens.losses import TripletIndex
from twinlens.miners import BatchAll, BatchHard, Miner, SemiHard
from twinlens.types import FloatArray, IntArray


@torch.no_grad()
def mined(
    miner: Miner, embeddings: Tensor, labels: Tensor, name: str = "cosine", seed: int = 0
) -> list[tuple[int, ...]]:
    comparator = comparator_of(name)
    generator = torch.Generator().manual_seed(seed)
    return rows_of(miner(comparator.project(embeddings), labels, comparator, generator))


def hardest(s: FloatArray, labels: IntArray) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    for a in range(len(labels)):
        same, other = positives(labels, a), negatives(labels, a)
        if same and other:
            least = min(same, key=lambda p: s[a, p])
            found.append((a, least, max(other, key=lambda n: s[a, n])))
    return found


def windows(s: FloatArray, labels: IntArray, margin: float) -> dict[tuple[int, int], set[int]]:
    """The semi-hard negatives of each pair of the same that has any."""
    found = {
        (a, p): {n for n in negatives(labels, a) if s[a, p] - margin < s[a, n] < s[a, p]}
        for a in range(len(labels))
        for p in positives(labels, a)
    }
    return {pair: window for pair, window in found.items() if window}


@settings(max_examples=30, deadline=None)
@given(labels=labels_of_a_batch)
def test_batch_all_is_every_triplet_once(labels: list[int]) -> None:
    embeddings, targets = batch_of(labels)
    assert sorted(mined(BatchAll(), embeddings, targets)) == sorted(rows_of(triplets_of(targets)))


def test_batch_all_past_the_limit_gives_every_triplet_a_chance() -> None:
    embeddings, labels = batch_of([0, 1, 0, 0, 2, 1, 2, 3])
    every = rows_of(triplets_of(labels))
    draws = [mined(BatchAll(limit=9), embeddings, labels, seed=seed) for seed in range(120)]
    assert all(len(set(draw)) == len(draw) == 9 for draw in draws)
    assert set(itertools.chain(*draws)) == set(every)


def test_batch_all_never_forms_the_triplets_of_a_large_batch() -> None:
    """250 million of them, which would take 6 GB."""
    labels = torch.arange(1000) % 2
    index = BatchAll(limit=500)(
        torch.zeros(1000, 1), labels, comparator_of("cosine"), torch.Generator().manual_seed(0)
    )
    assert isinstance(index, TripletIndex)
    assert len(set(rows_of(index))) == len(index) == 500
    assert (labels[index.anchor] == labels[index.positive]).all()
    assert (labels[index.anchor] != labels[index.negative]).all()
    assert len(index.anchor.unique()) > 400  # spread evenly over the anchors


@settings(max_examples=30, deadline=None)
@given(labels=labels_of_a_batch, name=st.sampled_from(COMPARATORS), seed=st.integers(0, 99))
def test_batch_hard_is_the_hardest_of_each_anchor(labels: list[int], name: str, seed: int) -> None:
    embeddings, targets = batch_of(labels, seed)
    expected = hardest(score_matrix(comparator_of(name), embeddings), targets.numpy())
    assert mined(BatchHard(), embeddings, targets, name) == expected


@settings(max_examples=40, deadline=None)
@given(
    labels=labels_of_a_batch,
    name=st.sampled_from(COMPARATORS),
    margin=st.sampled_from([0.05, 0.3, 2.0]),
    seed=st.integers(0, 99),
)
def test_semi_hard_finds_a_negative_wherever_there_is_one(
    labels: list[int], name: str, margin: float, seed: int
) -> None:
    embeddings, targets = batch_of(labels, seed)
    found = mined(SemiHard(margin=margin), embeddings, targets, name)
    expected = windows(score_matrix(comparator_of(name), embeddings), targets.numpy(), margin)
    assert [(a, p) for a, p, _ in found] == sorted(expected)
    assert all(n in expected[a, p] for a, p, n in found)


def test_semi_hard_gives_each_negative_of_the_window_a_chance() -> None:
    embeddings, labels = batch_of()
    s = score_matrix(comparator_of("cosine"), embeddings)
    drawn = [
        row
        for seed in range(150)
        for row in mined(SemiHard(margin=0.5), embeddings, labels, seed=seed)
    ]
    expected = windows(s, labels.numpy(), 0.5)
    assert max(map(len, expected.values())) > 2
    assert set(drawn) == {(a, p, n) for (a, p), window in expected.items() for n in window}


def test_semi_hard_by_hand() -> None:
    """The positive of 0 scores 5. Of 5, 4⅞ and 4¾ only 4⅞ is below it by less than ¼."""
    scores = torch.tensor([[9.0, 5.0, 5.0, 4.875, 4.75]] + [[5.0, 9.0, 1.0, 1.0, 1.0]] * 4)
    for seed in range(20):  # whatever chance says
        generator = torch.Generator().manual_seed(seed)
        labels = torch.tensor([0, 0, 1, 2, 3])
        index = SemiHard(margin=0.25)(numbered(5), labels, Given(scores), generator)
        assert rows_of(index) == [(0, 1, 3)]


def test_semi_hard_leaves_out_a_pair_whose_negatives_are_all_easy_or_all_hard() -> None:
    labels = torch.tensor([0, 0, 1, 2])
    for others in (1.0, 7.0):
        scores = torch.full((4, 4), others)
        scores[0, 1] = scores[1, 0] = 5.0
        assert not len(SemiHard()(numbered(4), labels, Given(scores), torch.Generator()))


def test_semi_hard_past_the_limit_thins_the_pairs() -> None:
    embeddings, labels = batch_of()
    whole = mined(SemiHard(margin=2.0), embeddings, labels)
    draws = [mined(SemiHard(margin=2.0, limit=4), embeddings, labels, seed=s) for s in range(60)]
    assert all(len({(a, p) for a, p, _ in draw}) == len(draw) == 4 for draw in draws)
    assert {(a, p) for draw in draws for a, p, _ in draw} == {(a, p) for a, p, _ in whole}


def test_settings_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"miner\.limit must be at least 1\. Got 0\."):
        BatchAll(limit=0)
    with pytest.raises(ConfigError, match=r"miner\.margin must be above 0\. Got 0"):
        SemiHard(margin=0.0)
    with pytest.raises(ConfigError, match=r"miner\.limit"):
        SemiHard(limit=0)
