"""Who is this, or nobody? With a threshold that accounts for how many are enrolled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twinlens.bundle import Bundle, Input
from twinlens.data.cache import Progress
from twinlens.gallery import AnyGallery
from twinlens.gallery.identification import Identification
from twinlens.plain import to_plain
from twinlens.tasks.verify import scale_for

FPIR = 0.01


def identify(
    bundle: Bundle,
    gallery: AnyGallery,
    probes: Sequence[Input],
    *,
    fpir: float = FPIR,
    candidates: int = 3,
    where: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> list[Identification]:
    """Who each probe is, or nobody.

    Args:
        bundle: a calibrated model.
        gallery: of its embeddings.
        probes: to be identified.
        fpir: share of strangers who may be taken for somebody, to be promised for as many
            identities as are searched.
        candidates: best identities to tell of.
        where: only among items that have all of these texts in their metadata.
        progress: told of (probes embedded, probes).

    Raises:
        EvidenceError: the model is not calibrated.
        ConfigError: its comparator is not symmetric.
        DataError: a probe cannot be read; names the file.
        GalleryError: see `Gallery.search`.
    """
    scale_for(bundle, 1)
    calibration = bundle.calibration
    assert calibration is not None  # `scale_for` has seen to it
    vectors = bundle.embed(probes, progress=progress)
    return gallery.identify(vectors, calibration, fpir=fpir, candidates=candidates, where=where)


def answer_of(found: Identification) -> dict[str, Any]:
    """Plain data for JSON."""
    facts = to_plain(found)
    facts["candidates"] = [
        {"score": hit.score, "id": hit.item.id, **to_plain(hit.item.entry)}
        for hit in found.candidates
    ]
    return {"answer": found.word, **facts}
