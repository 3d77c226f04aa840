"""Several collections of one kind of thing, trained on at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from twinlens.data.dataset import Dataset
from twinlens.types import Example


def joined_collections(collections: Mapping[str, Dataset]) -> Dataset:
    """All examples; what has one name in two collections is two identities, in two groups."""
    examples = tuple(
        _renamed(example, name)
        for name, dataset in collections.items()
        for example in dataset.examples
    )
    return dataclasses.replace(next(iter(collections.values())), examples=examples)


def _renamed(example: Example, collection: str) -> Example:
    def named(name: str | None) -> str | None:
        return None if name is None else f"{collection}/{name}"

    return dataclasses.replace(
        example,
        id=f"{collection}/{example.id}",
        identity=named(example.identity),
        imitates=named(example.imitates),
        group=collection,
    )
