"""Residual stages: pooling, padding, and settings that do not go together."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from twinlens.encoders import ConvNet
from twinlens.encoders import described as module
from twinlens.errors import ConfigError, DataError
from twinlens.testing import broken, check_encoder
from twinlens.testing.modules import as_if_trained

sides = st.integers(1, 17)


def network(channels: int = 1, shape: tuple[int, ...] | None = None, **changed: Any) -> ConvNet:
    torch.manual_seed(0)
    small: dict[str, Any] = {"dim": 9, "widths": (4, 6), "strides": (1, 2), "grid": 2, **changed}
    encoder = ConvNet(channels, shape, **small)
    as_if_trained(encoder, seed=0)
    with torch.no_grad():
        encoder.train()(torch.rand(4, channels, 12, 12))  # running statistics of its own
    return encoder.eval()


def padded(picture: torch.Tensor, down: int, right: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture in the corner of a larger canvas, and its mask."""
    sides = (0, right, 0, down)
    real = torch.ones_like(picture[:, 0], dtype=torch.bool)
    return nn.functional.pad(picture, sides), nn.functional.pad(real, sides)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"grid": 1},
        {"widths": (6,), "strides": (1,), "stem_stride": 1},
        {"standardise": True},
        {"described": "places", "directions": 3},
        {"described": "strokes", "directions": 3, "described_share": 0.8},
        {"described": "colours", "directions": 3},
        {"widths": (8, 4, 8), "strides": (2, 1, 3), "grid": 3, "dropout": 0.5},
    ],
)
def test_the_contract(changed: dict[str, Any]) -> None:
    assert [str(result) for result in broken(check_encoder("convnet", changed))] == []


