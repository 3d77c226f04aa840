"""How well two series match when each may run faster and slower (torch)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor

PartCost = Literal["cosine", "manhattan"]
"""Of two parts: 1 - the cosine of their angle, or the sum of absolute differences."""

_FAR = 1e6
"""Cost of a cell that does not exist."""


def part_costs(a: Tensor, b: Tensor, cost: PartCost) -> Tensor:
    """Of each part of one series with each of the other, pair by pair.

    [pairs, rows, width], [pairs, columns, width] -> [pairs, rows, columns]. For "cosine" parts have
    length 1.
    """
    return torch.cdist(a, b, p=1) if cost == "manhattan" else 1 - a @ b.mT


def chance_level(series: Tensor, others: Iterable[Tensor], cost: PartCost) -> Tensor:
    """What a part costs when a series is aligned with what surely is another: the mean over those.

    Its own mirror images are made by the same hand, as rich and as long. Where they are cheap to
    align with, anything is.

    Args:
        series: [batch, parts, width].
        others: each as `series`.
        cost: of two parts.

    Returns:
        [batch, 1].

    Source:
        Karplus, Barrett, Hughey. Hidden Markov models for detecting remote protein homologies.
        Bioinformatics 14, 1998: scores told against that of the reversed sequence.
    """
    found = [least_cost(part_costs(series, other, cost)) for other in others]
    return torch.stack(found).mean(0)[:, None] / series.shape[1]


@torch.no_grad()
def least_cost(cost: Tensor) -> Tensor:
    """What the cells of `best_path` cost together, several times as fast.

    Args:
        cost: [pairs, rows, columns] as of `best_path`.

    Returns:
        [pairs].
    """
    pairs, rows, columns = cost.shape
    cells = cost.permute(1, 2, 0).reshape(rows * columns, pairs)
    across = max(columns - 1, 1)  # places between two cells of a diagonal
    before = cost.new_full((rows + 1, pairs), _FAR)  # diagonal k - 2; row 0 does not exist
    last = before.clone()  # diagonal k - 1
    last[1] = cells[0]
    for k in range(1, rows + columns - 1):
        low, high = max(0, k - columns + 1), min(rows, k + 1)
        diagonal = cells[k + low * (columns - 1) :: across][: high - low]
        best = torch.minimum(before[low:high], last[low:high])
        best = torch.minimum(best, last[low + 1 : high + 1])
        before, last = last, torch.full_like(last, _FAR)
        last[low + 1 : high + 1] = diagonal + best
    return last[rows]


@torch.no_grad()
def best_path(cost: Tensor) -> Tensor:
    """The cheapest path of steps that goes on in one series, the other, or both.

    All pairs go along the diagonals together, whatever their number.

    Args:
        cost: [pairs, rows, columns] of matching each part of one with each of the other; >= 0.

    Returns:
        [pairs, rows + columns - 1] int64: places row · columns + column of its cells, last first;
        paths differ in length, and the shorter ones are filled up with rows · columns.

    Source:
        Sakoe, Chiba. Dynamic programming algorithm optimization for spoken word recognition. IEEE
        ASSP 26, 1978, without weights or window.
    """
    pairs, rows, columns = cost.shape
    length = rows + columns - 1
    here = cost.device
    row = torch.arange(rows, device=here)[:, None]
    column = torch.arange(length, device=here) - row  # [rows, diagonals]
    exists = (column >= 0) & (column < columns)
    index = column.clamp(0, columns - 1).expand(pairs, -1, -1)
    skewed = cost.gather(2, index).masked_fill(~exists, _FAR)  # [pairs, rows, diagonals]
    edge = cost.new_full((pairs, 1), _FAR)
    last = torch.cat([skewed[:, :1, 0], edge.expand(-1, rows - 1)], 1)  # diagonal k - 1
    before = cost.new_full((pairs, rows), _FAR)  # diagonal k - 2
    ways = torch.zeros(pairs, rows, length, dtype=torch.int8, device=here)
    for k in range(1, length):
        both = torch.cat([edge, before[:, :-1]], 1)
        first = torch.cat([edge, last[:, :-1]], 1)
        best, way = torch.stack([both, first, last]).min(0)
        ways[:, :, k] = way
        before, last = last, (skewed[:, :, k] + best).clamp_(max=_FAR)
    at = torch.full((pairs,), rows - 1, device=here)
    diagonal = torch.full((pairs,), length - 1, device=here)
    every = torch.arange(pairs, device=here)
    path = torch.full((pairs, length), rows * columns, device=here)
    for step in range(length):
        going = diagonal >= 0
        place = at * columns + diagonal - at
        path[:, step] = torch.where(going, place, rows * columns)
        way = ways[every, at, diagonal.clamp(min=0)]
        started = diagonal <= 0
        at = torch.where(started | (way == 2), at, at - 1)
        diagonal = torch.where(started, -1, diagonal - torch.where(way == 0, 2, 1))
    return path
