from __future__ import annotations

import pytest
import torch
from torch import nn

from twinlens.config import TrainConfig
from twinlens.training.optimisation import (
    WeightAverage,
    build_optimiser,
    faster_precision,
    learning_rate,
)


def test_schedule_warms_up_and_cools_down() -> None:
    config = TrainConfig(learning_rate=1.0, warmup_steps=10)
    assert learning_rate(0, 0.0, config) == pytest.approx(0.1)
    assert learning_rate(9, 0.0, config) == pytest.approx(1.0)
    assert learning_rate(500, 0.5, config) == pytest.approx(0.5)
    assert learning_rate(1000, 1.0, config) == pytest.approx(0.0)
    assert learning_rate(1000, 1.5, config) == pytest.approx(0.0)


def test_constant_schedule_stays() -> None:
    config = TrainConfig(learning_rate=1.0, warmup_steps=10, schedule="constant")
    assert learning_rate(999, 0.99, config) == 1.0


def test_average_is_the_recurrence() -> None:
    module = nn.Linear(1, 1, bias=False)
    average = WeightAverage(module, decay=0.5)
    expected = module.weight.item()
    for step, value in enumerate([1.0, 4.0, -2.0]):
        with torch.no_grad():
            module.weight.fill_(value)
        average.update(module, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    assert average.module.get_parameter("weight").item() == pytest.approx(expected, rel=1e-6)


def test_average_copies_integer_buffers() -> None:
    module = nn.BatchNorm1d(2)
    average = WeightAverage(module, decay=0.9)
    module(torch.randn(4, 2))
    average.update(module, 0)
    assert average.module.get_buffer("num_batches_tracked").item() == 1


def test_only_matrices_decay() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    decayed, plain = build_optimiser([module], TrainConfig(weight_decay=0.1)).param_groups
    assert [p.ndim for p in decayed["params"]] == [2]
    assert {p.ndim for p in plain["params"]} == {1}
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)


def test_precision_is_measured_without_touching_the_module() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(16, 4))

    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, values: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
            return self.inner(values)

    before = module[1].weight.detach().clone()
    assert faster_precision(Masked(), torch.randn(8, 1, 4, 4), None) in ("float32", "bfloat16")
    assert torch.equal(before, module[1].weight)
    assert module[1].weight.grad is None
