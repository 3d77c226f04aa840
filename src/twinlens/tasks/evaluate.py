"""How good a model is on a data set, counting only identities that its training never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from twinlens.bundle import Bundle
from twinlens.calibration import Calibration, Normalised
from twinlens.data.cache import Progress
from twinlens.data.dataset import Dataset
from twinlens.data.duplicates import content_hashes, identity_hash
from twinlens.data.manifest import as_dataset, read_inputs
from twinlens.data.units import units_of
from twinlens.errors import DataError, EvidenceError, nearest
from twinlens.evaluation.drift import drift
from twinlens.evaluation.group_errors import Column
from twinlens.evaluation.ranking import are_lists
from twinlens.evaluation.result import Drift, Evaluation
from twinlens.evaluation.suite import Caps, evaluate_embeddings, evaluate_pairs
from twinlens.evaluation.triplets import evaluate_triplets
from twinlens.siamese import Siamese
from twinlens.types import BoolArray, FloatArray, Scorer

WEIGHTS = ("train", "validation", "earlier")
"""Whom the weights depend on: sides of the split, and those of the model it went on from."""

MOST_LEARNED_SCORES = 5_000_000
"""Scores computed for retrieval where each takes a network (20 s), not an inner product."""


@dataclass(frozen=True, slots=True)
class Tested:
    """Figures of a model on a data set, and what they were made from.

    Attributes:
        evaluation: the figures.
        dataset: what was evaluated, without what was left out.
        embeddings: of its examples, [n, dim].
        seen_examples: whose content or identity training saw.
        seen_included: whether they count all the same, or were left out.
        drift: of new inputs from these; None when none were given.
    """

    evaluation: Evaluation
    dataset: Dataset
    embeddings: FloatArray
    seen_examples: int
    seen_included: bool
    drift: Drift | None = None


def evaluate(
    bundle: Bundle,
    data: Path | str | Dataset,
    *,
    include_seen: bool = False,
    by: str | None = None,
    new: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Tested:
    """Evaluate a model on unseen identities, or on pairs or triplets of unseen examples.

    What training or its validation saw is left out: files with the same bytes, and all examples
    of an identity of the same name or with such a file.

    Args:
        bundle: the model.
        data: folder, CSV or JSONL; or a data set that has been read.
        include_seen: count them all the same, which measures memory, not generalisation.
        by: column of the manifest, or "group", whose groups' errors are told apart.
        new: folder or table of inputs without labels, to be held against the evaluated ones.
        seed: of the episodes and of the bootstrap.
        progress: told of (inputs embedded, inputs).

    Raises:
        DataError: the data cannot be read.
        EvidenceError: nothing unseen is left, or it cannot carry any figure.
        ConfigError: the data has identities, and the comparator is not symmetric.
    """
    config = bundle.config
    data = as_dataset(data, config)
    seen = seen_examples(data, bundle, calibrated=True)
    count, shorter = int(seen.sum()), 0
    if count and not include_seen:
        shorter = _shorter_lists(data, seen)
        data = data.subset(np.flatnonzero(~seen))
        if not len(data):
            raise EvidenceError(
                f"{data.root} must hold identities that training did not see. Got {count} "
                "examples, all of them seen. Evaluate on other data; --include-seen counts them, "
                "which measures memory."
            )
    embeddings = bundle.embed(data.refs(config.modality.name), progress=progress)
    figures = evaluate_dataset(
        embeddings,
        data,
        bundle.siamese,
        calibration=bundle.calibration,
        by=None if by is None else column_of(data, by),
        normalised=bundle.normalised,
        seed=seed,
    )
    if shorter:
        limit = f"questions that are ranked without candidates that training saw: {shorter:,}"
        figures = replace(figures, limits=(*figures.limits, limit))
    shift = None
    if new is not None:
        inputs = bundle.embed(read_inputs(new, modality=config.modality.name), progress=progress)
        shift = drift(embeddings, data.labels(), inputs, bundle.siamese, seed=seed)
    return Tested(figures, data, embeddings, count, include_seen, shift)


def _shorter_lists(data: Dataset, seen: BoolArray) -> int:
    """How many questions that were not seen have candidates that were. [n] whether seen."""
    if data.pairs is None:
        return 0
    left, known = data.pairs.left, seen[data.pairs.right]
    of_new = ~seen[left]
    if not are_lists(left[of_new & ~known]):
        return 0
    return len(np.unique(left[of_new & known]))


def column_of(data: Dataset, name: str) -> Column:
    """A column of a data set's manifest; "group" is the group.

    Raises:
        DataError: no example has it.
    """
    texts = [e.group if name == "group" else e.extra.get(name) for e in data.examples]
    if not any(texts):
        known = sorted({key for e in data.examples for key in e.extra} | {"group"})
        raise DataError(
            f"--by must name a column of the data. Got {name!r}. {nearest(name, known)}"
        )
    return Column.of(name, texts)


def evaluate_dataset(
    embeddings: FloatArray,
    dataset: Dataset,
    siamese: Siamese,
    *,
    calibration: Calibration | None = None,
    by: Column | None = None,
    normalised: Normalised | None = None,
    seed: int,
) -> Evaluation:
    """The figures that the data set's labels, pairs or triplets carry. [n, dim] embeddings.

    Args:
        embeddings: of its examples.
        dataset: what is known of them.
        siamese: scores embeddings.
        calibration: fitted on other identities, to be judged on these.
        by: groups examples, for the errors of each group.
        normalised: scores in place of `siamese`, and measures the embeddings first.
        seed: of the episodes and of the bootstrap.

    Raises:
        EvidenceError: they carry none.
        ConfigError: they are labels, and the comparator is not symmetric.
    """
    scorer: Scorer = siamese
    if normalised is not None:
        scorer, embeddings = normalised, normalised.measured(embeddings)
    if dataset.pairs is not None:
        pairs = dataset.pairs
        scores = scorer.score(embeddings[pairs.left], embeddings[pairs.right])
        return evaluate_pairs(
            scores,
            pairs.same,
            pairs.left,
            pairs.right,
            grades=pairs.grade,
            calibration=calibration,
            seed=seed,
        )
    if dataset.triplets is not None:
        triplets = dataset.triplets
        near = scorer.score(embeddings[triplets.anchor], embeddings[triplets.positive])
        far = scorer.score(embeddings[triplets.anchor], embeddings[triplets.negative])
        parts = units_of(dataset).of()[triplets.anchor]
        return evaluate_triplets(near, far, parts, examples=len(dataset), seed=seed)
    siamese.require_symmetric("an evaluation on identities")
    return evaluate_embeddings(
        embeddings,
        dataset.labels(),
        scorer,
        groups=dataset.groups(),
        calibration=calibration,
        by=by,
        seed=seed,
        caps=Caps(scores=MOST_LEARNED_SCORES) if siamese.comparator.indexable is None else None,
    )


def seen_examples(
    dataset: Dataset,
    bundle: Bundle,
    *,
    calibrated: bool,
    content: Mapping[str, str] | None = None,
) -> BoolArray:
    """Which examples the model depends on, by the hashes that it keeps. [n] bool.

    Args:
        dataset: to look through.
        bundle: the model.
        calibrated: whether those count too on which thresholds and probabilities were fitted.
        content: example id -> hash of its content, by a caller who has read them all.
    """
    sides = (*WEIGHTS, "calibration") if calibrated else WEIGHTS
    identities = hashes_of(bundle, "identities", sides)
    contents = hashes_of(bundle, "content", sides)
    if calibrated and bundle.calibration is not None:
        identities |= set(bundle.calibration.data["identity_hashes"])
        if (normalisation := bundle.calibration.normalisation) is not None:
            identities |= set(normalisation.data["identity_hashes"])
    if not identities and not contents:
        return np.zeros(len(dataset), np.bool_)
    if content is None:
        by_value = bundle.siamese.modality.by_value
        hashes = content_hashes(dataset.refs(bundle.config.modality.name), by_value=by_value)
    else:
        hashes = [content[example.id] for example in dataset.examples]
    known = np.array([key in contents for key in hashes], np.bool_)
    names = [example.identity or example.imitates for example in dataset.examples]
    tainted = {name for name, is_known in zip(names, known, strict=True) if is_known and name}
    tainted |= {name for name in names if name is not None and identity_hash(name) in identities}
    return known | np.array([name in tainted for name in names], np.bool_)


def hashes_of(
    bundle: Bundle, kind: Literal["identities", "content"], sides: Sequence[str] = WEIGHTS
) -> set[str]:
    """Hashes that a model keeps in place of names or of files."""
    kept: dict[str, Any] = bundle.evidence.get(kind, {})
    return {value for side in sides for value in kept.get(side, ())}
