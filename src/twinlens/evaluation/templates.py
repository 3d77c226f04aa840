"""Comparisons of an input with several reference examples of one identity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinlens.errors import EvidenceError
from twinlens.types import BoolArray, IntArray

MOST_TEMPLATES = 20
"""Sets of references drawn for an identity at most."""
MOST_IMPOSTORS = 500_000


@dataclass(frozen=True, slots=True)
class Questions:
    """Inputs in question, each beside the references it is compared with.

    Attributes:
        references: [n, k] positions, of one identity each row.
        questioned: [n] positions, in none of their references.
        same: [n] whether it is of the references' identity.
        imitated: [n] whether it only pretends to be (a forgery).
    """

    references: IntArray
    questioned: IntArray
    same: BoolArray
    imitated: BoolArray


def draw_questions(
    labels: IntArray,
    claims: IntArray,
    count: int,
    rng: np.random.Generator,
    *,
    most_impostors: int = MOST_IMPOSTORS,
) -> Questions:
    """Sets of `count` references, each with every other genuine example, imitations and strangers.

    An identity gets as many sets as it has examples, at most `MOST_TEMPLATES`.

    Args:
        labels: [n] identity; below 0 = none.
        claims: [n] identity that an example imitates; below 0 = none.
        count: of references.
        rng: draws references and strangers.
        most_impostors: comparisons with strangers at most, shared evenly by all sets.

    Raises:
        EvidenceError: no identity has more than `count` examples.
    """
    known, sizes = np.unique(labels[labels >= 0], return_counts=True)
    able = known[sizes > count]
    if not len(able):
        raise EvidenceError(
            f"{count} references need identities with at least {count + 1} examples. Got at most "
            f"{sizes.max(initial=0)}. Ask for fewer references, or add examples."
        )
    sets = {int(i): min(int(np.sum(labels == i)), MOST_TEMPLATES) for i in able}
    strangers = most_impostors // sum(sets.values())
    labelled = np.flatnonzero(labels >= 0)
    parts: list[tuple[IntArray, IntArray, BoolArray, BoolArray]] = []
    for identity, amount in sets.items():
        own = np.flatnonzero(labels == identity)
        forged = np.flatnonzero(claims == identity)
        others = labelled[labels[labelled] != identity]
        for _ in range(amount):
            shuffled = rng.permutation(own)
            drawn = others if len(others) <= strangers else rng.choice(others, strangers, False)
            questioned = np.concatenate([shuffled[count:], forged, drawn])
            place = np.arange(len(questioned))
            same = place < len(own) - count
            parts.append(
                (
                    np.tile(shuffled[:count], (len(questioned), 1)),
                    questioned,
                    same,
                    ~same & (place < len(own) - count + len(forged)),
                )
            )
    return Questions(*(np.concatenate(column) for column in zip(*parts, strict=True)))
