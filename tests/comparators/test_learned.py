from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from twinlens.comparators import Learned
from twinlens.errors import ConfigError
from twinlens.testing import broken, check_comparator
from twinlens.testing.modules import as_if_trained


def comparator(**settings: Any) -> Learned:
    torch.manual_seed(0)
    learned = Learned(3, **settings)
    as_if_trained(learned, seed=0)
    return learned


@pytest.mark.parametrize("settings", [{}, {"hidden": 0}, {"hidden": 5, "chunk": 1}])
def test_the_contract(settings: dict[str, Any]) -> None:
    assert [str(result) for result in broken(check_comparator("learned", settings))] == []


@pytest.mark.parametrize("hidden", [0, 4])
def test_against_numpy(hidden: int) -> None:
    learned = comparator(hidden=hidden)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 6, 3)).astype(np.float32)
    features = np.concatenate([np.abs(a - b), a * b], axis=1)
    weights = [w.detach().numpy() for w in learned.parameters()]
    if hidden:
        features = np.maximum(features @ weights[0].T + weights[1], 0)
    expected = (features @ weights[-2].T + weights[-1])[:, 0]
    with torch.no_grad():
        found = learned.paired(torch.tensor(a), torch.tensor(b)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 4, 10, 1000])
def test_the_chunk_changes_memory_but_no_score(chunk: int) -> None:
    a, b = torch.randn(7, 3), torch.randn(5, 3)
    with torch.no_grad():
        found = comparator(chunk=chunk).matrix(a, b)
        pairs = comparator().paired(a.repeat_interleave(5, 0), b.repeat(7, 1))
    torch.testing.assert_close(found, pairs.view(7, 5))


def test_no_index_can_rank_as_it_does() -> None:
    assert comparator().indexable is None


@pytest.mark.parametrize("settings", [{"hidden": -1}, {"chunk": 0}])
def test_settings_out_of_range_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"comparator.{next(iter(settings))} must be at least"):
        comparator(**settings)
