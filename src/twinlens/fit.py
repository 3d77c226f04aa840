"""From a folder of examples to a saved model: what `twinlens train` does."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from twinlens.assemble import build_modality, build_siamese
from twinlens.bundle import Bundle
from twinlens.config import Config, from_table, resolved, to_table
from twinlens.data.cache import ArrayStore, default_cache_folder, open_store
from twinlens.data.dataset import Dataset
from twinlens.data.duplicates import content_hashes, identity_hash
from twinlens.data.manifest import read_dataset
from twinlens.data.samplers import default_sampler
from twinlens.data.splits import Splits, split
from twinlens.errors import ConfigError, EvidenceError, TrainingError
from twinlens.evaluation.suite import evaluate_embeddings, evaluate_pairs
from twinlens.losses.base import Loss
from twinlens.miners import default_miner
from twinlens.modalities.base import Modality
from twinlens.registry import Component, build, lookup
from twinlens.siamese import Siamese
from twinlens.training.checkpoint import read_header
from twinlens.training.doctor import Symptoms, diagnose
from twinlens.training.history import Listener, Progress, Silent
from twinlens.training.loop import Ingredients, Trainer
from twinlens.training.validation import OneShot, embed_store, validator_for
from twinlens.types import IntArray

NONE = Component("none")
"""Stands for "no miner" in a resolved configuration."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Decoded examples of each side; None where a side is empty."""

    train: ArrayStore
    validation: ArrayStore | None
    test: ArrayStore | None


def fit(
    data: Path | Dataset,
    out: Path,
    *,
    config: Config | None = None,
    resume: bool = False,
    overwrite: bool = False,
    listener: Listener | None = None,
) -> Bundle:
    """Train a Siamese network on the examples in `data` and save it as a bundle at `out`.

    Work in progress lies in `out` + ".training" until the bundle is complete.

    Args:
        data: folder of examples, CSV or JSONL; or a data set that has been read.
        out: folder of the bundle to be.
        config: defaults when None; when resuming, what the run was started with.
        resume: go on from the last checkpoint.
        overwrite: replace an existing bundle and discard an unfinished training.
        listener: told of progress.

    Raises:
        DataError, ConfigError, TrainingError, BundleError: see their messages.
        KeyboardInterrupt: after Ctrl-C; the state is saved.
    """
    listener = listener or Silent()
    folder = out.with_name(out.name + ".training")
    Bundle.require_free(out, overwrite=overwrite)
    config = _begin(folder, config, resume=resume, overwrite=overwrite)
    dataset = data if isinstance(data, Dataset) else read_dataset(data, group=config.data.group)
    sides = _split(dataset, config)
    config = settle(config, sides.train)
    if resume:
        _require_same(config, from_table(read_header(_checkpoint(folder))[1]))
    listener.update(Progress(0, config.train.steps, message=_describe(sides)))
    stores = open_stores(sides, config, listener)
    trainer = build_trainer(sides, stores, config, folder, listener)
    siamese = trainer.run(resume=resume)
    train = dataclasses.replace(config.train, precision=trainer.state.precision)
    bundle = Bundle.save(
        out,
        siamese=siamese,
        config=dataclasses.replace(config, train=train),
        evidence=_evidence(trainer, siamese, sides, stores),
        overwrite=overwrite,
    )
    shutil.rmtree(folder)
    return bundle


def settle(config: Config, train: Dataset) -> Config:
    """Replace every "auto" by what the training data shows, and check that all fits together.

    Raises:
        ConfigError: loss, comparator, miner and data do not go together.
    """
    modality_class: type[Modality] = lookup("modality", config.modality.name)
    settings = modality_class.settle(config.modality.settings, train.refs(config.modality.name))
    sampler = config.sampler
    if sampler.name == "auto":
        sampler = Component(default_sampler(train), sampler.settings)
    config = dataclasses.replace(
        config,
        modality=Component(config.modality.name, settings),
        sampler=sampler,
        miner=_miner(config, train),
    )
    _check_loss(config, train)
    return resolved(config)


