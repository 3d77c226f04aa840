"""What goes into a gallery and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from twinlens.types import FloatArray

Similarity = Literal["inner_product", "euclidean", "comparator"]
"""How templates are compared: as an index can, or only by a model's own comparator."""


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Space:
    """Where the embeddings of one model live. Templates of another space are refused.

    Attributes:
        fingerprint: of the model.
        dim: width of an embedding.
        similarity: how two embeddings are compared.
    """

    fingerprint: str
    dim: int
    similarity: Similarity


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a thing to be enrolled, besides its embedding.

    Attributes:
        content: what tells it from others: the hash of its file; enrolled once only.
        identity: whom it shows; None when that is not known or does not matter.
        source: where it came from, for people.
        metadata: further texts to filter by.
    """

    content: str
    identity: str | None = None
    source: str = ""
    metadata: Mapping[str, str] = field(default_factory=_nothing, hash=False)


@dataclass(frozen=True, slots=True)
class Item:
    """What a gallery holds: an entry with its number and when it was added (UTC, ISO 8601)."""

    id: int
    entry: Entry
    added: str


@dataclass(frozen=True, slots=True)
class Hit:
    """An item that was found, and how alike it is; larger = more alike."""

    item: Item
    score: float


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a batch.

    Attributes:
        ids: numbers of the new items, in the order of the batch.
        known: entries that were there already, by content; nothing was stored for them.
    """

    ids: tuple[int, ...]
    known: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Removed:
    """What a removal did.

    Attributes:
        ids: of the items that are gone.
        erased: whether no trace is left on disk; False while another process still reads an older
            state, and until a later removal or `verify` finds none; None where the disk is not
            twinlens' own and nothing is known of it.
    """

    ids: tuple[int, ...]
    erased: bool | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An identity whose best template is this much alike a probe."""

    identity: str
    score: float
    item: Item


@dataclass(frozen=True, slots=True)
class Stats:
    """What a gallery holds, and how.

    Attributes:
        space: the model's.
        items, identities: how many there are.
        without_identity: items of unknown identity.
        templates: how many identities have one template, two, ...: [(templates, identities)].
        index: how it is searched: "exact", "graph" or "comparator".
        store_bytes, index_bytes: on disk; None where the disk is not twinlens' own.
        changes: entries of the log.
        encrypted: whether templates and index are.
        waiting: items that a migration under way has yet to embed; None where there is none.
    """

    space: Space
    items: int
    identities: int
    without_identity: int
    templates: tuple[tuple[int, int], ...]
    index: str
    store_bytes: int | None
    index_bytes: int | None
    changes: int
    encrypted: bool
    waiting: int | None


Vectors = FloatArray
"""Embeddings as the model projects them, [n, dim] float32."""
Where = Mapping[str, str]
"""Texts that the metadata of an item must have, by name."""
