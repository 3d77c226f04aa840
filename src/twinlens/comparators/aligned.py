"""Series compared part by part, after each part has found its counterpart."""

from __future__ import annotations

import torch
from torch import Tensor

from twinlens.comparators.base import Comparator, require_parts
from twinlens.functional.alignment import dtw
from twinlens.functional.distance import l2_normalise
from twinlens.registry import register

_MOST_CELLS = 4_000_000
"""Cells of cost computed at once where nothing is learned from them: 16 MB."""


@register("comparator", "aligned")
class Aligned(Comparator):
    """Minus the mean cost of the best alignment of two rows of local embeddings.

    For an encoder that gives a row of `steps` local embeddings, as `convseries`. The cost of two
    parts is half the squared distance of their unit vectors, 1 - cosine, so a score is about 0 for
    the same and falls to -1 and below.

    Source:
        Sakoe, Chiba 1978, see `functional.alignment`. Learned local distances under it:
        Jiang, Lai, Jin, Zhu. DsDTW: local representation learning with deep soft-DTW for dynamic
        signature verification. IEEE TIFS 17, 2022.
    """

    def __init__(self, dim: int, *, steps: int = 32) -> None:
        """Args:
        dim: supplied.
        steps: local embeddings in a row, as the encoder has them.

        Raises:
            ConfigError: an embedding does not fall into so many parts.
        """
        super().__init__()
        require_parts(dim, steps)
        self.steps = steps

    def project(self, embeddings: Tensor) -> Tensor:
        return l2_normalise(self._rows(embeddings)).flatten(1)

    def paired(self, a: Tensor, b: Tensor) -> Tensor:
        cost = 1 - self._rows(a) @ self._rows(b).transpose(1, 2)  # [n, steps, steps]
        return -dtw(cost) / self.steps

    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        rows = len(a) if a.requires_grad else max(1, _MOST_CELLS // (len(b) * self.steps**2 or 1))
        parts = [self._block(a[i : i + rows], b) for i in range(0, len(a), rows)]
        return torch.cat(parts) if parts else a.new_zeros(0, len(b))

    def _block(self, a: Tensor, b: Tensor) -> Tensor:
        left, right = self._rows(a)[:, None], self._rows(b)[None]  # [n, 1, s, l], [1, m, s, l]
        cost = 1 - left @ right.transpose(2, 3)  # [n, m, steps, steps]
        return -dtw(cost.flatten(0, 1)).view(len(a), len(b)) / self.steps

    def _rows(self, embeddings: Tensor) -> Tensor:
        return embeddings.unflatten(1, (self.steps, embeddings.shape[1] // self.steps))