def open_stores(sides: Splits, config: Config, listener: Listener) -> Stores:
    """Decode what is not yet in the cache and open each side of the split."""
    modality = build_modality(config)
    folder = Path(config.data.cache) if config.data.cache else default_cache_folder()

    def opened(side: Dataset) -> ArrayStore:
        def report(done: int, total: int) -> None:
            message = f"decoding {done} of {total}"
            listener.update(Progress(0, config.train.steps, message=message))

        return open_store(
            side.refs(config.modality.name),
            modality,
            fingerprint=modality.fingerprint(),
            folder=folder,
            progress=report,
        )

    return Stores(
        opened(sides.train),
        opened(sides.validation) if len(sides.validation) else None,
        opened(sides.test) if len(sides.test) else None,
    )


def build_trainer(
    sides: Splits, stores: Stores, config: Config, folder: Path, listener: Listener
) -> Trainer:
    """Network, loss, miner, sampler and validator of a settled configuration."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        siamese = build_siamese(config)
        sampler = build(
            "sampler", config.sampler, sides.train, siamese.modality.variants, config.seed
        )
        loss: Loss = build("loss", config.loss, siamese.dim, sampler.classes)
    miner = None if config.miner.name == NONE.name else build("miner", config.miner)
    validate = validator_for(sides.validation, stores.validation, config.seed)
    if validate is None and len(sides.validation):
        message = "the validation identities cannot be scored: the last weights will be kept"
        listener.update(Progress(0, config.train.steps, message=message))
    ingredients = Ingredients(siamese, loss, miner, sampler, stores.train, validate)
    return Trainer(ingredients, config, folder, listener)


def _begin(folder: Path, config: Config | None, *, resume: bool, overwrite: bool) -> Config:
    """The configuration to run with, and a work folder in the right state."""
    checkpoint = _checkpoint(folder)
    if resume:
        if not checkpoint.exists():
            raise TrainingError(
                f"--resume needs a checkpoint. Got none at {checkpoint}. Train without --resume."
            )
        return config or from_table(read_header(checkpoint)[1])
    if checkpoint.exists() and not overwrite:
        raise TrainingError(
            f"{folder} must not hold an unfinished training. Got its checkpoint. "
            "Go on with --resume, or discard it with --overwrite."
        )
    if folder.exists():
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise TrainingError(
            f"{folder} must be writable. Got: {error.strerror}. Choose another --out."
        ) from error
    return resolved(config or Config())


def _checkpoint(folder: Path) -> Path:
    return folder / "checkpoint.safetensors"


def _split(dataset: Dataset, config: Config) -> Splits:
    shares = config.data
    refs = dataset.refs(config.modality.name)
    hashes = dict(zip([e.id for e in dataset.examples], content_hashes(refs), strict=True))
    return split(
        dataset,
        validation_share=shares.validation_share,
        test_share=shares.test_share,
        seed=config.seed,
        content=hashes,
    )


def _miner(config: Config, train: Dataset) -> Component:
    """The miner that the loss needs on this data; given pairs and triplets are not mined."""
    consumes = lookup("loss", config.loss.name).consumes
    if consumes == "labels" or train.kind != "labels":
        if config.miner.name not in ("auto", NONE.name):
            why = (
                f"the loss {config.loss.name!r} takes labels"
                if consumes == "labels"
                else f"the data gives {train.kind}"
            )
            raise ConfigError(
                f"miner must be left out, since {why}. Got {config.miner.name!r}. Remove it."
            )
        return NONE
    if config.miner.name == "auto":
        return Component(default_miner(consumes), config.miner.settings)
    produces = lookup("miner", config.miner.name).produces
    if produces != consumes:
        raise ConfigError(
            f"miner must produce {consumes} for the loss {config.loss.name!r}. "
            f"Got {config.miner.name!r}, which produces {produces}. "
            f"Take miner={default_miner(consumes)}."
        )
    return config.miner


def _check_loss(config: Config, train: Dataset) -> None:
    loss: type[Loss] = lookup("loss", config.loss.name)
    if loss.needs_learned and config.comparator.name != "learned":
        raise ConfigError(
            f"comparator must be 'learned' for the loss {config.loss.name!r}, which needs a "
            f"logit. Got {config.comparator.name!r}. Set comparator=learned."
        )
    allowed = {
        "labels": ("labels", "pairs", "triplets"),
        "pairs": ("pairs",),
        "triplets": ("triplets", "pairs"),
    }[train.kind]
    if loss.consumes not in allowed:
        raise ConfigError(
            f"loss must take {' or '.join(allowed)}, which is what the data gives. Got "
            f"{config.loss.name!r}, which takes {loss.consumes}. "
            f"Try loss={'triplet' if train.kind == 'triplets' else 'contrastive'}."
        )


def _require_same(config: Config, started: Config) -> None:
    """Refuse to resume with a configuration that would lead elsewhere."""
    now, then = to_table(config), to_table(started)
    changed = [key for key in now if now[key] != then.get(key)]
    if changed:
        raise TrainingError(
            f"--resume needs the configuration and data that the run was started with. "
            f"Got a change in: {', '.join(changed)}. Leave --config and --set out, or start anew."
        )


def _describe(sides: Splits) -> str:
    def count(side: Dataset) -> str:
        return f"{len(side)} examples of {len(side.identities())} identities"

    parts = [f"train: {count(sides.train)}"]
    parts += [f"validation: {count(sides.validation)}"] if len(sides.validation) else []
    parts += [f"test: {count(sides.test)}"] if len(sides.test) else []
    return "; ".join(parts)


def _evidence(trainer: Trainer, siamese: Siamese, sides: Splits, stores: Stores) -> dict[str, Any]:
    """All that is known about the run: on whom it was trained, how it went, how good it is."""
    named = {"train": sides.train, "validation": sides.validation, "test": sides.test}
    refs = {name: side.refs(trainer.config.modality.name) for name, side in named.items()}
    return {
        "data": {"name": sides.train.root.name, "kind": sides.train.kind},
        "split": dataclasses.asdict(sides.audit),
        "identities": {
            name: [identity_hash(i) for i in side.identities()] for name, side in named.items()
        },
        "content": {name: sorted(content_hashes(of)) for name, of in refs.items()},
        "training": _run_facts(trainer),
        "history": trainer.history.thinned(),
        "evaluation": _test(siamese, sides.test, stores.test, trainer.config.seed),
        "doctor": [dataclasses.asdict(f) for f in _findings(trainer, siamese, sides, stores)],
    }


def _run_facts(trainer: Trainer) -> dict[str, Any]:
    state, lines = trainer.state, trainer.history.lines
    return {
        "steps": state.step,
        "seconds": state.seconds,
        "precision": state.precision,
        "threads": torch.get_num_threads(),
        "images_per_second": float(np.median([x.images_per_second for x in lines])),
        "parameters": sum(p.numel() for p in trainer.siamese.parameters()),
        "best_step": state.best_step if state.best_score is not None else None,
        "best_validation": state.best_score,
    }


def _test(
    siamese: Siamese, test: Dataset, store: ArrayStore | None, seed: int
) -> Mapping[str, Any]:
    """The figures on the test side, or why there are none."""
    if store is None:
        return {"absent": "no identities were kept for a test (data.test_share)"}
    embeddings = embed_store(siamese, store, np.arange(len(test)))
    try:
        if test.pairs is not None:
            pairs = test.pairs
            scores = siamese.score(embeddings[pairs.left], embeddings[pairs.right])
            return evaluate_pairs(scores, pairs.same, pairs.left, pairs.right, seed=seed).to_dict()
        if test.triplets is not None:
            triplets = test.triplets
            near = siamese.score(embeddings[triplets.anchor], embeddings[triplets.positive])
            far = siamese.score(embeddings[triplets.anchor], embeddings[triplets.negative])
            return {"triplet_accuracy": float(np.mean(near > far)), "triplets": len(triplets)}
        return evaluate_embeddings(
            embeddings, test.labels(), siamese, groups=test.groups(), seed=seed
        ).to_dict()
    except EvidenceError as error:
        return {"absent": str(error)}


def _findings(trainer: Trainer, siamese: Siamese, sides: Splits, stores: Stores) -> list[Any]:
    unseen = stores.validation is not None and len(sides.validation) >= 2
    side = sides.validation if unseen else sides.train
    store = stores.validation if unseen and stores.validation is not None else stores.train
    positions: IntArray = np.arange(len(side))[:2000]
    embeddings = embed_store(siamese, store, positions)
    labels = side.labels()[positions]
    if labels.min(initial=0) < 0:  # pairs or triplets only: each example stands for itself
        labels = positions
    known = sides.train.labels()
    seen = OneShot.of(sides.train, stores.train, trainer.config.seed)
    by_labels = isinstance(trainer.validate, OneShot)
    return diagnose(
        Symptoms(
            trainer.history.lines,
            embeddings,
            labels,
            np.bincount(known[known >= 0]),
            seen(siamese) if seen is not None and by_labels else None,
            trainer.state.best_score if by_labels else None,
        )
    )
