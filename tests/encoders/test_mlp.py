"""Dense layers over the input, or over a grid laid on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from twinlens.encoders import Mlp
from twinlens.errors import ConfigError
from twinlens.testing import broken, check_encoder
from twinlens.testing.modules import as_if_trained

sides = st.integers(1, 20)


def network(shape: tuple[int, ...] | None = None, **changed: Any) -> Mlp:
    torch.manual_seed(0)
    encoder = Mlp(2, shape, **{"dim": 3, "hidden": (6,), **changed})
    as_if_trained(encoder, seed=0)
    return encoder.eval()


@pytest.mark.parametrize(
    "changed",
    [
        {"norm": "batch"},
        {"norm": "layer", "grid": 3},
        {"norm": "none", "hidden": (5, 7, 4)},
        {"hidden": (), "grid": 1},
    ],
)
def test_the_contract(changed: dict[str, Any]) -> None:
    assert [str(result) for result in broken(check_encoder("mlp", changed))] == []


def test_against_numpy() -> None:
    encoder = network((2, 4, 5), norm="none", hidden=(6, 5))
    x = torch.rand(3, 2, 4, 5)
    weights = {name: w.detach().numpy() for name, w in encoder.named_parameters()}
    y = x.numpy().reshape(3, 40)
    for layer in (0, 3):
        y = y @ weights[f"layers.{layer}.weight"].T + weights[f"layers.{layer}.bias"]
        y = np.maximum(y, 0)
    y = y @ weights["layers.6.weight"].T + weights["layers.6.bias"]
    with torch.no_grad():
        np.testing.assert_allclose(encoder(x).numpy(), y, rtol=1e-4, atol=1e-5)


def test_without_hidden_layers_it_is_linear() -> None:
    encoder = network((2, 7), hidden=())
    a, b = torch.rand(2, 4, 2, 7)
    with torch.no_grad():
        zero = encoder(torch.zeros(1, 2, 7))
        torch.testing.assert_close(encoder(a + b), encoder(a) + encoder(b) - zero)


@pytest.mark.parametrize("axes", [1, 2])
@given(extent=st.tuples(sides, sides), more=st.tuples(sides, sides), grid=st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_padding_of_any_size_changes_nothing(
    axes: int, extent: tuple[int, int], more: tuple[int, int], grid: int
) -> None:
    encoder, size, pad = network(grid=grid), extent[:axes], more[:axes]
    place = tuple(slice(n) for n in size)
    largest = [n + m for n, m in zip(size, pad, strict=True)]
    example = torch.rand(1, 2, *size)
    canvas, mask = torch.zeros(1, 2, *largest), torch.zeros(1, *largest, dtype=torch.bool)
    canvas[(slice(None), slice(None), *place)] = example
    mask[(slice(None), *place)] = True
    with torch.no_grad():
        torch.testing.assert_close(encoder(canvas, mask), encoder(example), atol=1e-5, rtol=1e-4)


def test_one_shape_is_taken_as_it_is_and_a_grid_averages_it() -> None:
    x = torch.rand(2, 2, 6, 9)
    with torch.no_grad():
        plain = network((2, 6, 9))
        torch.testing.assert_close(plain(x), plain.layers(x.flatten(1)))
        pooled = network((2, 6, 9), grid=3)
        cells = F.adaptive_avg_pool2d(x, 3).flatten(1)
        torch.testing.assert_close(pooled(x), pooled.layers(cells))


def test_the_same_layers_serve_series_and_pictures_of_any_size() -> None:
    encoder = network(grid=2)
    with torch.no_grad():
        assert (
            encoder(torch.rand(1, 2, 33)).shape == encoder(torch.rand(1, 2, 5, 8)).shape == (1, 3)
        )


def test_sizes_that_vary_get_sixteen_cells_a_side() -> None:
    assert network().grid == 16
    assert network((2, 4, 4)).grid == 0


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"hidden": (4, 0)}, r"encoder\.hidden must be at least 1"),
        ({"grid": -1}, r"encoder\.grid must be at least 0. Got -1"),
        ({"dim": -3}, r"encoder\.dim must be at least 1"),
        ({"dropout": -0.1}, r"encoder\.dropout"),
    ],
)
def test_settings_out_of_range_are_refused(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        network(**changed)


@pytest.mark.parametrize("shape", [(2,), (2, 3, 3, 3)])
def test_another_number_of_axes_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="inputs of 1 axis or 2 axes"):
        network(shape)
    with pytest.raises(ConfigError, match=f"but inputs of {len(shape) - 1}"):
        network()(torch.zeros(1, *shape))
