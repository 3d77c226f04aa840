"""The check of what an evaluation takes."""

from __future__ import annotations

import numpy as np

from twinlens.errors import DataError
from twinlens.types import FloatArray, IntArray


def check_embeddings(
    embeddings: FloatArray, labels: IntArray, groups: IntArray | None = None
) -> None:
    """Check shapes and that every number is finite.

    Raises:
        DataError: says what is wrong and where.
    """
    if embeddings.ndim != 2 or embeddings.shape[1] == 0:
        raise DataError(
            f"Embeddings must have the shape [examples, dim]. Got {embeddings.shape}. "
            "Embed a list of examples."
        )
    for name, column in (("labels", labels), ("groups", groups)):
        if column is not None and column.shape != (len(embeddings),):
            raise DataError(
                f"{name} must hold one number for each of {len(embeddings)} embeddings. "
                f"Got the shape {column.shape}. Give as many as there are embeddings."
            )
    finite = np.isfinite(embeddings).all(axis=1)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise DataError(
            f"Every embedding must be finite. Got NaN or infinity in {len(bad)} of "
            f"{len(embeddings)}, the first at position {bad[0]}. Check the model and its input."
        )
