"""A question and a gallery -> what a retriever finds there, re-ranked, or that none is good enough.

A model whose embeddings an index can serve looks through the whole gallery; one that compares in
more detail, which no index can stand in for, looks again at the best of what was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from twinlens.bundle import Bundle, Input
from twinlens.calibration import Question
from twinlens.data.problems import listed
from twinlens.errors import ConfigError, GalleryError
from twinlens.gallery import AnyGallery, Item
from twinlens.settings import require_at_least
from twinlens.tasks.originals import why_lost
from twinlens.tasks.rank import Ranking, rank_embedded

RETRIEVE = 100


def rank_gallery(
    bundle: Bundle,
    question: Input,
    gallery: AnyGallery,
    *,
    retriever: Bundle | None = None,
    retrieve: int = RETRIEVE,
    where: Mapping[str, str] | None = None,
    asked: Question | None = None,
) -> Ranking:
    """Retrieve what may answer a question from a gallery, rank it, and say whether the best does.

    The answer is the calibrated decision on the best candidate, as by `rank`. What is retrieved is
    the most alike of all that was searched, so a false answer grows likelier with that: among n
    wrong items it is up to n times as likely as a promised false match rate says, however few are
    retrieved. That no item is good enough is said of those that were retrieved: an answer that the
    retriever does not find is not looked at.

    Args:
        bundle: the model that ranks.
        question: an input.
        gallery: to search.
        retriever: the model of the gallery, of inputs of the same kind, whose originals the ranking
            model reads again: a text is its own, a file must be where it was. None = the ranking
            model itself, which takes the embeddings of the gallery.
        retrieve: items to rank; fewer where the gallery has fewer.
        where: only among items that have all of these texts in their metadata.
        asked: how to decide.

    Returns:
        The items that were retrieved, each with its item; places are those that the retriever gave.

    Raises:
        ConfigError: the models take inputs of different kinds, or no such rate was promised.
        DataError: the question or an original cannot be read.
        GalleryError: the gallery is of another model, holds no such item, or the originals of items
            are not what was enrolled; and see `Gallery.search`.

    Source:
        Nogueira, Cho. Passage re-ranking with BERT. arXiv:1901.04085, 2019.
    """
    require_at_least(1, {"retrieve": retrieve})
    searching = bundle if retriever is None else retriever
    _require_fitting(bundle, searching, gallery)
    asking = searching.embed([question])  # [1, dim]
    (hits,) = gallery.search(asking, retrieve, where=where)
    if not hits:
        texts = "".join(f", {name}={text}" for name, text in (where or {}).items())
        raise GalleryError(
            f"A gallery must hold items to rank. Got none{texts}. Enrol some with twinlens gallery "
            "add, or ask for other metadata."
        )
    items = [hit.item for hit in hits]
    sources = [item.entry.source for item in items]
    if searching.fingerprint == bundle.fingerprint:
        templates = gallery.vectors([item.id for item in items])
        embeddings = np.concatenate([asking, templates])  # [1 + n, dim]
    else:
        _require_originals(items, by_value=bundle.siamese.modality.by_value)
        embeddings = bundle.embed([question, *sources])
    found = rank_embedded(bundle, sources, embeddings, asked=asked)
    ranked = tuple(replace(ranked, item=items[ranked.place]) for ranked in found.candidates)
    return replace(found, candidates=ranked)


def _require_fitting(bundle: Bundle, searching: Bundle, gallery: AnyGallery) -> None:
    """Check that two models and a gallery go together."""
    kinds = [model.config.modality.name for model in (bundle, searching)]
    if kinds[0] != kinds[1]:
        raise ConfigError(
            f"A retriever must take the same kind of input as the model that ranks: {kinds[0]}. "
            f"Got one of {kinds[1]}. Name another retriever."
        )
    if gallery.space.fingerprint != searching.fingerprint:
        raise GalleryError(
            f"A gallery to rank must hold embeddings of the model {searching.fingerprint}. Got "
            f"those of {gallery.space.fingerprint}. Name the model that it was made with as the "
            "retriever."
        )


def _require_originals(items: Sequence[Item], *, by_value: bool) -> None:
    """Check that what was enrolled can be read again."""
    lost = [
        f"Item {item.id} must have the original that was enrolled, for the ranking model to read. "
        f"Got: {why.rstrip('.')}. Restore it, or remove the item."
        for item in items
        if (why := why_lost(item, by_value=by_value)) is not None
    ]
    if lost:
        raise GalleryError(listed(lost, "The items that were retrieved"))