@given(height=sides, width=sides, down=sides, right=sides, stride=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_padding_of_any_size_changes_nothing(
    height: int, width: int, down: int, right: int, stride: int
) -> None:
    encoder = network(strides=(stride, 2), stem_stride=stride)
    picture = torch.rand(1, 1, height, width)
    canvas, mask = padded(picture, down, right)
    with torch.no_grad():
        torch.testing.assert_close(encoder(canvas, mask), encoder(picture), atol=1e-5, rtol=1e-4)


def test_a_grid_of_one_is_global_pooling() -> None:
    encoder, pictures = network(grid=1), torch.rand(3, 1, 11, 14)
    with torch.no_grad():
        features, _ = encoder.stem(pictures, None)
        features = torch.relu(features)
        for stage in encoder.stages:
            features, _ = stage(features, None)
        torch.testing.assert_close(encoder(pictures), encoder.head(features.mean((2, 3))))


def test_one_kernel_by_hand() -> None:
    """A stem that copies, no stage that adds: the embedding is the mean of each quarter."""
    encoder = ConvNet(1, None, dim=4, widths=(1,), strides=(1,), stem_stride=1, grid=2).eval()
    with torch.no_grad():
        for convolution in (encoder.stem.conv, *(m.conv for m in encoder.stages[0].children())):
            convolution.weight.zero_()
        encoder.stem.conv.weight[0, 0, 1, 1] = 1
        encoder.head.weight.copy_(torch.eye(4))
        encoder.head.bias.zero_()
        picture = torch.tensor([[1.0, 3, 0, 0], [1, 3, 0, 0], [5, 5, 7, 7], [5, 5, 7, 7]])
        embedding = encoder(picture[None, None])
    torch.testing.assert_close(embedding, torch.tensor([[2.0, 0, 5, 7]]), atol=1e-3, rtol=0)


def test_a_grid_keeps_where_things_are_and_global_pooling_less() -> None:
    left, right = torch.zeros(2, 1, 1, 16, 16)
    left[..., 4:12, 2:5] = 1
    right[..., 4:12, 11:14] = 1
    apart = {}
    for grid in (1, 4):
        encoder = network(grid=grid)
        with torch.no_grad():
            a, b = encoder(left), encoder(right)
        apart[grid] = float((a - b).norm() / a.norm())
    assert apart[4] > apart[1]


@pytest.mark.parametrize("padded", [False, True])
def test_standardised_it_is_blind_to_the_strength_and_colour_of_the_light(padded: bool) -> None:
    encoder, pictures = network(3, standardise=True), torch.rand(2, 3, 9, 11)
    mask = torch.ones(2, 9, 11, dtype=torch.bool)
    if padded:
        mask[:, 7:], mask[:, :, 6:] = False, False
    gains, offsets = torch.tensor([0.5, 1.2, 0.8]), torch.tensor([0.1, -0.2, 0.3])
    lit = (pictures * gains[:, None, None] + offsets[:, None, None]) * mask[:, None]
    given = mask if padded else None
    with torch.no_grad():
        same = encoder(lit, given), encoder(pictures * mask[:, None], given)
        torch.testing.assert_close(*same, atol=1e-4, rtol=1e-3)
        plain = network(3)
        assert (plain(lit, given) - plain(pictures * mask[:, None], given)).abs().max() > 1e-2
        flat = torch.full((1, 3, 9, 11), 0.7)
        assert encoder(flat).isfinite().all()


def test_dropout_is_for_training_only() -> None:
    encoder, pictures = network(dropout=0.5), torch.rand(2, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(encoder(pictures), encoder(pictures))
        encoder.dropout.train()
        assert not torch.equal(encoder(pictures), encoder(pictures))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"strides": (1,)}, r"encoder\.strides must be as many numbers as encoder\.widths \(2\)"),
        ({"strides": (1, 2, 2)}, r"Got \(1, 2, 2\)"),
        ({"widths": (), "strides": ()}, r"encoder\.widths must be one number or more"),
        ({"widths": (4, 0)}, r"encoder\.widths must be at least 1. Got \(4, 0\)"),
        ({"strides": (1, -1)}, r"encoder\.strides must be at least 1"),
        ({"stem_stride": 0}, r"encoder\.stem_stride must be at least 1. Got 0"),
        ({"grid": 0}, r"encoder\.grid must be at least 1"),
        ({"dim": 0}, r"encoder\.dim must be at least 1"),
        ({"dropout": 1.0}, r"encoder\.dropout must be at least 0 and less than 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        network(**changed)


def test_a_series_is_refused_once_it_is_known_and_when_it_comes() -> None:
    with pytest.raises(ConfigError, match="inputs of 2 axes after the channels, but inputs of 1"):
        network(shape=(1, 20))
    with pytest.raises(ConfigError, match="Choose another encoder"):
        network()(torch.zeros(2, 1, 20))


def described(kind: str, **changed: Any) -> ConvNet:
    """A network whose directions were found: identities differ in how their lines run."""
    encoder = network(described=kind, directions=4, **changed)
    pictures, labels, claims = lines(seed=0)
    encoder.begin(iter([(pictures, None)]), labels, claims)
    return encoder.eval()


def lines(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """5 identities of 6 pictures: parallel lines of one direction each, with noise upon them."""
    torch.manual_seed(seed)
    down, across = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
    labels = torch.arange(5).repeat_interleave(6)
    angle = labels * (torch.pi / 5) + 0.05 * torch.randn(30)
    phase = 6 * torch.rand(30)
    place = angle.cos()[:, None, None] * across + angle.sin()[:, None, None] * down
    pictures = ((place + phase[:, None, None]).sin() > 0.3) * (0.6 + 0.4 * torch.rand(30, 24, 24))
    return pictures[:, None], labels, torch.full((30,), -1)


@pytest.mark.parametrize("kind", ["places", "strokes"])
def test_what_is_described_tells_unseen_pictures_apart_without_a_step(kind: str) -> None:
    encoder = described(kind, described_share=0.99)
    pictures, labels, _ = lines(seed=1)
    with torch.no_grad():
        embeddings = encoder(pictures)
    scores = embeddings @ embeddings.T - 2 * torch.eye(30)
    assert (labels[scores.argmax(1)] == labels).float().mean() > 0.9


@pytest.mark.parametrize("kind", ["places", "strokes"])
@given(height=sides, width=sides, down=sides, right=sides)
@settings(max_examples=25, deadline=None)
def test_padding_changes_nothing_that_is_described(
    kind: str, height: int, width: int, down: int, right: int
) -> None:
    encoder = described(kind)
    picture = torch.rand(1, 1, height, width)
    canvas, mask = padded(picture, down, right)
    with torch.no_grad():
        torch.testing.assert_close(encoder(canvas, mask), encoder(picture), atol=1e-4, rtol=1e-3)


def stains(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """5 identities of 6 photos: a stain of one colour each, anywhere on a ground of any grey."""
    torch.manual_seed(seed)
    own = 4 * torch.rand(5, 3, 1, 1, generator=torch.Generator().manual_seed(0)) - 2
    labels = torch.arange(5).repeat_interleave(6)
    photos = (4 * torch.rand(30, 1, 1, 1) - 2).expand(30, 3, 24, 24).clone()
    for photo, label, (down, right) in zip(photos, labels, torch.randint(12, (30, 2)), strict=True):
        photo[:, down : down + 12, right : right + 12] = own[label]
    return photos + 0.2 * torch.randn(30, 3, 24, 24), labels, torch.full((30,), -1)


def test_colours_tell_unseen_photos_apart_without_a_step_and_whatever_is_padded() -> None:
    encoder = network(channels=3, described="colours", directions=4, described_share=0.99)
    photos, labels, claims = stains(seed=0)
    encoder.begin(iter([(photos, None)]), labels, claims)
    photos, _, _ = stains(seed=1)
    with torch.no_grad():
        embeddings = encoder.eval()(photos)
        canvas, mask = padded(photos, 7, 4)
        torch.testing.assert_close(encoder(canvas, mask), embeddings, atol=1e-4, rtol=1e-3)
    scores = embeddings @ embeddings.T - 2 * torch.eye(30)
    assert (labels[scores.argmax(1)] == labels).float().mean() > 0.9


def test_a_share_of_the_cosine_is_of_what_is_described() -> None:
    encoder = described("places", described_share=0.3)
    pictures, _, _ = lines(seed=1)
    with torch.no_grad():
        embeddings = encoder(pictures)
    learned, other = embeddings[:, : encoder.dim - 4], embeddings[:, encoder.dim - 4 :]
    torch.testing.assert_close(learned.square().sum(1), torch.full((30,), 0.7))
    torch.testing.assert_close(other.square().sum(1), torch.full((30,), 0.3))


def test_the_network_is_trained_without_what_is_described() -> None:
    encoder = described("strokes")
    pictures, _, _ = lines(seed=1)
    made = encoder.train()(pictures)
    assert made[:, -4:].abs().max() == 0
    assert made[:, :-4].abs().min() > 0


def test_identities_of_one_picture_each_cannot_tell_what_differs() -> None:
    encoder = network(described="places", directions=4)
    pictures, _, claims = lines(seed=0)
    with pytest.raises(DataError, match="two examples"):
        encoder.begin(iter([(pictures, None)]), torch.arange(30), claims)


def test_pictures_that_are_all_the_same_tell_nothing() -> None:
    encoder = network(described="places", directions=4)
    _, labels, claims = lines(seed=0)
    with pytest.raises(DataError, match="must differ"):
        encoder.begin(iter([(torch.ones(30, 1, 24, 24), None)]), labels, claims)


def test_pairs_without_identities_tell_nothing() -> None:
    encoder = network(described="strokes", directions=4)
    pictures, _, claims = lines(seed=0)
    with pytest.raises(DataError, match="no identities"):
        encoder.begin(iter([(pictures, None)]), claims, claims)


def test_of_many_pictures_some_identities_are_taken_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 11)
    encoder = network(described="places", directions=4, described_share=0.99)
    pictures, labels, claims = lines(seed=0)
    forged = torch.arange(30) % 6 >= 3  # sorted as they come: imitations beside what they imitate
    labels, claims = labels.where(~forged, claims), labels.where(forged, claims)
    parts = [(part, None) for part in pictures.split(7)]
    encoder.begin(iter(parts), labels, claims)
    assert encoder.described is not None
    assert encoder.described.map.isfinite().all()
    assert encoder.described.map.any()
    again = network(described="places", directions=4, described_share=0.99)
    again.begin(iter([(pictures, None)]), labels, claims)
    assert again.described is not None
    torch.testing.assert_close(again.described.map, encoder.described.map)


def test_a_described_network_can_be_exported_for_any_batch() -> None:
    encoder = described("strokes")
    pictures, _, _ = lines(seed=1)
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(encoder, (pictures,), dynamic_shapes={"values": {0: batch}})
    with torch.no_grad():
        torch.testing.assert_close(program.module()(pictures[:9]), encoder(pictures[:9]))
