"""Tokens -> vectors -> an encoder of series."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from twinlens.encoders.base import Encoder
from twinlens.modalities.base import Lift


class Lifted(Encoder):
    """Any encoder of series, behind the layer that turns tokens into vectors.

    The layer is trained with the encoder, saved with it, and part of its fingerprint.
    """

    axes = (1,)
    reads_tokens = True

    def __init__(self, lift: Lift, inner: Encoder) -> None:
        """Args:
        lift: of the modality.
        inner: encoder of [batch, lift.width, time].

        Raises:
            ConfigError: `inner` does not take series.
        """
        super().__init__()
        inner.require_axes(1)
        self.lift = lift
        self.inner = inner
        self.dim, self.learned, self.level = inner.dim, inner.learned, inner.level

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.inner(self.lift(values, mask), mask)

    def begin(
        self, inputs: Iterator[tuple[Tensor, Tensor | None]], labels: Tensor, claims: Tensor
    ) -> None:
        self.lift.begin(inputs)
