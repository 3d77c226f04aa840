from __future__ import annotations

from torch import Tensor

from twinlens.comparators.base import Comparator
from twinlens.functional.distance import euclidean_matrix, paired_euclidean
from twinlens.registry import register


@register("comparator", "euclidean")
class Euclidean(Comparator):
    """Negative Euclidean distance: at most 0, and 0 for two equal embeddings."""

    indexable = "euclidean"

    def __init__(self, dim: int) -> None:
        super().__init__()

    def paired(self, a: Tensor, b: Tensor) -> Tensor:
        return -paired_euclidean(a, b)

    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        return -euclidean_matrix(a, b)
