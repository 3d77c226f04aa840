"""A model and a gallery of its embeddings: made, filled and opened together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from twinlens.bundle import Bundle
from twinlens.data.cache import Progress
from twinlens.data.duplicates import content_hash
from twinlens.data.folder import require_text
from twinlens.data.manifest import read_examples
from twinlens.data.problems import ProblemLog
from twinlens.errors import DataError, GalleryError
from twinlens.gallery import (
    AnyGallery,
    Cipher,
    Entry,
    Gallery,
    MilvusPlace,
    Space,
    create_elsewhere,
    open_any,
)
from twinlens.gallery.entries import Similarity
from twinlens.tasks.readable import Embedded, embed_readable
from twinlens.types import Example

BATCH = 1024
"""Items stored at once: each batch is whole or not there at all."""
Embed = Callable[[Sequence[str]], Iterator[Embedded]]
"""Paths or values -> their embeddings, in parts of any size."""
_Key = tuple[str, str | None]
"""Content and identity."""

_SIMILARITIES: Mapping[str | None, Similarity] = {
    "inner_product": "inner_product",
    "euclidean": "euclidean",
    None: "comparator",
}


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What became of inputs that were to be enrolled.

    Attributes:
        added: numbers of new items.
        without_identity: how many of them have no identity.
        known: how many were there already, by content.
        labels_not_added: how many of those were given metadata that they do not have.
        problems: what is wrong with each input that was left out.
    """

    added: tuple[int, ...]
    without_identity: int
    known: int
    labels_not_added: int
    problems: tuple[str, ...]


def space_of(bundle: Bundle) -> Space:
    """Where the embeddings of a model live."""
    similarity = _SIMILARITIES[bundle.siamese.comparator.indexable]
    return Space(bundle.fingerprint, bundle.siamese.dim, similarity)


def create_gallery(
    path: Path,
    bundle: Bundle,
    *,
    log_searches: bool = True,
    cipher: Cipher | None = None,
    place: MilvusPlace | None = None,
) -> AnyGallery:
    """An empty gallery for a model.

    Args:
        path: folder, which must be new or empty.
        bundle: the model.
        log_searches: whether each search is logged, too.
        cipher: encrypts the templates.
        place: where else to keep it; the folder then only says where.

    Raises:
        WriteError: something is at `path`, or it cannot be written to.
        GalleryError: it is to be encrypted elsewhere than in its folder, or cannot be made there.
    """
    if place is not None:
        if cipher is not None:
            raise GalleryError(
                "A gallery must be kept in its own folder to be encrypted with a key. Got "
                "--store. Leave out one of the two."
            )
        return create_elsewhere(path, place, space_of(bundle), log_searches=log_searches)
    return Gallery.create(
        path, space_of(bundle), log_searches=log_searches, scorer=bundle.siamese, cipher=cipher
    )


def open_gallery(
    path: Path,
    bundle: Bundle,
    *,
    progress: Progress | None = None,
    cipher: Cipher | None = None,
) -> AnyGallery:
    """A gallery, to be used with the model it was made with.

    Raises:
        GalleryError: it is missing, damaged, cannot be reached, or is of another model or key.
    """
    return open_any(
        path,
        fingerprint=bundle.fingerprint,
        scorer=bundle.siamese,
        progress=progress,
        cipher=cipher,
    )


def enrol(
    gallery: AnyGallery,
    bundle: Bundle,
    paths: Sequence[Path],
    *,
    identity: str | None = None,
    labels: Mapping[str, str] | None = None,
    embed: Embed | None = None,
    progress: Progress | None = None,
) -> Enrolled:
    """Enrol files, folders or tables. What is there by its content is not embedded again.

    Columns of a table become metadata to filter by. Inputs that cannot be read are left out and
    told; the rest is enrolled, in batches that are each whole or not there. What is there already
    keeps the metadata that it has.

    Args:
        gallery: of the same model.
        bundle: the model.
        paths: files; folders, in which each folder is an identity; or tables. What lies in no
            folder of them has none: they may be a collection to search.
        identity: of all of them, instead.
        labels: metadata of all of them, besides.
        embed: who embeds, where it is not this process (`workers.embed_on_workers`).
        progress: told of (inputs embedded, inputs).

    Raises:
        DataError: a path or a table is wrong.
        GalleryError: the same content is enrolled as another identity, or nothing can be stored.
    """
    modality, by_value = bundle.config.modality.name, bundle.siamese.modality.by_value
    left_out = ProblemLog()
    found = [e for p in paths for e in read_examples(p, modality=modality, left_out=left_out)]
    problems = [str(problem) for problem in left_out.errors()]
    entries: list[Entry] = []
    for example in found:
        ref = example.fields[modality]
        source = ref if by_value else str(Path(ref).absolute())
        try:
            require_text(source)
            content = content_hash(ref, by_value=by_value)
        except DataError as error:
            problems.append(str(error))
            continue
        entries.append(_entry(example, content, source, identity, labels or {}))
    stored = _stored(gallery, entries)
    fresh = [entry for entry in entries if _key(entry) not in stored]
    sources = [entry.source for entry in fresh]
    parts = embed_readable(bundle, sources, at_once=BATCH) if embed is None else embed(sources)
    added: list[int] = []
    bare = 0
    repeated = 0
    for part in parts:
        problems += part.problems
        batch = [fresh[place] for place in part.places]
        result = gallery.add(part.vectors, batch)
        added += result.ids
        bare += _without_identity(batch) - _without_identity(result.known)
        repeated += len(result.known)
        if progress is not None:
            progress(part.done, len(fresh))
    gallery.refresh()
    return Enrolled(
        added=tuple(added),
        without_identity=bare,
        known=len(stored) + repeated,
        labels_not_added=_labels_not_added(entries, stored),
        problems=tuple(problems),
    )


def _entry(
    example: Example, content: str, source: str, identity: str | None, labels: Mapping[str, str]
) -> Entry:
    known = {key: value for key, value in example.extra.items() if value}
    return Entry(
        content,
        example.identity if identity is None else identity,
        source,
        {**known, **labels},
    )


def _key(entry: Entry) -> _Key:
    return entry.content, entry.identity


def _stored(gallery: AnyGallery, entries: Sequence[Entry]) -> dict[_Key, Mapping[str, str]]:
    """Content and identity -> metadata, of those that are enrolled as just that."""
    ids = list(gallery.known([entry.content for entry in entries]).values())
    asked = set(map(_key, entries))
    there = [item.entry for item in gallery.items(ids)]
    return {_key(entry): entry.metadata for entry in there if _key(entry) in asked}


def _labels_not_added(entries: Sequence[Entry], stored: Mapping[_Key, Mapping[str, str]]) -> int:
    """How many entries bring metadata that what is there by their content does not have."""
    kept = dict(stored)
    return sum(
        not entry.metadata.items() <= kept.setdefault(_key(entry), entry.metadata).items()
        for entry in entries
    )


def _without_identity(entries: Sequence[Entry]) -> int:
    return sum(entry.identity is None for entry in entries)
