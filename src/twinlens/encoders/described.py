"""Descriptors of pictures, in the directions in which identities differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from twinlens.errors import DataError
from twinlens.functional.descriptors import PLACES, STROKES, places, strokes
from twinlens.functional.discriminant import discriminant
from twinlens.functional.distance import l2_normalise

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
    """Descriptors -> standardised -> directions -> unit vectors. Nothing is trained by gradient."""

    mean: Tensor
    deviation: Tensor
    map: Tensor
    radius: Tensor

    def __init__(self, kind: Descriptors, width: int) -> None:
        """Args:
        kind: "places" or "strokes", see `functional.descriptors`.
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
            DataError: no identity has two pictures.
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
        width = self.map.shape[1]
        try:
            found = discriminant(seen, labels, claims, width=width, shrink=self._kind.shrink)
        except ValueError as error:
            raise DataError(
                f"encoder.described needs two pictures of an identity. {error} Add pictures, or "
                'set it to "none".'
            ) from error
        self.map.copy_(found)
        length = (seen[labels >= 0] @ found).square().sum(1).mean().sqrt()
        self.radius.copy_(self._kind.radius * length)

    def forward(self, values: Tensor, mask: Tensor | None) -> Tensor:
        """As of an encoder; -> [batch, width] of length 1."""
        seen = self._standardised(self._kind.describe(values.float(), mask)) @ self.map
        if self._kind.radius:
            seen = torch.cat([seen, self.radius.expand(len(seen), 1)], dim=1)
        return l2_normalise(seen)

    def _standardised(self, seen: Tensor) -> Tensor:
        return ((seen - self.mean) / self.deviation).clamp(-_BOUND, _BOUND)
