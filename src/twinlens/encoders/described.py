"""Descriptors of pictures, in the directions in which identities differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from twinlens.encoders.base import Encoder
from twinlens.errors import DataError
from twinlens.functional.colours import COLOURS, colours
from twinlens.functional.descriptors import PLACES, STROKES, places, strokes
from twinlens.functional.discriminant import discriminant
from twinlens.functional.distance import l2_normalise

Descriptors = Literal["none", "places", "strokes", "colours"]
_MOST = 8192
"""Pictures, about, that the directions are found from: half a GB while it lasts."""
_FLAT = 1e-6
"""Deviation of a number that says nothing."""
_PIXELS = 1 << 17
"""That are described at once; a hundred MB or less is taken by them."""
_BOUND = 4.0
"""Deviations that a number counts for at most."""
_NEEDS = (
    "encoder.described needs pictures of identities that differ. {} Add pictures, or set it to "
    '"none".'
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How pictures are described, and how what was found there is treated.

    Attributes:
        describe: (values, mask) -> [batch, count].
        count: of numbers.
        shrink: see `discriminant`.
        radius: of the sphere that what comes out is laid on, in mean lengths. 0 = only its
            direction counts; the larger, the more its distance does.
    """

    describe: Callable[[Tensor, Tensor | None], Tensor]
    count: int
    shrink: float
    radius: float


_KINDS = {
    "places": _Kind(places, PLACES, shrink=0.2, radius=0.0),
    "strokes": _Kind(strokes, STROKES, shrink=3.0, radius=1.0),
    "colours": _Kind(colours, COLOURS, shrink=10.0, radius=0.0),
}


class Described(nn.Module):
    """Descriptors -> standardised -> directions -> unit vectors. Nothing is trained by gradient."""

    mean: Tensor
    deviation: Tensor
    map: Tensor
    radius: Tensor

    def __init__(self, kind: Descriptors, width: int) -> None:
        """Args:
        kind: "places", "strokes" or "colours"; see `functional.descriptors`, `functional.colours`.
        width: of the unit vectors.
        """
        super().__init__()
        self._kind = _KINDS[kind]
        count = self._kind.count
        self.width = width
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("deviation", torch.ones(count))
        free = width - 1 if self._kind.radius else width
        self.register_buffer("map", torch.zeros(count, free))
        self.register_buffer("radius", torch.ones(()))

    @torch.no_grad()
    def begin(
        self, inputs: Iterator[tuple[Tensor, Tensor | None]], labels: Tensor, claims: Tensor
    ) -> None:
        """Find the directions from training pictures; a few thousand are enough.

        Args:
            inputs: (values, mask) of the pictures.
            labels, claims: [n] as of `discriminant`.

        Raises:
            DataError: no identity has two pictures, or all pictures are the same.
        """
        chosen = _some_identities(torch.where(labels >= 0, labels, claims))
        made: list[Tensor] = []
        done = 0
        for values, mask in inputs:
            part = chosen[done : done + len(values)]
            if part.any():
                made.append(self._describe(values[part], None if mask is None else mask[part]))
            done += len(values)
        if not made:
            raise DataError(_NEEDS.format("Got no identities."))
        seen, labels, claims = torch.cat(made), labels[chosen], claims[chosen]
        deviation, mean = torch.std_mean(seen, dim=0, correction=0)
        self.mean.copy_(mean)
        self.deviation.copy_((deviation + 1e-3 * deviation.mean()).clamp_min(_FLAT))
        seen = self._standardised(seen)
        seen -= seen.mean(0)
        width = self.map.shape[1]
        try:
            found = discriminant(seen, labels, claims, width=width, shrink=self._kind.shrink)
        except ValueError as error:
            raise DataError(_NEEDS.format(error)) from error
        self.map.copy_(found)
        length = (seen[labels >= 0] @ found).square().sum(1).mean().sqrt()
        self.radius.copy_(self._kind.radius * length)

    def forward(self, values: Tensor, mask: Tensor | None) -> Tensor:
        """As of an encoder; -> [batch, width] of length 1."""
        describe = self._kind.describe if torch.compiler.is_exporting() else self._describe
        seen = self._standardised(describe(values.float(), mask)) @ self.map
        if self._kind.radius:
            seen = torch.cat([seen, self.radius.expand(seen.shape[0], 1)], dim=1)
        return l2_normalise(seen)

    def _describe(self, values: Tensor, mask: Tensor | None) -> Tensor:
        """Few pictures at once: some hundred numbers for each pixel are made on the way."""
        many = max(1, _PIXELS // (values.shape[2] * values.shape[3]))
        parts = values.split(many)
        masks = [None] * len(parts) if mask is None else mask.split(many)
        return torch.cat([self._kind.describe(*one) for one in zip(parts, masks, strict=True)])

    def _standardised(self, seen: Tensor) -> Tensor:
        return ((seen - self.mean) / self.deviation).clamp(-_BOUND, _BOUND)


class DescribesPictures(Encoder):
    """An encoder that can tell by formulas what a picture shows, beside what it learns.

    Attributes:
        described: what tells it; None = nothing does.
    """

    described: Described | None

    def begin(
        self, inputs: Iterator[tuple[Tensor, Tensor | None]], labels: Tensor, claims: Tensor
    ) -> None:
        self.adapt(inputs, labels, claims)

    def adapt(
        self, inputs: Iterator[tuple[Tensor, Tensor | None]], labels: Tensor, claims: Tensor
    ) -> None:
        """Find the directions in which the identities differ, where pictures are described.

        Raises:
            DataError: no identity has two pictures, or all pictures are the same.
        """
        if self.described is not None:
            self.described.begin(inputs, labels, claims)


def _some_identities(owners: Tensor) -> Tensor:
    """All examples of so many identities that there are about `_MOST`; drawn by a fixed seed.

    Args:
        owners: [n] identity that each is of or imitates; -1 = none, which are not taken.

    Returns:
        [n] bool.
    """
    counts = torch.bincount(owners[owners >= 0])
    order = torch.randperm(len(counts), generator=torch.Generator().manual_seed(0))
    taken = torch.zeros(len(counts) + 1, dtype=torch.bool)  # the last is of those of none
    taken[order[counts[order].cumsum(0) - counts[order] < _MOST]] = True
    return taken[owners]
