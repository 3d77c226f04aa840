"""Scores of identities that training never saw -> what a model's scores mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twinlens.bundle import Bundle
from twinlens.calibration import Calibration, Cohort, Normalised, Scale
from twinlens.calibration.normalise import draw_cohort
from twinlens.config import CalibrationConfig
from twinlens.data.cache import Progress
from twinlens.data.dataset import Dataset
from twinlens.data.duplicates import identity_hash
from twinlens.data.manifest import as_dataset
from twinlens.errors import ConfigError, EvidenceError
from twinlens.siamese import Siamese
from twinlens.tasks.comparisons import Impostors, compare_all
from twinlens.tasks.evaluate import seen_examples
from twinlens.tasks.strangers import open_sets
from twinlens.types import FloatArray

_MOST_NAMED = 5


def calibrate(
    bundle: Bundle,
    data: Path | str | Dataset,
    *,
    settings: CalibrationConfig | None = None,
    impostors: Impostors = "all",
    cohort: Cohort | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """Fit probabilities and thresholds of a trained model on data of one's own.

    Args:
        bundle: the model.
        data: folder, CSV or JSONL; or a data set that has been read. None of its identities may
            have been trained on.
        settings: rates to promise, and the rest; those of the model when None.
        impostors: whom to keep out: strangers, imitations (forgeries), or both.
        cohort: to normalise scores by, where `settings.normalise` asks for it: see `cohort_of`.
            That of the model when None.
        progress: told of (inputs embedded, inputs).

    Raises:
        DataError: the data cannot be read.
        EvidenceError: training saw some of it, or the cohort has some of it (named), or it
            carries no calibration at all.
        ConfigError: scores are to be normalised, and there is no cohort.
    """
    config, settings = bundle.config, settings or bundle.config.calibration
    data = as_dataset(data, config)
    _require_unseen(data, bundle)
    if settings.normalise != "none":
        cohort = cohort or bundle.cohort
        _require_apart(data, cohort)
    embeddings = bundle.embed(data.refs(config.modality.name), progress=progress)
    earlier = ()
    if bundle.calibration is not None:
        last = bundle.calibration
        earlier = (*last.earlier, {**last.data, **_refused(last)})
    return calibration_of(
        embeddings,
        data,
        bundle.siamese,
        fingerprint=bundle.fingerprint,
        settings=settings,
        impostors=impostors,
        cohort=cohort,
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
    cohort: Cohort | None = None,
    seed: int = 0,
    earlier: tuple[Mapping[str, Any], ...] = (),
) -> Calibration:
    """What scores mean, from the embeddings of a data set. [n, dim]

    Args:
        embeddings: of its examples.
        dataset: with identities or pairs.
        siamese: scores embeddings.
        fingerprint: of the model.
        settings: rates to promise, and the rest.
        impostors: whom to keep out.
        cohort: to normalise scores by, where the settings ask for it.
        seed: of what is drawn.
        earlier: calibrations that this one replaces.

    Raises:
        ConfigError: scores are to be normalised, and there is no cohort; or the comparator is not
            symmetric, and they are, or there are identities.
        DataError: embeddings are not finite.
        EvidenceError: there are no comparisons of both kinds, or all scores are equal.
    """
    normalisation = normalised = None
    if settings.normalise != "none":
        if cohort is None:
            raise ConfigError(
                f"calibration.normalise = {settings.normalise!r} must have a cohort. Got a model "
                "that holds none. Name identities for it: twinlens calibrate --cohort DATA."
            )
        siamese.require_symmetric("scores that a cohort normalises")
        normalisation = cohort.normalisation(settings.normalise)
        normalised = Normalised(siamese, settings.normalise, cohort.embeddings)
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
                normalised=normalised,
            ),
            references=count,
            fmrs=settings.fmr,
            fnmrs=settings.fnmr,
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
            "imitations": int((dataset.claims() >= 0).sum()),
        },
        earlier=earlier,
        normalisation=normalisation,
        open_set=open_sets(embeddings, dataset, siamese, seed=seed),
    )


def cohort_of(
    bundle: Bundle, data: Path | str | Dataset, *, progress: Progress | None = None
) -> Cohort:
    """A cohort from examples of one's own: a bounded random sample of as many identities as it has.

    Args:
        bundle: the model.
        data: folder, CSV or JSONL; or a data set that has been read.
        progress: told of (inputs embedded, inputs).

    Raises:
        DataError: the data cannot be read.
    """
    config = bundle.config
    dataset = as_dataset(data, config)
    chosen = dataset.subset(draw_cohort(dataset.owners(), np.random.default_rng(config.seed)))
    embeddings = bundle.embed(chosen.refs(config.modality.name), progress=progress)
    return Cohort(embeddings, cohort_facts(chosen))


def cohort_facts(chosen: Dataset) -> dict[str, Any]:
    """Of whom a cohort is; hashes in place of names."""
    return {
        "name": chosen.root.name,
        "members": len(chosen),
        "identity_hashes": [identity_hash(name) for name in chosen.identities()],
    }


def _require_apart(data: Dataset, cohort: Cohort | None) -> None:
    """Refuse to calibrate on identities of the cohort: scores are not normalised by themselves."""
    if cohort is None:
        return
    theirs = set(cohort.data["identity_hashes"])
    shared = [name for name in data.identities() if identity_hash(name) in theirs]
    if shared:
        raise EvidenceError(
            f"A cohort must be of identities that are not calibrated on. Got {_named(shared)} in "
            "both. Leave them out of one."
        )


def _require_unseen(data: Dataset, bundle: Bundle) -> None:
    seen = seen_examples(data, bundle, calibrated=False)
    if not seen.any():
        return
    named = sorted({e.identity or e.id for e, s in zip(data.examples, seen, strict=True) if s})
    raise EvidenceError(
        "A calibration must be of identities that training did not see. Got "
        f"{_named(named)}, by name or by the same file. Leave them out."
    )


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _refused(calibration: Calibration) -> dict[str, list[float]]:
    refusals = [refusal for scale in calibration.scales for refusal in scale.refusals]
    return {
        name: sorted({refusal.rate for refusal in refusals if refusal.error == error})
        for name, error in (("refused", "false match"), ("refused_fnmr", "false non-match"))
    }
