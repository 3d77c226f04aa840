"""A picture as a row of columns: their order, their rows, the ink's box, and what is beside."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from twinlens.encoders import ConvColumns
from twinlens.errors import ConfigError
from twinlens.testing import broken, check_encoder


@pytest.mark.parametrize(
    "changed",
    [
        {"widths": (6, 8), "strides": (1, 2), "rows": 2, "steps": 4, "local": 3},
        {"widths": (5,), "strides": (2,), "rows": 1, "steps": 1, "local": 4, "dropout": 0.5},
        {"widths": (5,), "strides": (2,), "steps": 4, "local": 3, "box": (16, 32)},
        {"widths": (5,), "strides": (2,), "steps": 4, "described": "strokes", "directions": 3},
    ],
)
def test_the_contract(changed: dict[str, Any]) -> None:
    assert [str(result) for result in broken(check_encoder("convcolumns", changed))] == []


def test_local_embeddings_go_from_left_to_right() -> None:
    """What happens at the right border moves the last columns and not the first, at any height."""
    torch.manual_seed(0)
    encoder = ConvColumns(1, None, widths=(4,), strides=(1,), steps=8, local=2).eval()
    values = torch.randn(1, 1, 16, 64)
    changed = values.clone()
    changed[..., 60:] += 1
    moved = (encoder(values) - encoder(changed)).view(8, 2).abs().amax(1) > 1e-6
    assert not moved[:5].any()  # convolutions look a little beyond a column
    assert moved[6:].all()
    tall = values.clone()
    tall[..., 12:, :8] += 1
    moved = (encoder(values) - encoder(tall)).view(8, 2).abs().amax(1) > 1e-6
    assert moved[:2].all()
    assert not moved[3:].any()


def test_where_something_is_in_a_column_counts() -> None:
    torch.manual_seed(0)
    encoder = ConvColumns(1, None, widths=(4,), strides=(1,), rows=2, steps=2, local=2).eval()
    high, low = torch.zeros(2, 1, 1, 32, 32)
    high[..., 4:8, :] = low[..., 24:28, :] = 1
    assert not torch.allclose(encoder(high), encoder(low), atol=1e-3)


def drawings(many: int) -> torch.Tensor:
    """Pages of 40 x 60 with something drawn on a part of each."""
    pages = torch.zeros(many, 1, 40, 60)
    generator = torch.Generator().manual_seed(0)
    for row in range(many):
        pages[row, 0, 5:25, 10:40] = (torch.rand(20, 30, generator=generator) > 0.6).float()
    return pages


def test_in_a_box_only_the_ink_counts_and_not_its_place_or_size() -> None:
    torch.manual_seed(0)
    settings: dict[str, Any] = {"widths": (4,), "strides": (1,), "steps": 4, "local": 2}
    boxed = ConvColumns(1, None, box=(16, 32), **settings).eval()
    page = drawings(1)
    moved = page.roll((9, 15), (2, 3))
    larger = torch.zeros(1, 1, 90, 120)
    drawn = page[..., 5:25, 10:40].repeat_interleave(2, 2).repeat_interleave(2, 3)
    larger[..., 3:43, 7:67] = drawn
    torch.testing.assert_close(boxed(moved), boxed(page))
    assert torch.cosine_similarity(boxed(larger), boxed(page)).item() > 0.99
    plain = ConvColumns(1, None, **settings).eval()
    plain.load_state_dict(boxed.state_dict())
    assert torch.cosine_similarity(plain(moved), plain(page)).item() < 0.9


def test_what_is_described_stands_beside_the_columns_and_is_left_out_of_training() -> None:
    torch.manual_seed(0)
    settings: dict[str, Any] = {"widths": (4,), "strides": (1,), "steps": 4, "local": 2}
    encoder = ConvColumns(1, None, box=(16, 32), described="strokes", directions=3, **settings)
    pages = drawings(8)
    labels = torch.arange(8) // 2
    encoder.begin(iter([(pages, None)]), labels, torch.full_like(labels, -1))
    made = encoder.eval()(pages)
    assert encoder.beside == 3
    assert made.shape == (8, encoder.dim) == (8, 4 * 2 + 3)
    torch.testing.assert_close(made[:, 8:].norm(dim=1), torch.ones(8))
    assert made[:, encoder.learned].shape == (8, 8)
    assert not encoder.train()(pages)[:, 8:].any()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"rows": 0}, "encoder.rows"),
        ({"strides": (1,)}, "as many"),
        ({"steps": 0}, "encoder.steps"),
        ({"box": (4,)}, "a height and a width"),
        ({"box": (4, 0)}, "encoder.box"),
        ({"directions": 1}, "encoder.directions"),
        ({"dropout": 1.0}, "encoder.dropout"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        ConvColumns(1, None, **settings)
    with pytest.raises(ConfigError, match="inputs of 1"):
        ConvColumns(1, (1, 10))
