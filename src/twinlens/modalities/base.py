"""What a modality is: how one kind of input becomes tensors."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from twinlens.registry import Setting, source_of
from twinlens.types import Batch

Array = npt.NDArray[np.generic]


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
    """

    suffixes: frozenset[str] = frozenset()
    variants: int = 1

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
    @abstractmethod
    def shape(self) -> tuple[int, ...] | None:
        """[channels, *axes] when every prepared array has the same shape, else None."""

    @abstractmethod
    def load(self, ref: str) -> Any:
        """Read one input from a path or a value.

        Raises:
            DataError: it cannot be read; names the file.
        """

    @abstractmethod
    def prepare(self, raw: Any) -> Array:
        """The array that training and service see. [channels, *axes]. Accepts arrays too.

        Raises:
            DataError: the input is empty or of an impossible shape.
        """

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
        the generator.
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
