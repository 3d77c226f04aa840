"""Each way to get an encoder wrong is found by the rule that forbids it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from twinlens import registry
from twinlens.encoders import Encoder
from twinlens.errors import ConfigError
from twinlens.functional.pool import masked_mean
from twinlens.testing import broken, check_encoder


class Plain(Encoder):
    """One convolution and the mean over what is real: right in every way."""

    def __init__(self, channels: int, shape: tuple[int, ...] | None, *, dim: int = 6) -> None:
        super().__init__()
        self.dim = dim
        self.conv = nn.Conv2d(channels, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, dim)

    def features(self, values: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(values)))

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.head(masked_mean(self.features(values), mask))


class Careless(Plain):
    """The mean over the padding too."""

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.head(masked_mean(self.features(values), None))


class Restless(Plain):
    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        embeddings = super().forward(values, mask)
        return embeddings + torch.rand_like(embeddings)


class Mixing(Plain):
    """Centred by the batch."""

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        embeddings = super().forward(values, mask)
        return embeddings - embeddings.mean(0) if len(values) > 1 else embeddings


class Ordered(Plain):
    """The first example counts twice."""

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        embeddings = super().forward(values, mask)
        return torch.cat([2 * embeddings[:1], embeddings[1:]])


class Blind(Plain):
    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().forward(values * 0, mask)


class Overwriting(Plain):
    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        embeddings = super().forward(values, mask)
        with torch.no_grad():
            values.mul_(0.5)
        return embeddings


class Idle(Plain):
    """A layer that nothing reaches."""

    def __init__(self, channels: int, shape: tuple[int, ...] | None, *, dim: int = 6) -> None:
        super().__init__(channels, shape, dim=dim)
        self.spare = nn.Linear(3, 3)


class Forgetful(Plain):
    """Weights that no state dict holds."""

    def __init__(self, channels: int, shape: tuple[int, ...] | None, *, dim: int = 6) -> None:
        super().__init__(channels, shape, dim=dim)
        self.hidden = torch.randn(dim)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().forward(values, mask) * self.hidden


class Wider(Plain):
    def __init__(self, channels: int, shape: tuple[int, ...] | None, *, dim: int = 6) -> None:
        super().__init__(channels, shape, dim=dim)
        self.head = nn.Linear(8, 7)


class Half(Plain):
    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().forward(values, mask).half()


class Cubic(Plain):
    axes = (3,)


def rules_broken(monkeypatch: pytest.MonkeyPatch, cls: type[nn.Module]) -> set[str]:
    known = {**registry._components["encoder"], "mine": cls}
    monkeypatch.setitem(registry._components, "encoder", known)
    return {result.rule.partition(" (")[0] for result in broken(check_encoder("mine"))}


def test_an_encoder_without_fault_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rules_broken(monkeypatch, Plain) == set()


@pytest.mark.parametrize(
    ("cls", "only"),
    [
        (Careless, {"padding never changes an embedding"}),
        (Idle, {"a gradient reaches every parameter"}),
        (Forgetful, {"all that it learned is in its state dict"}),
        (nn.Identity, {"it is an Encoder"}),
        (Cubic, {"it is an Encoder"}),
    ],
)
def test_a_fault_is_found_and_not_laid_at_another_door(
    monkeypatch: pytest.MonkeyPatch, cls: type[nn.Module], only: set[str]
) -> None:
    assert rules_broken(monkeypatch, cls) == only


@pytest.mark.parametrize(
    ("cls", "rule"),
    [
        (Overwriting, "the input is left as it is"),
        (Restless, "the same input always has the same embedding"),
        (Mixing, "the size of a batch never changes an embedding"),
        (Ordered, "the order of a batch never changes an embedding"),
        (Blind, "another input has another embedding"),
        (Wider, "an embedding is [batch, dim], float32 and finite"),
        (Wider, "the setting dim is the width of an embedding"),
        (Half, "an embedding is [batch, dim], float32 and finite"),
    ],
)
def test_a_fault_is_found(monkeypatch: pytest.MonkeyPatch, cls: type[nn.Module], rule: str) -> None:
    assert rule in rules_broken(monkeypatch, cls)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="'convnet'"):
        check_encoder("convnett")
