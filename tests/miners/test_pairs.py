"""Miners of pairs, against loops over all pairs."""

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
    numbered,
    rows_of,
    score_matrix,
)
from twinlens.errors import ConfigError
from twinlens.miners import AllPairs, HardPairs, Miner
from twinlens.types import FloatArray


@torch.no_grad()
def mined(
    miner: Miner, embeddings: Tensor, labels: Tensor, name: str = "cosine", seed: int = 0
) -> list[tuple[int, ...]]:
    comparator = comparator_of(name)
    generator = torch.Generator().manual_seed(seed)
    return rows_of(miner(comparator.project(embeddings), labels, comparator, generator))


def every_pair(labels: Tensor) -> set[tuple[int, ...]]:
    pairs = itertools.combinations(range(len(labels)), 2)
    return {(i, j, bool(labels[i] == labels[j])) for i, j in pairs}


def hard_pairs(s: FloatArray, labels: Tensor, negatives: int) -> set[tuple[int, ...]]:
    found = {row for row in every_pair(labels) if row[2]}
    for i in range(len(labels)):
        others = [j for j in range(len(labels)) if labels[j] != labels[i]]
        for j in sorted(others, key=lambda j: -s[i, j])[:negatives]:
            found.add((min(i, j), max(i, j), False))
    return found


@settings(max_examples=30, deadline=None)
@given(labels=labels_of_a_batch)
def test_all_pairs_are_all_pairs_once(labels: list[int]) -> None:
    embeddings, targets = batch_of(labels)
    found = mined(AllPairs(), embeddings, targets)
    assert len(found) == len(set(found))
    assert set(found) == every_pair(targets)


def test_all_pairs_past_the_limit_come_from_both_kinds_by_chance() -> None:
    embeddings, labels = batch_of([0, 0, 0, 1, 1, 2, 2, 2, 3, 4])
    draws = [set(mined(AllPairs(limit=6), embeddings, labels, seed=s)) for s in range(80)]
    assert all(len(draw) == 6 and sum(row[2] for row in draw) == 3 for draw in draws)
    assert set().union(*draws) == every_pair(labels)


@settings(max_examples=30, deadline=None)
@given(
    labels=labels_of_a_batch,
    name=st.sampled_from(COMPARATORS),
    negatives=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_hard_pairs_are_the_hardest(
    labels: list[int], name: str, negatives: int, seed: int
) -> None:
    embeddings, targets = batch_of(labels, seed)
    found = mined(HardPairs(negatives=negatives), embeddings, targets, name)
    s = score_matrix(comparator_of(name), embeddings)
    assert len(found) == len(set(found))
    assert set(found) == hard_pairs(s, targets, negatives)


def test_hard_pairs_by_hand() -> None:
    """0 and 1 are the same. 2 is most alike to both, and 3 most alike to 2."""
    scores = torch.tensor(
        [[9.0, 1.0, 5.0, 2.0], [1.0, 9.0, 4.0, 3.0], [5.0, 4.0, 9.0, 8.0], [2.0, 3.0, 8.0, 9.0]]
    )
    index = HardPairs(negatives=1)(
        numbered(4), torch.tensor([0, 0, 1, 2]), Given(scores), torch.Generator()
    )
    expected = [(0, 1, True), (0, 2, False), (1, 2, False), (2, 3, False)]
    assert sorted(rows_of(index)) == expected


def test_settings_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2"):
        AllPairs(limit=1)
    with pytest.raises(ConfigError, match="at least 2"):
        HardPairs(limit=1)
    with pytest.raises(ConfigError, match=r"miner\.negatives must be at least 1\. Got 0\."):
        HardPairs(negatives=0)
