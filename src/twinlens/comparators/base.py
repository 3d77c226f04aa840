"""What a comparator is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from twinlens.errors import ConfigError
from twinlens.registry import Setting
from twinlens.settings import require_at_least


class Comparator(nn.Module, ABC):
    """Two embeddings -> one score, larger when more alike; the same from both sides, as a rule.

    A subclass takes `(dim,)` first, which the encoder supplies, then its settings.

    Attributes:
        indexable: whether a nearest-neighbour index over `project`ed embeddings ranks as this
            comparator does ("inner_product", "euclidean"), or None if no index can.
        symmetric: whether a score is the same from both sides. One that is not compares a question
            (left) with an answer (right): it is for given pairs and triplets, in their direction,
            and not for identities or an index.
        needs_parts: whether an embedding must be a row of parts: that of an encoder that
            `gives_parts`.
        beside: how many numbers at the end of an embedding it compares by their cosine, apart from
            the rest.
        is_logit: whether a score is a logit of "the same", by parameters that must be trained.
        neutral: as of an `Encoder`.
    """

    neutral: ClassVar[Mapping[str, Setting]] = {}
    indexable: str | None = None
    symmetric: bool = True
    needs_parts: ClassVar[bool] = False
    is_logit: ClassVar[bool] = False
    beside: int = 0

    def project(self, embeddings: Tensor) -> Tensor:
        """What is stored and compared: the embedding itself, or its unit vector. [n, dim]."""
        return embeddings

    @abstractmethod
    def paired(self, a: Tensor, b: Tensor) -> Tensor:
        """Score row by row, of projected embeddings. [n, dim], [n, dim] -> [n]."""

    @abstractmethod
    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        """Every score between two sets. [n, dim], [m, dim] -> [n, m]."""


def require_parts(dim: int, steps: int) -> None:
    """Check that an embedding falls into so many parts. For subclasses to call.

    Raises:
        ConfigError: it does not.
    """
    require_at_least(1, {"comparator.steps": steps})
    if dim % steps:
        raise ConfigError(
            f"comparator.steps must divide the width of an embedding. Got {steps} for {dim}. "
            "Set it to encoder.steps."
        )
