"""What a comparator is."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Comparator(nn.Module, ABC):
    """Two embeddings -> one score. Symmetric, and larger when more alike.

    A subclass takes `(dim,)` first, which the encoder supplies, then its settings.

    Attributes:
        indexable: whether a nearest-neighbour index over `project`ed embeddings ranks as this
            comparator does ("inner_product", "euclidean"), or None if no index can.
    """

    indexable: str | None = None

    def project(self, embeddings: Tensor) -> Tensor:
        """What is stored and compared: the embedding itself, or its unit vector. [n, dim]."""
        return embeddings

    @abstractmethod
    def paired(self, a: Tensor, b: Tensor) -> Tensor:
        """Score row by row, of projected embeddings. [n, dim], [n, dim] -> [n]."""

    @abstractmethod
    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        """Every score between two sets. [n, dim], [m, dim] -> [n, m]."""
