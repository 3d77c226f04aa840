"""The contract of a modality."""

from __future__ import annotations

import itertools
import tempfile
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from twinlens.errors import TwinlensError
from twinlens.modalities.base import Array, Modality
from twinlens.registry import Component, Setting, build, lookup, resolve
from twinlens.testing.batches import require_collated, require_refusal, require_unwritten
from twinlens.testing.contract import Broken, CheckResult, Rule, check_rules
from twinlens.testing.modules import require_close, require_finite

_FEWEST = 3


def check_modality(name: str, settings: Mapping[str, Setting] | None = None) -> list[CheckResult]:
    """Check every rule of a modality, on the inputs that its `samples` makes.

    Args:
        name: under which it is registered.
        settings: to check it under; the rest keep their defaults, and "auto" is settled.
    """
    cls = lookup("modality", name)
    if not issubclass(cls, Modality):
        return check_rules("modality", name, {"it is a Modality": _is_none})
    with tempfile.TemporaryDirectory() as folder:
        case = _Case(name, cls, dict(settings or {}), Path(folder))
        return check_rules("modality", name, case.rules())


def _is_none() -> None:
    raise Broken("It must derive from Modality. Got another class. Change its base class.")


@dataclass(frozen=True, slots=True)
class _Case:
    """One modality under some settings."""

    name: str
    cls: type[Modality]
    settings: dict[str, Setting] = field(hash=False)
    folder: Path

    def rules(self) -> dict[str, Rule]:
        return {
            "samples gives different inputs to check it with": self.sampled,
            'settle leaves no "auto"': self.settles,
            "the same input is always prepared alike": self.repeatable,
            "a prepared array is [channels, *axes] of numbers": self.prepared,
            "bad input is a DataError": self.refuses,
            "collate pads at the end, masks, and keeps the dtype": self.collates,
            "normalised values are float32, finite, and each example's own": self.normalises,
            "0, which padding is, is the background of values, or no token": self.background,
            "augmenting keeps the shape, and padding at 0": self.augments,
            "augmenting depends on its generator alone": self.random,
            "variant 0 changes nothing, and every other something": self.varies,
            "no input is written to": self.untouched,
            "the fingerprint tells what is seen in service, and nothing else": self.fingerprint,
        }

    def settled(self) -> dict[str, Setting]:
        resolved = resolve("modality", Component(self.name, self.settings))
        return self.cls.settle(dict(resolved.settings), self.refs())

    def build(self) -> Modality:
        return build("modality", Component(self.name, self.settled()))

    def refs(self) -> list[str]:
        place = Path(tempfile.mkdtemp(dir=self.folder))
        refs = self.cls.samples(place, np.random.default_rng(0))
        if len(refs) < _FEWEST:
            raise Broken(
                f"samples must give at least {_FEWEST} inputs. Got {len(refs)}. "
                "Override the class method samples(folder, rng)."
            )
        return refs

    def arrays(self, modality: Modality) -> list[Array]:
        return [modality.prepare(modality.load(ref)) for ref in self.refs()]

    def batch(self, modality: Modality) -> tuple[Tensor, Tensor | None]:
        """All samples as an encoder sees them."""
        batch = modality.collate(self.arrays(modality))
        values = modality.normalise(torch.from_numpy(batch.values))
        if batch.mask is None:
            return values, None
        mask = torch.from_numpy(batch.mask)
        return values * mask[:, None], mask

    def sampled(self) -> None:
        for one, other in itertools.combinations(self.arrays(self.build()), 2):
            if np.array_equal(one, other):
                raise Broken("samples must differ. Got two alike once prepared. Vary them more.")

    def settles(self) -> None:
        settings, settled = self.settled(), self.settled()
        known = resolve("modality", Component(self.name, settings)).settings
        left = [key for key, value in settled.items() if value == "auto"]
        if left or settings != settled or known != settled:
            raise Broken(
                'settle must give every setting, always alike, and none as "auto". '
                f"Got {', '.join(left) or settled}. Decide it by a sample of the data."
            )

    def repeatable(self) -> None:
        first, second = (self.arrays(self.build()) for _ in range(2))
        if not all(map(np.array_equal, first, second)):
            raise Broken(
                "One input must always be prepared alike. Got two arrays. "
                "Move what is random to augment."
            )

    def prepared(self) -> None:
        modality = self.build()
        for array in self.arrays(modality):
            if array.dtype.kind not in "buif":
                raise Broken(f"A prepared array must be of numbers. Got {array.dtype}. Convert it.")
            if array.ndim < 2 or len(array) != modality.channels:
                raise Broken(
                    f"A prepared array must be [{modality.channels}, *axes], as channels says. "
                    f"Got {list(array.shape)}. Put the channels first."
                )
            if modality.shape is not None and array.shape != tuple(modality.shape):
                raise Broken(
                    f"With a shape of {list(modality.shape)} every prepared array must have it. "
                    f"Got {list(array.shape)}. Let shape be None where sizes differ."
                )

    def refuses(self) -> None:
        modality = self.build()
        for shape in ((0, 0), (1,) * 7):
            raw = np.zeros(shape, np.float32)
            require_refusal(
                lambda raw=raw: modality.prepare(raw), f"prepare of an array {list(shape)}"
            )
        if self.cls.suffixes:
            missing = str(self.folder / f"missing{min(self.cls.suffixes)}")
            message = require_refusal(lambda: modality.load(missing), "load of a missing file")
            if missing not in message:
                raise Broken(f"What load refuses must be named. Got {message!r}. Name the file.")

    def collates(self) -> None:
        modality = self.build()
        arrays = self.arrays(modality)
        require_collated(modality.collate(arrays[:1]), arrays[:1])
        require_collated(modality.collate(arrays), arrays)

    def normalises(self) -> None:
        modality = self.build()
        stored = modality.collate(self.arrays(modality)).values
        values = modality.normalise(torch.from_numpy(stored))
        if values.dtype != torch.float32 or values.shape != stored.shape:
            raise Broken(
                f"normalise must give {list(stored.shape)} float32. "
                f"Got {list(values.shape)} {values.dtype}. Convert it, and keep the shape."
            )
        require_finite(values, what="A normalised value")
        alone = [modality.normalise(torch.from_numpy(row[None].copy())) for row in stored]
        require_close(
            torch.cat(alone),
            values,
            what="What normalise makes of an example that is alone in its batch",
            advice="Use no statistics of the batch.",
        )

    def background(self) -> None:
        modality = self.build()
        values = [
            modality.normalise(torch.from_numpy(a[None].copy())) for a in self.arrays(modality)
        ]
        low, high = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
        if modality.vocabulary is not None:
            if not (low >= 1 and high <= modality.vocabulary):
                raise Broken(
                    f"Tokens must be numbered from 1 to {modality.vocabulary}, as vocabulary says. "
                    f"Got {low:g} … {high:g}. Leave 0 to padding."
                )
            return
        if not low <= 0 <= high:
            raise Broken(
                f"0 must lie among normalised values. Got {low:g} … {high:g}. "
                "Centre them, or let the background be 0."
            )

    def augments(self) -> None:
        modality = self.build()
        values, mask = self.batch(modality)
        changed = modality.augment(values, mask, _generator(0))
        if changed.dtype != torch.float32 or changed.shape != values.shape:
            raise Broken(
                f"augment must keep {list(values.shape)} float32. "
                f"Got {list(changed.shape)} {changed.dtype}. Crop or pad it back."
            )
        require_finite(changed, what="An augmented value")
        if mask is not None and (changed * ~mask[:, None]).any():
            raise Broken("Padding must stay 0. Got other values. Multiply by the mask at the end.")

    def random(self) -> None:
        modality = self.build()
        values, mask = self.batch(modality)
        one, again, other = (
            modality.augment(values.clone(), mask, _generator(seed)) for seed in (1, 1, 2)
        )
        if not torch.equal(one, again):
            raise Broken(
                "Two generators in one state must give one change. Got two. "
                "Draw all that is random from the generator that is passed in."
            )
        if torch.equal(one, other) and not torch.equal(one, values):
            raise Broken(
                "Two generators in two states must give two changes. Got one. "
                "Draw from the generator; what is not random belongs into prepare."
            )

    def varies(self) -> None:
        modality = self.build()
        values, _ = self.batch(modality)
        for variant in range(modality.variants):
            varied = modality.vary(values.clone(), torch.full((len(values),), variant))
            if varied.shape != values.shape or torch.equal(varied, values) != (variant == 0):
                raise Broken(
                    "vary must keep the shape, leave variant 0 as it is and change every other. "
                    f"Got otherwise for variant {variant} of {modality.variants}. Count from 0."
                )

    def untouched(self) -> None:
        modality = self.build()
        stored = torch.from_numpy(modality.collate(self.arrays(modality)).values)
        require_unwritten(modality.normalise, stored, "normalise")
        values, mask = self.batch(modality)
        require_unwritten(lambda v: modality.augment(v, mask, _generator(0)), values, "augment")
        variant = torch.full((len(values),), modality.variants - 1)
        require_unwritten(lambda v: modality.vary(v, variant), values, "vary")

    def fingerprint(self) -> None:
        plain = self.build()
        if plain.fingerprint() != self.build().fingerprint():
            raise Broken("Equal settings must have one fingerprint. Got two. Hash preparation.")
        for key, other in self.altered():
            seen_alike = self.seen(other) == self.seen(plain)
            same = other.fingerprint() == plain.fingerprint()
            if same and not seen_alike:
                raise Broken(
                    f"{key} changes what is seen in service, so it must change the fingerprint. "
                    "Got the same one. Put it into preparation."
                )
            if not same and seen_alike and self.augmented(other) != self.augmented(plain):
                raise Broken(
                    f"{key} changes training alone, so it must not change the fingerprint. "
                    "Got another one. Take it out of preparation."
                )

    def altered(self) -> Iterator[tuple[str, Modality]]:
        """This modality with one setting changed, for each that can be."""
        settings, hints = self.settled(), typing.get_type_hints(self.cls.__init__)
        for key, value in settings.items():
            for other in _others(value, hints.get(key)):
                try:
                    modality = build("modality", Component(self.name, {**settings, key: other}))
                    self.seen(modality)
                except TwinlensError:
                    continue
                yield key, modality

    def seen(self, modality: Modality) -> list[tuple[tuple[int, ...], bytes]]:
        """What an encoder gets to see of each sample in service."""
        arrays = self.arrays(modality)
        return [_bytes(modality.normalise(torch.from_numpy(a[None].copy()))) for a in arrays]

    def augmented(self, modality: Modality) -> tuple[tuple[int, ...], bytes]:
        values, mask = self.batch(modality)
        return _bytes(modality.augment(values, mask, _generator(3)))


def _others(value: Setting, hint: Any) -> Sequence[Setting]:
    """Other values that a setting of this type may have."""
    if typing.get_origin(hint) is Literal:
        return [choice for choice in typing.get_args(hint) if choice not in (value, "auto")]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1]
    return [value + 0.125, value / 2] if isinstance(value, float) else []


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _bytes(values: Tensor) -> tuple[tuple[int, ...], bytes]:
    return tuple(values.shape), values.numpy().tobytes()
