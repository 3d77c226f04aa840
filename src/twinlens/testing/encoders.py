"""The contract of an encoder."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from twinlens.encoders.base import Encoder
from twinlens.registry import Component, Setting, build, lookup, settings_of
from twinlens.testing.contract import Broken, CheckResult, Rule, check_rules
from twinlens.testing.modules import (
    as_if_trained,
    require_close,
    require_finite,
    require_gradient,
)

_SIZES: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((24,), (13,), (20,), (31,)),
    2: ((24, 17), (13, 26), (20, 20), (15, 15)),
}
"""Sizes of the examples of a padded batch, by number of axes."""
_TOKENS = 12
"""Different ones that an encoder of tokens is shown."""
_KINDS_OF_INPUT = {1: "series", 2: "pictures"}


def check_encoder(name: str, settings: Mapping[str, Setting] | None = None) -> list[CheckResult]:
    """Check every rule of an encoder, on each kind of input that its `axes` names.

    Args:
        name: under which it is registered.
        settings: to check it under; the rest keep their defaults.
    """
    cls = lookup("encoder", name)
    rules: dict[str, Rule] = {"it is an Encoder": functools.partial(_is_encoder, cls)}
    tokens = getattr(cls, "reads_tokens", False)
    for axes, channels in itertools.product(getattr(cls, "axes", ()), (1,) if tokens else (1, 3)):
        if axes not in _SIZES:
            continue
        for shape in ((channels, *_SIZES[axes][0]), None):
            case = _Case(name, dict(settings or {}), channels, axes, shape, tokens)
            sizes = "any size" if shape is None else "one size"
            where = f"({_KINDS_OF_INPUT[axes]} of {sizes}, channels = {channels})"
            rules |= {f"{rule} {where}": check for rule, check in case.rules().items()}
    return check_rules("encoder", name, rules)


def _is_encoder(cls: type[object]) -> None:
    if not issubclass(cls, Encoder):
        raise Broken(f"It must derive from Encoder. Got {cls.__qualname__}. Change its base class.")
    if not cls.axes or not set(cls.axes) <= set(_SIZES):
        raise Broken(f"axes must name 1 (series), 2 (pictures) or both. Got {cls.axes}. Set it.")


@dataclass(frozen=True, slots=True)
class _Case:
    """One encoder for one kind of input."""

    name: str
    settings: dict[str, Setting] = field(hash=False)
    channels: int
    axes: int
    shape: tuple[int, ...] | None
    tokens: bool

    def rules(self) -> dict[str, Rule]:
        rules: dict[str, Rule] = {
            "an embedding is [batch, dim], float32 and finite": self.shape_and_type,
            "the same input always has the same embedding": self.deterministic,
            "the order of a batch never changes an embedding": self.order,
            "the size of a batch never changes an embedding": self.size,
            "another input has another embedding": self.distinct,
            "the input is left as it is": self.untouched,
            "a gradient reaches every parameter": self.gradient,
            "all that it learned is in its state dict": self.state,
        }
        if self.shape is None:
            rules["padding never changes an embedding"] = self.padding
        if "dim" in settings_of("encoder", self.name):
            rules["the setting dim is the width of an embedding"] = self.dim
        return rules

    def build(self, *, seed: int = 0, **more: Setting) -> Encoder:
        """A fresh encoder in evaluation mode, its weights a function of the seed."""
        component = Component(self.name, {**self.settings, **more})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return build("encoder", component, self.channels, self.shape).eval()

    def trained(self, seed: int = 0) -> Encoder:
        """An encoder whose weights and running statistics are as after some training."""
        encoder = self.build(seed=seed)
        as_if_trained(encoder, seed=seed)
        values, mask = self.batch()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder.train()(values, mask)
        return encoder.eval()

    def examples(self) -> list[Tensor]:
        """Examples [channels, *axes], of one size if the shape is fixed."""
        generator = torch.Generator().manual_seed(1)
        sizes = _SIZES[self.axes] if self.shape is None else (self.shape[1:],) * 4
        if self.tokens:
            return [
                torch.randint(1, _TOKENS + 1, (1, *size), generator=generator).float()
                for size in sizes
            ]
        return [torch.rand(self.channels, *size, generator=generator) for size in sizes]

    def batch(self, more: int = 0) -> tuple[Tensor, Tensor | None]:
        """All examples as one batch, on a canvas larger by `more` than they need."""
        examples = self.examples()
        if self.shape is not None:
            return torch.stack(examples), None
        largest = [max(size) + more for size in zip(*(e.shape[1:] for e in examples), strict=True)]
        values = torch.zeros(len(examples), self.channels, *largest)
        mask = torch.zeros(len(examples), *largest, dtype=torch.bool)
        for row, example in enumerate(examples):
            place = tuple(slice(size) for size in example.shape[1:])
            values[(row, slice(None), *place)] = example
            mask[(row, *place)] = True
        return values, mask

    def shape_and_type(self) -> None:
        encoder = self.trained()
        values, mask = self.batch()
        embeddings = _embed(encoder, values, mask)
        if embeddings.shape != (len(values), encoder.dim) or embeddings.dtype != torch.float32:
            raise Broken(
                f"Embeddings of {len(values)} examples must be [{len(values)}, {encoder.dim}] "
                f"float32, as dim says. Got {list(embeddings.shape)} {embeddings.dtype}. "
                "Set self.dim to the width of the last layer."
            )
        require_finite(embeddings, what="An embedding")

    def deterministic(self) -> None:
        encoder = self.trained()
        values, mask = self.batch()
        if not torch.equal(_embed(encoder, values, mask), _embed(encoder, values, mask)):
            raise Broken(
                "Two calls in evaluation mode must agree. Got two answers. "
                "Draw nothing at random unless self.training."
            )

    def order(self) -> None:
        encoder = self.trained()
        values, mask = self.batch()
        order = torch.tensor([2, 0, 3, 1])
        turned = _embed(encoder, values[order], None if mask is None else mask[order])
        require_close(
            turned,
            _embed(encoder, values, mask)[order],
            what="The embeddings of a reordered batch",
            advice="Keep examples apart: in evaluation mode nothing may mix rows.",
        )

    def size(self) -> None:
        encoder = self.trained()
        values, mask = self.batch()
        rows = range(len(values))
        alone = [_embed(encoder, values[i : i + 1], _row(mask, i)) for i in rows]
        require_close(
            torch.cat(alone),
            _embed(encoder, values, mask),
            what="The embedding of an example that is alone in its batch",
            advice="Use running statistics, never those of the batch, in evaluation mode.",
        )

    def padding(self) -> None:
        encoder = self.trained()
        unpadded = torch.cat([_embed(encoder, e[None], None) for e in self.examples()])
        for more in (0, 1, 6):
            require_close(
                _embed(encoder, *self.batch(more)),
                unpadded,
                what="The embedding of a padded example",
                advice=(
                    "Multiply by the mask after each layer that shifts zeros (a bias, a "
                    "normalisation), and pool by twinlens.functional.pool."
                ),
            )

    def distinct(self) -> None:
        for seed in range(5):  # in a narrow network all units of a layer may happen to be off
            embeddings = _embed(self.trained(seed), *self.batch())
            apart = torch.pdist(embeddings).min()
            if float(apart) > 1e-6 * float(embeddings.abs().max()):
                return
        raise Broken(
            "Two random inputs must have two embeddings. Got one. Let the input reach the end."
        )

    def untouched(self) -> None:
        encoder = self.trained()
        values, mask = self.batch()
        before = values.clone()
        _embed(encoder, values, mask)
        if not torch.equal(values, before):
            raise Broken("The input must not be written to. Got changed values. Copy it first.")

    def gradient(self) -> None:
        encoder = self.build().train()
        if not any(parameter.requires_grad for parameter in encoder.parameters()):
            return
        embeddings = encoder(*self.batch())
        weights = torch.randn(embeddings.shape, generator=torch.Generator().manual_seed(2))
        require_gradient(encoder, (embeddings * weights).sum())

    def state(self) -> None:
        encoder, other = self.trained(), self.build(seed=1)
        other.load_state_dict(encoder.state_dict())
        require_close(
            _embed(other, *self.batch()),
            _embed(encoder, *self.batch()),
            what="Embeddings after the weights were loaded into a fresh encoder",
            advice="Keep what training changes in parameters and registered buffers.",
        )

    def dim(self) -> None:
        encoder = self.build(dim=12)
        width = _embed(encoder, *self.batch()).shape[1]
        if (encoder.dim, width) != (12, 12):
            raise Broken(
                f"With dim = 12 an embedding must have 12 numbers. Got {width}, and an attribute "
                f"dim of {encoder.dim}. Set self.dim and size the last layer by the setting."
            )


@torch.no_grad()
def _embed(encoder: Encoder, values: Tensor, mask: Tensor | None) -> Tensor:
    return encoder(values, mask)


def _row(mask: Tensor | None, i: int) -> Tensor | None:
    return None if mask is None else mask[i : i + 1]
