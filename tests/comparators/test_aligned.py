from __future__ import annotations

import pytest
import torch

from twinlens.comparators import Aligned
from twinlens.errors import ConfigError
from twinlens.testing import broken, check_comparator


def test_the_contract() -> None:
    assert [str(result) for result in broken(check_comparator("aligned", {"steps": 4}))] == []


def test_a_series_that_runs_slower_is_alike() -> None:
    parts = torch.eye(4)
    fast = parts[[0, 1, 2, 3, 3, 3]].flatten()[None]
    slow = parts[[0, 0, 1, 1, 2, 3]].flatten()[None]
    other = parts[[3, 2, 1, 0, 0, 0]].flatten()[None]
    comparator = Aligned(24, steps=6)
    assert comparator.paired(fast, slow).item() == pytest.approx(0)
    assert comparator.paired(fast, other).item() < -0.5


def test_blocks_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    comparator = Aligned(12, steps=3)
    a, b = torch.randn(7, 12), torch.randn(5, 12)
    whole = comparator.matrix(a, b)
    monkeypatch.setattr("twinlens.comparators.aligned._MOST_CELLS", 100)
    assert torch.equal(comparator.matrix(a, b), whole)


def test_an_embedding_that_does_not_fall_into_steps_is_refused() -> None:
    with pytest.raises(ConfigError, match="encoder.steps"):
        Aligned(10, steps=3)
