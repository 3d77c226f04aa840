"""The masked recurrence, against torch's packed sequences."""

from __future__ import annotations

import itertools
from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from twinlens.encoders import Recurrent
from twinlens.encoders.recurrent import turn_about
from twinlens.errors import ConfigError
from twinlens.testing import broken, check_encoder
from twinlens.testing.modules import as_if_trained


def network(shape: tuple[int, ...] | None = None, **changed: Any) -> Recurrent:
    torch.manual_seed(0)
    small: dict[str, Any] = {"dim": 3, "hidden": 4, "rows": 2, **changed}
    encoder = Recurrent(2, shape, **small)
    as_if_trained(encoder, seed=0)
    return encoder.eval()


def series(lengths: list[int], more: int = 0) -> tuple[Tensor, Tensor]:
    """[batch, 2, time], 0 where padded, and its mask."""
    mask = torch.arange(max(lengths) + more) < torch.tensor(lengths)[:, None]
    values = torch.randn(len(lengths), 2, mask.shape[1], generator=torch.Generator().manual_seed(1))
    return values * mask[:, None], mask


@pytest.mark.parametrize(
    "changed",
    [
        {"hidden": 8, "rows": 3},
        {"hidden": 8, "cell": "lstm", "pooling": "mean", "rows": 1},
        {"hidden": 6, "layers": 2, "bidirectional": False, "dropout": 0.5},
    ],
)
def test_the_contract(changed: dict[str, Any]) -> None:
    assert [str(result) for result in broken(check_encoder("recurrent", changed))] == []


@pytest.mark.parametrize(
    ("cell", "layers", "both"), list(itertools.product(["gru", "lstm"], [1, 2], [False, True]))
)
def test_the_recurrence_is_that_of_packed_sequences(
    cell: Literal["gru", "lstm"], layers: int, both: bool
) -> None:
    lengths = [5, 1, 8, 3]
    encoder = network((2, 8), cell=cell, layers=layers, bidirectional=both)
    kind = nn.GRU if cell == "gru" else nn.LSTM
    oracle = kind(2, 4, layers, batch_first=True, bidirectional=both)
    with torch.no_grad():
        for number, layer in enumerate(encoder.layers):
            for reader, suffix in ((layer.forwards, ""), (layer.backwards, "_reverse")):
                for name, weight in reader.named_parameters() if reader is not None else ():
                    of_layer = f"{name.removesuffix('_l0')}_l{number}{suffix}"
                    oracle.get_parameter(of_layer).copy_(weight)
        values, mask = series(lengths)
        packed = pack_padded_sequence(
            values.transpose(1, 2), torch.tensor(lengths), batch_first=True, enforce_sorted=False
        )
        expected, _ = pad_packed_sequence(oracle(packed)[0], batch_first=True)
        found = values.transpose(1, 2)
        for layer in encoder.layers:
            found = layer(found, mask)
    torch.testing.assert_close(found * mask[..., None], expected, atol=1e-5, rtol=1e-4)


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    more=st.integers(0, 9),
    pooling=st.sampled_from(["attention", "mean"]),
)
@settings(max_examples=30, deadline=None)
def test_padding_of_any_length_changes_nothing(lengths: list[int], more: int, pooling: str) -> None:
    encoder = network(pooling=pooling, layers=2)
    values, mask = series(lengths, more)
    with torch.no_grad():
        together = encoder(values, mask)
        for row, length in enumerate(lengths):
            alone = encoder(values[row : row + 1, :, :length])
            torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=1e-4)


@given(sizes=st.lists(st.tuples(st.integers(1, 7), st.integers(1, 7)), min_size=2, max_size=3))
@settings(max_examples=20, deadline=None)
def test_padding_of_a_picture_changes_nothing(sizes: list[tuple[int, int]]) -> None:
    encoder = network(rows=3)
    pictures = [torch.rand(2, *size) for size in sizes]
    height, width = (max(side) for side in zip(*sizes, strict=True))
    values = torch.zeros(len(sizes), 2, height, width)
    mask = torch.zeros(len(sizes), height, width, dtype=torch.bool)
    for row, picture in enumerate(pictures):
        values[row, :, : sizes[row][0], : sizes[row][1]] = picture
        mask[row, : sizes[row][0], : sizes[row][1]] = True
    with torch.no_grad():
        alone = torch.cat([encoder(picture[None]) for picture in pictures])
        torch.testing.assert_close(encoder(values, mask), alone, atol=1e-5, rtol=1e-4)


def test_order_matters_to_it() -> None:
    values, mask = series([6])
    encoder = network()
    with torch.no_grad():
        assert not torch.allclose(encoder(values, mask), encoder(values.flip(2), mask), atol=1e-3)


def test_the_mean_is_over_real_steps() -> None:
    encoder = network((2, 7), pooling="mean", bidirectional=False)
    values, mask = series([4, 7])
    with torch.no_grad():
        states = encoder.layers[0](values.transpose(1, 2), mask)  # [batch, time, hidden]
        means = torch.stack([states[0, :4].mean(0), states[1].mean(0)])
        torch.testing.assert_close(encoder(values, mask), encoder.head(means))


def test_attention_weighs_steps_as_the_paper_says() -> None:
    encoder = network((2, 7), bidirectional=False)
    values, mask = series([4, 7])
    assert encoder.attention is not None
    first, _, second = encoder.attention.weigh
    with torch.no_grad():
        states = encoder.layers[0](values.transpose(1, 2), mask)
        pooled: list[Tensor] = []
        for row, length in enumerate([4, 7]):
            h = states[row, :length]
            hidden = torch.tanh(h @ first.weight.T + first.bias)
            weights = (hidden @ second.weight[0]).softmax(0)
            pooled.append(weights @ h)
        torch.testing.assert_close(encoder(values, mask), encoder.head(torch.stack(pooled)))


def test_nothing_real_gives_finite_numbers() -> None:
    for pooling in ("attention", "mean"):
        with torch.no_grad():
            embedding = network(pooling=pooling)(
                torch.zeros(1, 2, 5), torch.zeros(1, 5, dtype=torch.bool)
            )
        assert torch.isfinite(embedding).all()


def test_turning_about_twice_changes_nothing() -> None:
    values, mask = series([3, 6, 1], more=2)
    x = values.transpose(1, 2)
    turned = turn_about(x, mask)
    assert torch.equal(turned[0, :3], x[0, :3].flip(0))
    assert torch.equal(turn_about(turned, mask), x)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"layers": 0}, r"encoder\.layers must be at least 1. Got 0"),
        ({"hidden": 0}, r"encoder\.hidden"),
        ({"rows": 0}, r"encoder\.rows"),
        ({"dropout": 1.5}, r"encoder\.dropout"),
    ],
)
def test_settings_out_of_range_are_refused(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        network(**changed)


def test_three_axes_are_refused() -> None:
    with pytest.raises(ConfigError, match="encoder.name must fit the inputs"):
        network()(torch.zeros(1, 2, 3, 3, 3))
