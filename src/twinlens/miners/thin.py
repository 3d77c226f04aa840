"""At most so many of the tuples, by chance."""

from __future__ import annotations

import torch
from torch import Tensor

from twinlens.errors import ConfigError
from twinlens.losses.base import PairIndex


def thin(total: int, limit: int, generator: torch.Generator) -> Tensor:
    """All positions below `total`, or `limit` of them by chance. -> [min(total, limit)] int64.

    [0, total) is cut into `limit` stretches, each stretch gives one position, and all are turned
    round by one random amount. So no position comes twice, each is equally likely, neighbours are
    thinned evenly, and memory is [limit] however large `total` is.
    """
    if total <= limit:
        return torch.arange(total)
    cuts = torch.arange(limit + 1) * total // limit  # [limit + 1]
    share = torch.rand(limit, dtype=torch.float64, generator=generator)
    positions = cuts[:-1] + (share * cuts.diff()).long()  # [limit]
    return (positions + torch.randint(total, (), generator=generator)) % total


def thin_pairs(
    positive: Tensor, negative: Tensor, limit: int, generator: torch.Generator
) -> PairIndex:
    """Pairs of both kinds: all of them, or `limit` by chance, as evenly as there are enough.

    Args:
        positive, negative: which pairs there are, [batch, batch] bool. A pair has no order, so
            only those above the diagonal count.
        limit: pairs at most. Each kind has half of it, and what the other leaves over.
        generator: the only source of randomness.
    """
    kinds = [mask.triu(1).nonzero() for mask in (positive, negative)]  # [pairs, 2] each
    counts = [len(kind) for kind in kinds]
    rooms = max(limit // 2, limit - counts[1]), max(limit - limit // 2, limit - counts[0])
    chosen = [
        kind[thin(len(kind), room, generator)] for kind, room in zip(kinds, rooms, strict=True)
    ]
    left, right = torch.cat(chosen).unbind(1)  # [n] each
    return PairIndex(left, right, torch.arange(len(left), device=left.device) < len(chosen[0]))


def require_limit(limit: int, least: int = 1) -> None:
    """Raises:
    ConfigError: the limit leaves no room for a tuple.
    """
    if limit < least:
        raise ConfigError(f"miner.limit must be at least {least}. Got {limit}.")
