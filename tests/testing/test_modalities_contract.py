"""Each way to get a modality wrong is found by the rule that forbids it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from twinlens import registry
from twinlens.errors import ConfigError, DataError
from twinlens.modalities import Modality
from twinlens.modalities.base import Array
from twinlens.registry import Setting
from twinlens.testing import broken, check_modality
from twinlens.types import Batch


class Numbers(Modality):
    """A file of numbers, one a line, as a series: right in every way."""

    suffixes = frozenset({".txt"})
    variants = 2

    def __init__(
        self, *, gain: float = 2.0, noise: float = 0.5, sign: Literal["auto", "up"] = "auto"
    ) -> None:
        self.gain, self.noise = gain, noise

    @classmethod
    def settle(cls, settings: Mapping[str, Setting], refs: Sequence[str]) -> dict[str, Setting]:
        return {**settings, "sign": "up"}

    @classmethod
    def samples(cls, folder: Path, rng: np.random.Generator) -> list[str]:
        refs = [str(folder / f"{length}.txt") for length in (5, 9, 3)]
        for ref in refs:
            np.savetxt(ref, rng.normal(size=int(Path(ref).stem)))
        return refs

    @property
    def preparation(self) -> Mapping[str, Setting]:
        return {"gain": self.gain}

    @property
    def channels(self) -> int:
        return 1

    @property
    def shape(self) -> tuple[int, ...] | None:
        return None

    def load(self, ref: str) -> Any:
        try:
            return np.loadtxt(ref)
        except OSError as error:
            raise DataError(f"{ref} must be a file. Got {error}.") from error

    def prepare(self, raw: Any) -> Array:
        if raw.ndim != 1 or not raw.size:
            raise DataError(f"A series must be [time]. Got {list(raw.shape)}. Flatten it.")
        return raw[None].astype(np.float32)

    def normalise(self, values: Tensor) -> Tensor:
        return values.float() * self.gain

    def augment(self, values: Tensor, mask: Tensor | None, generator: torch.Generator) -> Tensor:
        values = values + self.noise * torch.randn(values.shape, generator=generator)
        return values if mask is None else values * mask[:, None]

    def vary(self, values: Tensor, variant: Tensor) -> Tensor:
        return values * (1 - 2 * variant)[:, None, None]


class Sampleless(Numbers):
    @classmethod
    def samples(cls, folder: Path, rng: np.random.Generator) -> list[str]:
        return []


class Unsettled(Numbers):
    @classmethod
    def settle(cls, settings: Mapping[str, Setting], refs: Sequence[str]) -> dict[str, Setting]:
        return dict(settings)


class RandomlyPrepared(Numbers):
    def prepare(self, raw: Any) -> Array:
        return super().prepare(raw) + np.random.default_rng().normal()


class ChannelsLast(Numbers):
    def prepare(self, raw: Any) -> Array:
        return super().prepare(raw).T


class OfOneShape(Numbers):
    @property
    def shape(self) -> tuple[int, ...] | None:
        return (1, 9)


class Objects(Numbers):
    def prepare(self, raw: Any) -> Array:
        return super().prepare(raw).astype(object)


class Accepting(Numbers):
    def prepare(self, raw: Any) -> Array:
        return raw.reshape(1, -1).astype(np.float32)


class Raw(Numbers):
    """A missing file raises what NumPy raises."""

    def load(self, ref: str) -> Any:
        return np.loadtxt(ref)


class Nameless(Numbers):
    def load(self, ref: str) -> Any:
        try:
            return super().load(ref)
        except DataError:
            raise DataError("A file must exist.") from None


class PaddedInFront(Numbers):
    def collate(self, arrays: Sequence[Array]) -> Batch:
        batch = super().collate([array[:, ::-1] for array in arrays])
        mask = None if batch.mask is None else batch.mask[:, ::-1]
        return Batch(batch.values[:, :, ::-1].copy(), mask)


class Widened(Numbers):
    def collate(self, arrays: Sequence[Array]) -> Batch:
        batch = super().collate(arrays)
        return Batch(batch.values.astype(np.float64), batch.mask)


class Unmasked(Numbers):
    def collate(self, arrays: Sequence[Array]) -> Batch:
        return Batch(super().collate(arrays).values)


class NormalisedByBatch(Numbers):
    def normalise(self, values: Tensor) -> Tensor:
        return values / values.abs().max() * self.gain


class OffCentre(Numbers):
    def normalise(self, values: Tensor) -> Tensor:
        return super().normalise(values).abs() + 1


class Double(Numbers):
    def normalise(self, values: Tensor) -> Tensor:
        return super().normalise(values).double()


class Leaking(Numbers):
    """Noise in the padding."""

    def augment(self, values: Tensor, mask: Tensor | None, generator: torch.Generator) -> Tensor:
        return super().augment(values, None, generator)


class Cropping(Numbers):
    def augment(self, values: Tensor, mask: Tensor | None, generator: torch.Generator) -> Tensor:
        return super().augment(values, mask, generator)[:, :, 1:]


class GlobalChance(Numbers):
    def augment(self, values: Tensor, mask: Tensor | None, generator: torch.Generator) -> Tensor:
        return super().augment(values, mask, torch.default_generator)


class NoChance(Numbers):
    def augment(self, values: Tensor, mask: Tensor | None, generator: torch.Generator) -> Tensor:
        return super().augment(values, mask, torch.Generator().manual_seed(0))


class Overwriting(Numbers):
    def augment(self, values: Tensor, mask: Tensor | None, generator: torch.Generator) -> Tensor:
        return values.copy_(super().augment(values, mask, generator))


class NormalisedInPlace(Numbers):
    def normalise(self, values: Tensor) -> Tensor:
        return values.float().mul_(self.gain)


class Unvaried(Numbers):
    def vary(self, values: Tensor, variant: Tensor) -> Tensor:
        return values


class CountedFromOne(Numbers):
    def vary(self, values: Tensor, variant: Tensor) -> Tensor:
        return super().vary(values, 1 - variant)


class Unprepared(Numbers):
    """A gain that no fingerprint tells."""

    @property
    def preparation(self) -> Mapping[str, Setting]:
        return {}


class TooMuch(Numbers):
    """A fingerprint that tells how the model was trained."""

    @property
    def preparation(self) -> Mapping[str, Setting]:
        return {"gain": self.gain, "noise": self.noise}


FINGERPRINT = "the fingerprint tells what is seen in service, and nothing else"


def rules_broken(monkeypatch: pytest.MonkeyPatch, cls: type[object]) -> set[str]:
    known = {**registry._components["modality"], "mine": cls}
    monkeypatch.setitem(registry._components, "modality", known)
    return {result.rule for result in broken(check_modality("mine"))}


def test_a_modality_without_fault_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rules_broken(monkeypatch, Numbers) == set()


@pytest.mark.parametrize(
    ("cls", "only"),
    [
        (Unsettled, {'settle leaves no "auto"'}),
        (OfOneShape, {"a prepared array is [channels, *axes] of numbers"}),
        (Accepting, {"bad input is a DataError"}),
        (Raw, {"bad input is a DataError"}),
        (Nameless, {"bad input is a DataError"}),
        (Widened, {"collate pads at the end, masks, and keeps the dtype"}),
        (OffCentre, {"0, which padding is, is the background of values, or no token"}),
        (Leaking, {"augmenting keeps the shape, and padding at 0"}),
        (Cropping, {"augmenting keeps the shape, and padding at 0"}),
        (NoChance, {"augmenting depends on its generator alone"}),
        (Overwriting, {"no input is written to"}),
        (Unvaried, {"variant 0 changes nothing, and every other something"}),
        (CountedFromOne, {"variant 0 changes nothing, and every other something"}),
        (Unprepared, {FINGERPRINT}),
        (TooMuch, {FINGERPRINT}),
    ],
)
def test_a_fault_is_found_and_not_laid_at_another_door(
    monkeypatch: pytest.MonkeyPatch, cls: type[Modality], only: set[str]
) -> None:
    assert rules_broken(monkeypatch, cls) == only


@pytest.mark.parametrize(
    ("cls", "rule"),
    [
        (Sampleless, "samples gives different inputs to check it with"),
        (RandomlyPrepared, "the same input is always prepared alike"),
        (ChannelsLast, "a prepared array is [channels, *axes] of numbers"),
        (Objects, "a prepared array is [channels, *axes] of numbers"),
        (PaddedInFront, "collate pads at the end, masks, and keeps the dtype"),
        (Unmasked, "collate pads at the end, masks, and keeps the dtype"),
        (NormalisedByBatch, "normalised values are float32, finite, and each example's own"),
        (Double, "normalised values are float32, finite, and each example's own"),
        (GlobalChance, "augmenting depends on its generator alone"),
        (NormalisedInPlace, "no input is written to"),
        (dict, "it is a Modality"),
    ],
)
def test_a_fault_is_found(monkeypatch: pytest.MonkeyPatch, cls: type[object], rule: str) -> None:
    assert rule in rules_broken(monkeypatch, cls)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="'image'"):
        check_modality("images")
