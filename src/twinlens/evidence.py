"""What a model's folder tells of its training: on whom, how it went, how good it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from twinlens.bundle import Bundle
from twinlens.calibration import Calibration, Cohort, normalised_by
from twinlens.data.duplicates import identity_hash
from twinlens.data.splits import SideAudit, Splits
from twinlens.errors import EvidenceError
from twinlens.siamese import Siamese
from twinlens.tasks.evaluate import evaluate_dataset, hashes_of
from twinlens.training.doctor import Finding, diagnose
from twinlens.training.examiner import Examiner
from twinlens.training.loop import Trainer
from twinlens.training.validation import OneShot, embed_store
from twinlens.types import Store


@dataclass(frozen=True, slots=True)
class Stores:
    """Decoded examples of each side; None where a side is empty."""

    train: Store
    validation: Store | None
    calibration: Store | None
    test: Store | None


@dataclass(frozen=True, slots=True)
class Run:
    """A training: its loop, whom it sees, their decoded examples, the hash of each file, and the
    model that it goes on from."""

    trainer: Trainer
    sides: Splits
    stores: Stores
    content: Mapping[str, str]
    start: Bundle | None = None


def evidence_of(
    run: Run, siamese: Siamese, calibration: Calibration | None, cohort: Cohort | None
) -> dict[str, Any]:
    """All that is known about a run: on whom it was trained, how it went, how good it is.

    Args:
        run: that has ended.
        siamese: the network that it gave.
        calibration: what its scores mean, which is tested too.
        cohort: that it normalises scores by, if it does.
    """
    named = run.sides.sides()
    train = run.sides.train
    return {
        "data": {"name": train.root.name, "kind": train.kind},
        "split": _nameless(run.sides),
        "identities": {
            **{name: [identity_hash(i) for i in side.identities()] for name, side in named.items()},
            "earlier": _earlier(run.start, "identities"),
        },
        "content": {
            **{
                name: sorted({run.content[e.id] for e in side.examples})
                for name, side in named.items()
            },
            "earlier": _earlier(run.start, "content"),
        },
        "training": _run_facts(run.trainer),
        "history": run.trainer.history.thinned(),
        "evaluation": _test(run, siamese, calibration, cohort),
        "doctor": [dataclasses.asdict(finding) for finding in _findings(run, siamese)],
    }


def _earlier(start: Bundle | None, kind: Literal["identities", "content"]) -> list[str]:
    """Whom the first weights depend on already, as hashes."""
    return [] if start is None else sorted(hashes_of(start, kind))


def _nameless(sides: Splits) -> dict[str, Any]:
    """The audit with counts in place of names, since a model travels further than its data."""

    def counted(side: SideAudit) -> dict[str, int]:
        table = dataclasses.asdict(side)
        return {k: len(v) if isinstance(v, Sequence) else v for k, v in table.items()}

    audit = dataclasses.asdict(sides.audit)
    del audit["shared_content"]
    return {**audit, **{name: counted(getattr(sides.audit, name)) for name in sides.sides()}}


def _run_facts(trainer: Trainer) -> dict[str, Any]:
    state, lines = trainer.state, trainer.history.lines
    return {
        "run": state.run,
        "start": state.start,
        "steps": state.step,
        "seconds": state.seconds,
        "precision": state.precision,
        "device": state.device,
        "threads": torch.get_num_threads(),
        "examples_per_second": float(np.median([x.examples_per_second for x in lines])),
        "parameters": sum(p.numel() for p in trainer.siamese.parameters()),
        "best_step": state.best_step if state.best_score is not None else None,
        "best_validation": state.best_score,
    }


def _test(
    run: Run, siamese: Siamese, calibration: Calibration | None, cohort: Cohort | None
) -> Mapping[str, Any]:
    """The figures on the test side, or why there are none."""
    test, store, seed = run.sides.test, run.stores.test, run.trainer.config.seed
    if store is None:
        return {"absent": "no identities were kept for a test (data.test_share)"}
    embeddings = embed_store(siamese, store, np.arange(len(test)))
    try:
        figures = evaluate_dataset(
            embeddings,
            test,
            siamese,
            calibration=calibration,
            normalised=normalised_by(siamese, calibration, cohort),
            seed=seed,
        )
    except EvidenceError as error:
        return {"absent": str(error)}
    return figures.to_dict()


def _findings(run: Run, siamese: Siamese) -> list[Finding]:
    trainer, sides, stores = run.trainer, run.sides, run.stores
    examiner = Examiner.of(sides.train, stores.train, sides.validation, stores.validation)
    seen = OneShot.of(sides.train, stores.train, trainer.config.seed)
    by_labels = isinstance(trainer.validate, OneShot)
    symptoms = examiner.symptoms(
        siamese,
        trainer.history.lines,
        train_score=seen(siamese) if seen is not None and by_labels else None,
        validation_score=trainer.state.best_score if by_labels else None,
    )
    return diagnose(symptoms)
