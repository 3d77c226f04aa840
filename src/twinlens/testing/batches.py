"""What the contract of a modality requires of what it is given and of what it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from twinlens.errors import DataError
from twinlens.modalities.base import Array
from twinlens.testing.contract import Broken
from twinlens.types import Batch


def require_refusal(attempt: Callable[[], object], what: str) -> str:
    """The message of the DataError that must come of an attempt.

    Raises:
        Broken: another error, or none.
    """
    try:
        attempt()
    except DataError as error:
        return str(error)
    except Exception as error:
        raise Broken(
            f"{what} must raise DataError. Got {type(error).__name__}: {error}. Raise it instead."
        ) from error
    raise Broken(f"{what} must raise DataError. Got an answer. Check the input first.")


def require_collated(batch: Batch, arrays: Sequence[Array]) -> None:
    """A batch must hold each array at the start of every axis, 0 behind it, and a mask if need be.

    Raises:
        Broken: another shape or dtype, or padding elsewhere.
    """
    largest = tuple(max(sizes) for sizes in zip(*(array.shape for array in arrays), strict=True))
    if batch.values.shape != (len(arrays), *largest) or batch.values.dtype != arrays[0].dtype:
        raise Broken(
            f"Collated values must be {[len(arrays), *largest]} {arrays[0].dtype}. "
            f"Got {list(batch.values.shape)} {batch.values.dtype}. Pad to the largest, no further."
        )
    expected, real = np.zeros_like(batch.values), np.zeros((len(arrays), *largest[1:]), np.bool_)
    for row, array in enumerate(arrays):
        place = tuple(slice(size) for size in array.shape)
        expected[(row, *place)] = array
        real[(row, *place[1:])] = True
    mask = np.ones_like(real) if batch.mask is None else batch.mask
    if not (np.array_equal(batch.values, expected) and np.array_equal(mask, real)):
        raise Broken(
            "Collated values must lie at the start of each axis, with 0 and a False mask behind. "
            "Got otherwise. Inherit collate, or pad at the end."
        )


def require_unwritten(change: Callable[[Tensor], object], values: Tensor, what: str) -> None:
    """Raises:
    Broken: `change` writes to the tensor that it is given.
    """
    before = values.clone()
    change(values)
    if not torch.equal(values, before):
        raise Broken(f"{what} must not write to its input. Got changed values. Copy it first.")
