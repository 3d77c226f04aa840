"""Thinning is fair, and never gives a position twice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from twinlens.errors import ConfigError
from twinlens.miners.thin import require_limit, thin, thin_pairs


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=60, deadline=None)
@given(total=st.integers(0, 200), limit=st.integers(1, 60), seed=st.integers(0, 99))
def test_positions_are_distinct_and_as_many_as_may_be(total: int, limit: int, seed: int) -> None:
    chosen = thin(total, limit, generator(seed)).tolist()
    assert len(set(chosen)) == len(chosen) == min(total, limit)
    assert set(chosen) <= set(range(total))


@pytest.mark.parametrize(("total", "limit"), [(3, 2), (7, 5), (20, 3)])
def test_each_position_is_equally_likely(total: int, limit: int) -> None:
    """Also where the stretches are of unequal length: within 5 standard errors."""
    draws = 4000
    drawn = [thin(total, limit, generator(seed)) for seed in range(draws)]
    counts = np.bincount(torch.cat(drawn).numpy(), minlength=total)
    share = limit / total
    error = np.sqrt(draws * share * (1 - share))
    np.testing.assert_allclose(counts, draws * share, atol=5 * error)


def test_a_huge_number_of_positions_takes_no_memory() -> None:
    chosen = thin(10**15, 5, generator())
    assert len(chosen.unique()) == 5
    assert int(chosen.max() - chosen.min()) > 10**14


@pytest.mark.parametrize(
    ("positives", "negatives", "limit", "expected"),
    [
        (20, 30, 100, (20, 30)),  # all of them
        (20, 30, 10, (5, 5)),  # half each
        (20, 30, 11, (5, 6)),
        (3, 30, 10, (3, 7)),  # what one kind leaves over goes to the other
        (30, 3, 10, (7, 3)),
        (0, 30, 10, (0, 10)),
        (30, 0, 10, (10, 0)),
        (0, 0, 10, (0, 0)),
    ],
)
def test_both_kinds_of_pairs_have_half_of_the_room(
    positives: int, negatives: int, limit: int, expected: tuple[int, int]
) -> None:
    kinds = torch.zeros(12, 12, dtype=torch.int64)  # 66 places above the diagonal
    row, column = torch.triu_indices(12, 12, offset=1)
    kinds[row[:positives], column[:positives]] = 1
    kinds[row[positives:][:negatives], column[positives:][:negatives]] = 2
    kinds = kinds + kinds.T
    pairs = thin_pairs(kinds == 1, kinds == 2, limit, generator())
    assert (int(pairs.same.sum()), int((~pairs.same).sum())) == expected
    assert (kinds[pairs.left, pairs.right] == torch.where(pairs.same, 1, 2)).all()


def test_a_limit_without_room_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"miner\.limit must be at least 2\. Got 1\."):
        require_limit(1, 2)
