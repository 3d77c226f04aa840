"""How well two series match when each may run faster and slower (torch)."""

from __future__ import annotations

import torch
from torch import Tensor

_FAR = 1e6
"""Cost of a cell that does not exist."""


def dtw(cost: Tensor) -> Tensor:
    """Least total cost of a path of steps that goes on in one series, the other, or both.

    All pairs go along the diagonals together, whatever their number. The best path is found without
    a gradient and then followed with one: a small change of costs changes the total as the path
    tells (almost everywhere), and nothing else has to be remembered.

    Args:
        cost: [pairs, steps, steps] of matching each part of one with each of the other; at least 0.

    Returns:
        [pairs].

    Source:
        Sakoe, Chiba. Dynamic programming algorithm optimization for spoken word recognition. IEEE
        ASSP 26, 1978, without weights or window.
    """
    path = _best_path(cost.detach())  # [pairs, length], padded with a place beyond the last
    beyond = torch.cat([cost.flatten(1), cost.new_zeros(len(cost), 1)], 1)
    return beyond.gather(1, path).sum(1)


@torch.no_grad()
def _best_path(cost: Tensor) -> Tensor:
    """Places row · columns + column of the cells of each best path, last first. -> [pairs, length].

    Paths differ in length; the shorter ones are filled up with rows · columns.
    """
    pairs, rows, columns = cost.shape
    length = rows + columns - 1
    row = torch.arange(rows)[:, None]
    column = torch.arange(length) - row  # [rows, diagonals]
    exists = (column >= 0) & (column < columns)
    index = column.clamp(0, columns - 1).expand(pairs, -1, -1)
    skewed = cost.gather(2, index).masked_fill(~exists, _FAR)  # [pairs, rows, diagonals]
    edge = cost.new_full((pairs, 1), _FAR)
    last = torch.cat([skewed[:, :1, 0], edge.expand(-1, rows - 1)], 1)  # diagonal k - 1
    before = cost.new_full((pairs, rows), _FAR)  # diagonal k - 2
    ways = torch.zeros(pairs, rows, length, dtype=torch.int8)
    for k in range(1, length):
        both = torch.cat([edge, before[:, :-1]], 1)
        first = torch.cat([edge, last[:, :-1]], 1)
        best, way = torch.stack([both, first, last]).min(0)
        ways[:, :, k] = way
        before, last = last, (skewed[:, :, k] + best).clamp_(max=_FAR)
    at = torch.full((pairs,), rows - 1)
    diagonal = torch.full((pairs,), length - 1)
    every = torch.arange(pairs)
    path = torch.full((pairs, length), rows * columns)
    for step in range(length):
        going = diagonal >= 0
        place = at * columns + diagonal - at
        path[:, step] = torch.where(going, place, rows * columns)
        way = ways[every, at, diagonal.clamp(min=0)]
        started = diagonal <= 0
        at = torch.where(started | (way == 2), at, at - 1)
        diagonal = torch.where(started, -1, diagonal - torch.where(way == 0, 2, 1))
    return path
