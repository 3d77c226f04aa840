"""Descriptors of pictures, in the directions in which identities differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twinlens.functional.descriptors import PLACES, STROKES, places, strokes
from twinlens.functional.discriminant import discriminant

Descriptors = Literal["none", "places", "strokes"]
_MOST = 8192
"""Pictures that the directions are found from."""
_BOUND = 4.0
"""Deviations that a number counts for at most."""


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
}


class Described(nn.Module):
    """Descriptors -> standardised -> directions -> unit vectors. Nothing is trained by gradient.

    Attributes:
        width: of the unit vectors.
    """

    mean: Tensor
    deviation: Tensor
    directions: Tensor
    radius: Tensor

    def __init__(self, kind: Descriptors, width: int) -> None:
        """Args:
        kind: "places" or "strokes", see `functional.descriptors`.
        width: how many directions are kept.
        """
        super().__init__()
        self._kind = _KINDS[kind]
        count = self._kind.count
        self.width = width + (self._kind.radius > 0)
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("deviation", torch.ones(count))
        self.register_buffer("directions", torch.zeros(count, width))
        self.register_buffer("radius", torch.ones(()))

    @torch.no_grad()
    def begin(
        self, inputs: Iterator[tuple[Tensor, Tensor | None]], labels: Tensor, claims: Tensor
    ) -> None:
        """Find the directions from training pictures; a few thousand are enough.

        Args:
            inputs: (values, mask) of the pictures.
            labels, claims: [n] as of `discriminant`.
        """
        made: list[Tensor] = []
        while sum(map(len, made)) < min(len(labels), _MOST):
            made.append(self._kind.describe(*next(inputs)))
        seen = torch.cat(made)
        deviation, mean = torch.std_mean(seen, dim=0)
        self.mean.copy_(mean)
        self.deviation.copy_(deviation + 1e-3 * deviation.mean())
        seen, labels, claims = self._standardised(seen), labels[: len(seen)], claims[: len(seen)]
        seen = seen - seen.mean(0)
        width = self.directions.shape[1]
        found = discriminant(seen, labels, claims, width=width, shrink=self._kind.shrink)
        self.directions.copy_(found)
        length = (seen[labels >= 0] @ found).square().sum(1).mean().sqrt()
        self.radius.copy_(self._kind.radius * length)

    def forward(self, values: Tensor, mask: Tensor | None) -> Tensor:
        """As of an encoder; -> [batch, width] of length 1."""
        seen = self._standardised(self._kind.describe(values.float(), mask)) @ self.directions
        if self._kind.radius:
            seen = torch.cat([seen, self.radius.expand(len(seen), 1)], dim=1)
        return F.normalize(seen, dim=1)

    def _standardised(self, seen: Tensor) -> Tensor:
        return ((seen - self.mean) / self.deviation).clamp(-_BOUND, _BOUND)
