"""What two rows of parts have in common, and what they have not (torch).

For the words of two texts this is lexical evidence: shared words and phrases, rare words that only
one has, equal beginnings. Parts count 0 where there are none, and a similarity to such a one is
below every cosine (functional/late.py).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from twinlens.functional.late import FAR, Parts, coverage

_CENTRES = (1.0, 0.9, 0.7, 0.5, 0.3, 0.1, -0.1, -0.3, -0.5)
_WIDTHS = (0.02, *(0.1,) * 8)
"""Of the kernels: the first counts parts that are the same, each other those about as alike."""
KERNELS = len(_CENTRES)
_RAREST = 3
"""Parts without a counterpart that are looked at one by one, those that count most."""
_COMMON = 0.6
"""A part that counts less, of a mean of 1 over all there can be, is a common one."""
_TENS = 10.0
"""Counts are told in tens of parts, to be about as large as the rest."""


def _same(cosine: Tensor) -> Tensor:
    """1 where parts are the same, and 0 where they are not quite."""
    return torch.exp(-((cosine - _CENTRES[0]) / _WIDTHS[0]).square() / 2)


def _best(cosine: Tensor) -> Tensor:
    """How alike the best counterpart of each part is, from 0. [n, a, b] -> [n, a]."""
    if not cosine.shape[2]:  # shorter than a run
        return cosine.new_zeros(cosine.shape[:2])
    return cosine.amax(2).clamp_min(0)


def kernels(a: Parts, b: Parts, cosine: Tensor) -> tuple[Tensor, Tensor]:
    """How many counterparts the parts of either side find about as alike as each kernel.

    Args:
        a, b: both sides.
        cosine: [n, steps of a, steps of b].

    Returns:
        Of a and of b, each [n, kernels + 1]; last how alike the best counterpart is.
    """
    apart = (cosine[..., None] - cosine.new_tensor(_CENTRES)) / cosine.new_tensor(_WIDTHS)
    near = torch.exp(-apart.square() / 2)  # [n, steps, steps, kernels]

    def seen(parts: Parts, other: int) -> Tensor:
        best = cosine.amax(other).clamp_min(-1)[..., None]
        return coverage(parts.counts, torch.cat([torch.log1p(near.sum(other)), best], 2))

    return seen(a, 2), seen(b, 1)


def runs(parts: Parts, cosine: Tensor, *, longest: int) -> Tensor:
    """Which share of the runs of one, two … `longest` parts the other side has, in this order.

    Args:
        parts: of one side.
        cosine: [n, steps of it, steps of the other].
        longest: run that is looked for.

    Returns:
        [n, longest · 3]: of each length the share of runs that are there, the same weighed by what
        a run counts, and how alike the best one is, as its least alike part.
    """
    found: list[Tensor] = []
    counts, there, alike = parts.counts, parts.there.to(cosine.dtype), cosine
    for length in range(longest):
        if length:
            alike = torch.minimum(alike[:, :-1, :-1], cosine[:, length:, length:])
            there = there[:, :-1] * parts.there[:, length:]
            counts = (counts[:, :-1] + parts.counts[:, length:]) * there
        best = _best(alike)
        same = _same(best)
        found += [coverage(there, same), coverage(counts, same), coverage(counts, best)]
    return torch.stack(found, 1)


def left_over(parts: Parts, cosine: Tensor) -> Tensor:
    """How much those parts count that the other side has not. -> [n, rarest + 1]."""
    best = _best(cosine)
    missing = F.pad(parts.counts * (1 - _same(best)), (0, _RAREST))
    unlike = parts.counts * (1 - best)
    return torch.cat([missing.topk(_RAREST, 1).values, unlike.amax(1, keepdim=True)], 1)


def shared(left: tuple[Parts, Tensor], right: tuple[Parts, Tensor]) -> Tensor:
    """What the parts that both have count, together and the one that counts most. -> [n, 2]."""
    found = [parts.counts * _same(_best(cosine)) for parts, cosine in (left, right)]
    total = torch.minimum(*(counts.sum(1) for counts in found)) / _TENS
    return torch.stack([total, torch.minimum(*(counts.amax(1) for counts in found))], 1)


def bags(a: Parts, b: Parts) -> Tensor:
    """Cosine of the sums of all parts, each times what it counts once and twice. -> [n, 2]."""
    found = []
    for power in (1, 2):
        one, other = (torch.einsum("ns,nsl->nl", p.counts**power, p.directions) for p in (a, b))
        found.append(F.cosine_similarity(one, other))
    return torch.stack(found, 1)


def common(parts: Parts) -> Tensor:
    """The sum of the common parts, those that count little; rare ones are left out.

    Divided by the root of their number and one more, as directions are about at right angles.

    Returns:
        [n, local + 1]; last a 1, so that a bilinear form of two also tells each by itself.
    """
    chosen = (parts.there & (parts.counts < _COMMON)).to(parts.counts.dtype)  # [n, steps]
    bag = torch.einsum("ns,nsl->nl", chosen, parts.directions)
    return F.pad(bag / (chosen.sum(1, keepdim=True) + 1).sqrt(), (0, 1), value=1.0)


def ends(a: Parts, b: Parts, cosine: Tensor) -> Tensor:
    """Whether the first one and two parts are the same, and the last one and two. -> [n, 4]."""
    framed = F.pad(cosine, (0, 1, 0, 1), value=FAR)  # at place -1, as past the end, there is none
    rows = torch.arange(len(cosine), device=cosine.device)
    found: list[Tensor] = []
    for place, step in ((_first, 1), (_last, -1)):
        one, other = place(a), place(b)
        end, beside = framed[rows, one, other], framed[rows, one + step, other + step]
        found += [end, torch.minimum(end, beside)]
    return _same(torch.stack(found, 1))


def _first(parts: Parts) -> Tensor:
    """Place of the first part that is there. -> [n]."""
    return parts.there.int().argmax(1)


def _last(parts: Parts) -> Tensor:
    """Place of the last one. -> [n]."""
    return parts.counts.shape[1] - 1 - parts.there.flip(1).int().argmax(1)


def of_shorter(there: Tensor, back: Tensor, longer: Tensor) -> Tensor:
    """What the shorter side found in the longer.

    Args:
        there, back: [n, features] what the left side found, and the right.
        longer: [n] how far the left side is the longer one, in (0, 1); one half of equal ones.

    Returns:
        [n, features]; the same when left and right change places.
    """
    return there + longer[:, None] * (back - there)


def by_length(there: Tensor, back: Tensor, longer: Tensor) -> Tensor:
    """What the shorter side found in the longer, and the longer in the shorter; see `of_shorter`.

    Returns:
        [n, 2 · features]; the same when left and right change places.
    """
    return torch.cat([of_shorter(there, back, longer), of_shorter(back, there, longer)], 1)


def lengths(a: Parts, b: Parts) -> Tensor:
    """How many parts there are and what they count, and how the two differ in it. -> [n, 6]."""
    one, other = a.there.sum(1), b.there.sum(1)
    fewer, more = torch.minimum(one, other), torch.maximum(one, other)
    found = [
        (more - fewer) / _TENS,
        fewer / _TENS,
        more / _TENS,
        fewer / more.clamp_min(1),
        (a.counts.sum(1) - b.counts.sum(1)).abs() / _TENS,
        (a.total.log() - b.total.log()).abs(),
    ]
    return torch.stack(found, 1)
