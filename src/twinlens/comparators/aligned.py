"""Series compared part by part, after each part has found its counterpart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from twinlens.comparators.base import Comparator, require_parts
from twinlens.functional.alignment import PartCost, best_path, least_cost, part_costs
from twinlens.functional.distance import l2_normalise
from twinlens.functional.late import among_themselves, in_blocks
from twinlens.registry import Setting, register
from twinlens.settings import require, require_at_least

_LEAST_LEVEL = 0.25
"""Below which no level counts, so that a series that hardly moves is not unlike everything."""


@register("comparator", "aligned")
class Aligned(Comparator):
    """Minus the mean cost of the best alignment of two rows of local embeddings.

    For an encoder that gives a row of `steps` local embeddings, as `convseries`, `convcolumns` and
    `weighed`. A score is about 0 for the same and falls from there. Where the encoder tells more
    beside them, 1 - its cosine is a further cost. Where it tells a level, costs are told in it: -1
    is no more alike than two series are to their own mirror images.

    Source:
        Sakoe, Chiba 1978, see `functional.alignment`. Learned local distances under it:
        Jiang, Lai, Jin, Zhu. DsDTW: local representation learning with deep soft-DTW for dynamic
        signature verification. IEEE TIFS 17, 2022.
    """

    neutral: ClassVar[Mapping[str, Setting]] = {
        "beside": 0,
        "beside_weight": 1.0,
        "relative": False,
    }
    needs_parts = True

    def __init__(
        self,
        dim: int,
        *,
        steps: int = 32,
        cost: PartCost = "cosine",
        beside: int = 0,
        beside_weight: float = 1.0,
        relative: bool = False,
    ) -> None:
        """Args:
        dim: supplied.
        steps: local embeddings in a row, as the encoder has them.
        cost: of two parts: "cosine" is 1 - the cosine of their angle; "manhattan" the sum of
            absolute differences, for channels that each have a meaning, as of `weighed`.
        beside: numbers at the end of an embedding that are no part of the row, and are compared by
            their cosine; encoder.directions where encoder.described is set.
        beside_weight: of their cost; that of the row counts 1.
        relative: divide the cost of the row by the mean of both levels, the number after each row;
            true where encoder.mirrors is.

        Raises:
            ConfigError: a setting is out of range, or an embedding does not fall into so many
                parts.
        """
        super().__init__()
        require_at_least(
            0, {"comparator.beside": beside, "comparator.beside_weight": beside_weight}
        )
        require(beside < dim, "comparator.beside", f"below the {dim} of an embedding", beside)
        require_parts(dim - beside - relative, steps)
        self.steps, self.relative = steps, relative
        self.cost: PartCost = cost
        self.beside, self.beside_weight = beside, beside_weight

    def project(self, embeddings: Tensor) -> Tensor:
        row, level, beside = self._parted(embeddings)
        if self.cost == "cosine":
            row = l2_normalise(self._rows(embeddings)).flatten(1)
        return torch.cat([row, level, l2_normalise(beside)], dim=1)

    def paired(self, a: Tensor, b: Tensor) -> Tensor:
        left, right = self._rows(a), self._rows(b)  # [n, steps, local] each
        learning = torch.is_grad_enabled() and (a.requires_grad or b.requires_grad)
        aligned = self._followed if learning else self._least
        score = -aligned(left, right) / self.steps
        (_, level, beside), (_, other_level, other_beside) = self._parted(a), self._parted(b)
        if self.relative:
            score = score / ((level + other_level) / 2).clamp_min(_LEAST_LEVEL).squeeze(1)
        if self.beside:
            score = score - self.beside_weight * (1 - (beside * other_beside).sum(1))
        return score

    def _least(self, left: Tensor, right: Tensor) -> Tensor:
        """Cost of the best path of each pair. [n, steps, local] each -> [n]."""
        return least_cost(part_costs(left, right, self.cost))

    def _followed(self, left: Tensor, right: Tensor) -> Tensor:
        """The same with a gradient.

        The path is found without one and then followed with one: a small change of costs changes
        the total as the path tells (almost everywhere), and of all the cells only those on the path
        have to be remembered.
        """
        path = best_path(part_costs(left.detach(), right.detach(), self.cost))  # [n, 2 steps - 1]
        real = path < self.steps**2
        row, column = (path // self.steps).clamp(max=self.steps - 1), path % self.steps
        local = left.shape[2]
        one = left.gather(1, row[..., None].expand(-1, -1, local))  # [n, 2 steps - 1, local]
        other = right.gather(1, column[..., None].expand(-1, -1, local))
        cost = (one - other).abs().sum(2) if self.cost == "manhattan" else 1 - (one * other).sum(2)
        return (cost * real).sum(1)

    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        if a is b:
            return among_themselves(self.paired, a, cells=self.steps**2)
        return in_blocks(self.paired, a, b, cells=self.steps**2)

    def _parted(self, embeddings: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The row, its level, and what is beside them.

        [n, dim] -> [n, steps · local], [n, 1 or 0], [n, beside].
        """
        level, beside = int(self.relative), self.beside
        row = embeddings.shape[1] - level - beside
        made = embeddings.split([row, level, beside], dim=1)
        return made[0], made[1], made[2]

    def _rows(self, embeddings: Tensor) -> Tensor:
        row = self._parted(embeddings)[0]
        return row.unflatten(1, (self.steps, row.shape[1] // self.steps))
