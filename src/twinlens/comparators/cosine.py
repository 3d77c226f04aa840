from __future__ import annotations

from torch import Tensor

from twinlens.comparators.base import Comparator
from twinlens.functional.distance import l2_normalise
from twinlens.registry import register


@register("comparator", "cosine")
class Cosine(Comparator):
    """Cosine similarity, in [-1, 1]: the inner product of unit vectors."""

    indexable = "inner_product"

    def __init__(self, dim: int) -> None:
        super().__init__()

    def project(self, embeddings: Tensor) -> Tensor:
        return l2_normalise(embeddings)

    def paired(self, a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(dim=-1)

    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b.T
