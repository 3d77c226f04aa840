from __future__ import annotations

import pytest
import torch

from twinlens.losses.base import empty, mean_of, taught


def test_the_mean_of_several_values_has_the_mean_gradient_and_parts() -> None:
    x = torch.tensor(3.0, requires_grad=True)
    values = [taught(x * k, {"auc": torch.tensor(k)}) for k in (1.0, 3.0)]
    found = mean_of(values)
    found.total.backward()
    assert x.grad is not None
    assert (found.total.item(), x.grad.item()) == (6.0, 2.0)
    assert {name: part.item() for name, part in found.parts.items()} == pytest.approx(
        {"auc": 2.0, "empty_share": 0.0}
    )
    assert mean_of(values[:1]) is values[0]


@pytest.mark.parametrize("first", [0, 1])
def test_a_part_that_not_every_value_has_is_the_mean_of_those_that_do(first: int) -> None:
    x = torch.ones(2, 2, requires_grad=True)
    values = [taught(x.sum(), {"active_share": torch.tensor(0.5)}), empty(x)]
    found = mean_of([values[first], values[1 - first]])
    assert found.total.item() == 2.0
    assert {name: part.item() for name, part in found.parts.items()} == pytest.approx(
        {"active_share": 0.5, "empty_share": 0.5}
    )
