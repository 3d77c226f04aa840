"""What a modality is: how one kind of input becomes tensors."""

from __future__ import annotations

import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from twinlens.registry import Setting, source_of
from twinlens.types import Batch

Array = npt.NDArray[np.generic]


class Lift(nn.Module, ABC):
    """Numbers of tokens -> vectors; trained with the encoder that it stands before.

    Attributes:
        width: channels that it gives.
    """

    width: int

    @abstractmethod
    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """[batch, 1, *axes] float32 token numbers, 0 where padded -> [batch, width, *axes]."""

    def begin(self, inputs: Iterator[tuple[Tensor, Tensor | None]]) -> None:
        """Take up what can be had before the first step of a training. See `Encoder.begin`."""


class Modality(ABC):
    """One kind of input. All is deterministic but `augment`, which takes a generator.

    The way of one input: `load(ref)` -> raw object -> `prepare(raw)` -> array that the decode
    cache keeps -> `collate([...])` -> `Batch` -> tensors -> (`vary`, `augment` in training) ->
    `normalise` -> encoder.

    Attributes:
        suffixes: endings, in lower case, of the files that `load` reads; empty = any file. Only
            these are taken for examples in a folder.
        variants: how many classes one class can be turned into by `vary` (1 = none). A picture
            turned by 90 degrees is, for many uses, another thing: more classes from few.
        by_value: whether a reference is the input itself (a text), not the path of a file.
    """

    suffixes: frozenset[str] = frozenset()
    variants: int = 1
    by_value: ClassVar[bool] = False

    @classmethod
    def canonical(cls, ref: str) -> str:
        """The one spelling of all references that mean the same input: its name among examples.

        >>> Modality.canonical("faces/./anna.png")
        'faces/anna.png'

        Raises:
            DataError: it cannot mean any input (a value that is empty, say).
        """
        return os.path.normpath(ref).replace(os.sep, "/")

    @classmethod
    def settle(cls, settings: Mapping[str, Setting], refs: Sequence[str]) -> dict[str, Setting]:
        """Replace every "auto" among the settings by what a sample of the data shows.

        Called once before training; what it returns is stored in the bundle, so service never
        guesses.

        Args:
            settings: all settings of the modality.
            refs: what `load` takes, for the training examples.
        """
        return dict(settings)

    @classmethod
    def samples(cls, folder: Path, rng: np.random.Generator) -> list[str]:
        """A few small inputs for the contract tests, as references that `load` takes.

        At least three, all different, and of different sizes where sizes may differ. Used by
        `twinlens check` and tests alone; a modality without them works, but cannot be checked.

        Args:
            folder: empty; for files.
            rng: of all that is random in them.
        """
        return []

    @property
    @abstractmethod
    def preparation(self) -> Mapping[str, Setting]:
        """The settings that decide what an encoder sees in service; augmentation left out.

        Two modalities with equal preparation turn the same input into the same values.
        """

    def fingerprint(self) -> str:
        """SHA-256 of the modality's class (of a plugin, its code) and preparation, as hex."""
        cls, preparation = type(self), dict(sorted(self.preparation.items()))
        text = json.dumps([cls.__name__, preparation, source_of(cls)])
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    @abstractmethod
    def channels(self) -> int:
        """Channels of the prepared array: the size of its first axis."""

    @property
    def vocabulary(self) -> int | None:
        """How many tokens there are, where a prepared array holds their numbers.

        They count from 1; 0, which padding is, is none of them. None where an array holds
        quantities, as it mostly does.
        """
        return None

    def lift(self) -> Lift | None:
        """A layer to be trained between normalised token numbers and the encoder.

        None where the encoder takes normalised values as they are.
        """
        return None

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...] | None:
        """[channels, *axes] when every prepared array has the same shape, else None."""

    @abstractmethod
    def load(self, ref: str) -> Any:
        """Read one input, from a path or, `by_value`, from the value that `ref` is.

        Raises:
            DataError: it cannot be read; names the file or the value.
        """

    @abstractmethod
    def prepare(self, raw: Any) -> Array:
        """The array that training and service see. [channels, *axes]. Accepts arrays too.

        Raises:
            DataError: the input is empty or of an impossible shape.
        """

    def prepare_all(self, raws: Sequence[Any]) -> list[Array]:
        """`prepare` of many inputs at once, for a modality that has a faster way.

        Raises:
            DataError: as `prepare`.
        """
        return [self.prepare(raw) for raw in raws]

    def describe(self, raw: Any) -> Mapping[str, str]:
        """Properties of a loaded input in which a data set may be mixed: name -> value."""
        return {}

    @abstractmethod
    def normalise(self, values: Tensor) -> Tensor:
        """Storage dtype -> float32 centred for the encoder; 0 is the background.

        Each example by itself, and without writing to the input.
        """

    def augment(self, values: Tensor, mask: Tensor | None, generator: torch.Generator) -> Tensor:
        """Label-preserving random change of a normalised batch.

        Shapes stay, padding stays 0, the input is not written to, and all randomness comes from
        the generator. It is where the values are (a training on a GPU augments there), and so is
        what `torch.rand`, `torch.zeros` and the like make while this runs.
        """
        return values

    def views(self, values: Tensor, mask: Tensor | None) -> Iterator[Tensor]:
        """Further looks at a normalised batch, whose embeddings are averaged with its own.

        Always the same ones, so that embedding stays deterministic. Shapes stay.
        """
        return iter(())

    def vary(self, values: Tensor, variant: Tensor) -> Tensor:
        """Turn each example into its variant-th derived class; variant 0 changes nothing.

        Args:
            values: [batch, channels, *axes].
            variant: [batch] int64 in [0, variants).
        """
        return values

    def collate(self, arrays: Sequence[Array]) -> Batch:
        """Stack arrays; where sizes differ, pad at the end of each axis and mask.

        Args:
            arrays: each [channels, *axes].
        """
        shapes = {array.shape for array in arrays}
        if len(shapes) == 1:
            return Batch(np.stack(arrays))
        largest = tuple(max(array.shape[d] for array in arrays) for d in range(arrays[0].ndim))
        values = np.zeros((len(arrays), *largest), dtype=arrays[0].dtype)
        mask = np.zeros((len(arrays), *largest[1:]), dtype=np.bool_)
        for row, array in enumerate(arrays):
            place = tuple(slice(size) for size in array.shape)
            values[(row, *place)] = array
            mask[(row, *place[1:])] = True
        return Batch(values, mask)
