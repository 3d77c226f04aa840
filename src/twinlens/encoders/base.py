"""What an encoder is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar

from torch import Tensor, nn

from twinlens.errors import ConfigError
from twinlens.functional.alignment import PartCost
from twinlens.registry import Setting


class Encoder(nn.Module, ABC):
    """Normalised batch -> embeddings. Every branch of a Siamese network is this one module.

    A subclass takes `(channels, shape)` first, which the modality supplies, then its settings
    as keyword-only arguments, and sets `dim`.

    Attributes:
        dim: width of the embedding.
        axes: how many axes of input it can take: 1 = series, 2 = pictures.
        reads_tokens: whether it takes the numbers of tokens themselves, [batch, 1, time], and not
            the vectors that a modality lifts them to.
        learned: which numbers of an embedding training changes; all, but where a part is told by
            formulas.
        beside: how many numbers at the end of an embedding mean something only where they are
            compared by their cosine, since formulas tell them.
        level: the cost of parts in which a number before those beside tells what comparing an
            example with its own mirror images costs; None = there is no such number.
        positions: steps of a series that it takes, beyond which it cuts; None = any number.
        gives_parts: whether an embedding is a row of parts, each an embedding of its own.
        neutral: settings that came after models had been saved, at the value that changes nothing.
            A fingerprint leaves them out there, so that those models keep theirs.
    """

    dim: int
    learned: slice = slice(None)
    beside: int = 0
    level: PartCost | None = None
    positions: int | None = None
    gives_parts: ClassVar[bool] = False
    neutral: ClassVar[Mapping[str, Setting]] = {}
    axes: ClassVar[tuple[int, ...]] = (2,)
    reads_tokens: ClassVar[bool] = False

    @classmethod
    def settle(cls, settings: Mapping[str, Setting]) -> dict[str, Setting]:
        """Replace every "auto" among the settings by what they name outside of the configuration.

        Called once before training; what it returns is stored in the bundle.
        """
        return dict(settings)

    def begin(
        self, inputs: Iterator[tuple[Tensor, Tensor | None]], labels: Tensor, claims: Tensor
    ) -> None:
        """Take up what can be had before the first step: counts of the data, weights of a file.

        Called once before training, and never for a model that was saved.

        Args:
            inputs: (values, mask) of the training examples, as `forward` takes them.
            labels: [n] int64, the identity of each; -1 where it has none.
            claims: [n] int64, the identity that each imitates; -1 where it does not.
        """

    def adapt(
        self, inputs: Iterator[tuple[Tensor, Tensor | None]], labels: Tensor, claims: Tensor
    ) -> None:
        """Find anew what formulas tell of the data, where a trained model is gone on from.

        Args:
            inputs, labels, claims: as of `begin`.
        """

    @abstractmethod
    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode a batch.

        Args:
            values: [batch, channels, *axes] float32, 0 where padded.
            mask: [batch, *axes] bool, True where real; None when nothing is padded.

        Returns:
            [batch, dim] float32. Padding, batch order and batch size never change a row.
        """

    def require_axes(self, count: int) -> None:
        """Check that this encoder can take inputs of so many axes. For subclasses to call.

        Raises:
            ConfigError: it cannot.
        """
        if count not in self.axes:
            can = " or ".join(f"{n} {'axis' if n == 1 else 'axes'}" for n in self.axes)
            raise ConfigError(
                f"encoder.name must fit the inputs. Got one for inputs of {can} after the "
                f"channels, but inputs of {count}. Choose another encoder."
            )
