"""Encoders of series that texts brought: each keeps the contract."""

from __future__ import annotations

import pytest
import torch

from twinlens.encoders import Stepwise, Transformer, WeightedAverage
from twinlens.errors import ConfigError
from twinlens.testing import broken, check_encoder


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("weighted_average", {}),
        ("weighted_average", {"hidden": 16}),
        ("weighted_average", {"kept": 0.4}),
        ("transformer", {"layers": 1}),
        ("transformer", {"pooling": "first", "width": 16}),
        ("stepwise", {}),
        ("stepwise", {"kernel": 3, "local": 8}),
    ],
)
def test_the_contract(name: str, settings: dict[str, int | str]) -> None:
    assert [str(result) for result in broken(check_encoder(name, settings))] == []


def test_stepwise_keeps_each_step_and_how_much_it_counts() -> None:
    encoder = Stepwise(3, None, steps=4)
    values = torch.tensor([[3.0, 0, 0], [0, 0.5, 0]]).T[None]  # [1, 3, 2]
    found = encoder(values).view(4, 3)
    torch.testing.assert_close(found[:2], values[0].T)
    assert not found[2:].any()
    cut = Stepwise(3, None, steps=1)(values)
    torch.testing.assert_close(cut, values[0, :, 0][None])


def test_the_order_of_steps_matters_to_a_transformer_only() -> None:
    torch.manual_seed(0)
    values = torch.randn(1, 3, 5)
    turned = values.flip(2)
    average, attention = WeightedAverage(3, None).eval(), Transformer(3, None).eval()
    torch.testing.assert_close(average(values), average(turned))
    assert not torch.allclose(attention(values), attention(turned), atol=1e-3)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Transformer(3, None, width=10, heads=4), "a multiple of heads"),
        (lambda: Transformer(3, None, width=9, heads=3), "even"),
        (lambda: Stepwise(3, None, kernel=2), "odd"),
        (lambda: WeightedAverage(3, None, dim=0), r"encoder\.dim"),
        (lambda: WeightedAverage(3, (3, 8, 8)), "1 axis"),
    ],
)
def test_settings_out_of_range_are_refused(make: object, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make()  # type: ignore[operator]


def test_a_share_of_the_cosine_is_that_of_the_means_as_they_come() -> None:
    torch.manual_seed(0)
    encoder = WeightedAverage(6, None, dim=10, kept=0.3).eval()
    values = torch.randn(2, 6, 5)
    one, other = encoder(values)
    mean = values.mean(2)
    made = encoder.head(mean)
    cosine = torch.nn.functional.cosine_similarity
    expected = 0.3 * cosine(mean[0], mean[1], dim=0) + 0.7 * cosine(made[0], made[1], dim=0)
    assert one.shape == (10,)
    assert cosine(one, other, dim=0).item() == pytest.approx(expected.item(), abs=1e-5)


def test_what_is_made_of_the_means_needs_numbers_of_its_own() -> None:
    with pytest.raises(ConfigError, match=r"encoder\.dim must be above 6"):
        WeightedAverage(6, None, dim=6, kept=0.3)
