"""Folders of genuine examples and of imitations -> examples that say whom they imitate."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from twinlens.types import Example

GENUINE = frozenset({"genuine", "original", "originals", "real"})
IMITATED = frozenset({"forged", "forgeries", "forgery", "imitation", "imitations", "skilled"})
"""Names of folders inside that of an identity, in any case of letters."""


def read_imitations(examples: Sequence[Example]) -> list[Example] | None:
    """Examples whose folders are all named as genuine or as imitations, under their identity.

    "anna/genuine/1.png" is an example of "anna", and "anna/forgery/1.png" imitates her. None when
    a folder has another name, or when all are of one kind: then folders are classes as always.

    >>> made = read_imitations([Example("a", "anna/genuine"), Example("b", "anna/forgery")])
    >>> [(example.identity, example.imitates) for example in made]
    [('anna', None), (None, 'anna')]
    """
    split = [str(example.identity).rpartition("/") for example in examples]
    kinds = {kind.lower() for _, _, kind in split}
    nested = all(identity for identity, _, _ in split)
    if not nested or not (kinds & GENUINE and kinds & IMITATED and kinds <= GENUINE | IMITATED):
        return None
    genuine = {identity for identity, _, kind in split if kind.lower() in GENUINE}
    if any(identity not in genuine for identity, _, _ in split):
        return None
    return [
        dataclasses.replace(example, identity=identity)
        if kind.lower() in GENUINE
        else dataclasses.replace(example, identity=None, imitates=identity)
        for example, (identity, _, kind) in zip(examples, split, strict=True)
    ]
