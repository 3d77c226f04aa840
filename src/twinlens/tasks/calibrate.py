"""Scores of identities that training never saw -> what a model's scores mean."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twinlens.bundle import Bundle
from twinlens.calibration import Calibration, Scale
from twinlens.config import CalibrationConfig
from twinlens.data.cache import Progress
from twinlens.data.dataset import Dataset
from twinlens.data.duplicates import identity_hash
from twinlens.data.manifest import read_dataset
from twinlens.errors import EvidenceError
from twinlens.siamese import Siamese
from twinlens.tasks.comparisons import Impostors, compare_all
from twinlens.tasks.evaluate import seen_examples
from twinlens.tasks.strangers import open_sets
from twinlens.types import FloatArray

_MOST_NAMED = 5


def calibrate(
    bundle: Bundle,
    data: Path | Dataset,
    *,
    settings: CalibrationConfig | None = None,
    impostors: Impostors = "all",
    progress: Progress | None = None,
) -> Calibration:
    """Fit probabilities and thresholds of a trained model on data of one's own.

    Args:
        bundle: the model.
        data: folder, CSV or JSONL; or a data set that has been read. None of its identities may
            have been trained on.
        settings: rates to promise, and the rest; those of the model when None.
        impostors: whom to keep out: strangers, imitations (forgeries), or both.
        progress: told of (inputs embedded, inputs).

    Raises:
        DataError: the data cannot be read.
        EvidenceError: training saw some of it (named), or it carries no calibration at all.
    """
    config = bundle.config
    if not isinstance(data, Dataset):
        data = read_dataset(data, modality=config.modality.name, group=config.data.group)
    _require_unseen(data, bundle)
    embeddings = bundle.embed(data.refs(config.modality.name), progress=progress)
    earlier = ()
    if bundle.calibration is not None:
        last = bundle.calibration
        earlier = (*last.earlier, {**last.data, "refused": _refused(last)})
    return calibration_of(
        embeddings,
        data,
        bundle.siamese,
        fingerprint=bundle.fingerprint,
        settings=settings or config.calibration,
        impostors=impostors,
        seed=config.seed,
        earlier=earlier,
    )


def calibration_of(
    embeddings: FloatArray,
    dataset: Dataset,
    siamese: Siamese,
    *,
    fingerprint: str,
    settings: CalibrationConfig,
    impostors: Impostors = "all",
    seed: int = 0,
    earlier: tuple[Mapping[str, Any], ...] = (),
) -> Calibration:
    """What scores mean, from the embeddings of a data set. [n, dim]

    Raises:
        DataError: embeddings are not finite.
        EvidenceError: there are no comparisons of both kinds, or all scores are equal.
    """
    scales = [
        Scale.fit(
            compare_all(
                embeddings,
                dataset,
                siamese,
                references=count,
                combine=settings.combine,
                impostors=impostors,
                seed=seed,
            ),
            references=count,
            fmrs=settings.fmr,
            confidence=settings.confidence,
        )
        for count in sorted(set(settings.references))
    ]
    names = dataset.identities()
    return Calibration(
        fingerprint=fingerprint,
        scales=tuple(scales),
        combine=settings.combine,
        prior=settings.prior,
        confidence=settings.confidence,
        data={
            "name": dataset.root.name,
            "kind": dataset.kind,
            "examples": len(dataset),
            "identities": len(names),
            "identity_hashes": [identity_hash(name) for name in names],
            "impostors": impostors,
        },
        earlier=earlier,
        open_set=open_sets(embeddings, dataset, siamese, seed=seed),
    )


def _require_unseen(data: Dataset, bundle: Bundle) -> None:
    seen = seen_examples(data, bundle, calibrated=False)
    if not seen.any():
        return
    named = sorted({e.identity or e.id for e, s in zip(data.examples, seen, strict=True) if s})
    shown = ", ".join(named[:_MOST_NAMED])
    more = len(named) - _MOST_NAMED
    raise EvidenceError(
        "A calibration must be of identities that training did not see. Got "
        f"{shown}{f' and {more} more' if more > 0 else ''}, by name or by the same file. Leave "
        "them out."
    )


def _refused(calibration: Calibration) -> list[float]:
    return sorted({r.fmr for scale in calibration.scales for r in scale.refusals})
