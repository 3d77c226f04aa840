from __future__ import annotations

from typing import Any

import pytest
import torch

from twinlens.encoders import ConvSeries
from twinlens.errors import ConfigError
from twinlens.testing import broken, check_encoder


@pytest.mark.parametrize(
    "changed",
    [
        {"widths": (6, 8), "strides": (1, 2), "steps": 4, "local": 3},
        {"widths": (5,), "strides": (2,), "kernel": 3, "steps": 1, "local": 4, "dropout": 0.5},
    ],
)
def test_the_contract(changed: dict[str, Any]) -> None:
    assert [str(result) for result in broken(check_encoder("convseries", changed))] == []


def test_local_embeddings_follow_time() -> None:
    """What happens at the end of a series moves the last parts and not the first."""
    torch.manual_seed(0)
    encoder = ConvSeries(1, (1, 64), widths=(4,), strides=(1,), kernel=3, steps=8, local=2).eval()
    values = torch.randn(1, 1, 64)
    changed = values.clone()
    changed[..., 60:] += 1
    moved = (encoder(values) - encoder(changed)).view(8, 2).abs().amax(1) > 1e-6
    assert moved.tolist() == [False] * 7 + [True]


@pytest.mark.parametrize(
    ("settings", "word"),
    [({"kernel": 4}, "odd"), ({"strides": (1,)}, "as many"), ({"steps": 0}, "encoder.steps")],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        ConvSeries(1, (1, 10), **settings)
    with pytest.raises(ConfigError, match="axis"):
        ConvSeries(1, (1, 10, 10))
