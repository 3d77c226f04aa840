"""From a folder of examples to a saved model: what `twinlens train` does."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from twinlens.assemble import build_modality, build_siamese
from twinlens.atomic import write_bytes
from twinlens.bundle import Bundle, fingerprint
from twinlens.calibration import Calibration, Cohort
from twinlens.calibration.normalise import draw_cohort
from twinlens.config import Config, elsewhere, from_table, resolved, to_table
from twinlens.data.cache import default_cache_folder, open_store
from twinlens.data.dataset import Dataset
from twinlens.data.duplicates import content_hashes
from twinlens.data.manifest import as_dataset
from twinlens.data.memory import MemoryStore
from twinlens.data.problems import ProblemLog
from twinlens.data.splits import Splits, split
from twinlens.data.units import SIDES
from twinlens.errors import BundleError, EvidenceError, TrainingError
from twinlens.evidence import Run, Stores, evidence_of
from twinlens.losses.base import Loss
from twinlens.registry import build, lookup
from twinlens.settle import NONE, settle
from twinlens.siamese import Siamese
from twinlens.tasks.calibrate import calibration_of, cohort_facts
from twinlens.tasks.evaluate import seen_examples
from twinlens.training.checkpoint import read_header
from twinlens.training.examiner import Examiner
from twinlens.training.history import Listener, Progress, Silent
from twinlens.training.loop import Ingredients, Trainer
from twinlens.training.validation import embed_store, validator_for
from twinlens.training.workplace import CHECKPOINT, discard, workplace
from twinlens.types import Store


def fit(
    data: Path | str | Dataset,
    out: Path | str,
    *,
    config: Config | None = None,
    start: Bundle | None = None,
    resume: bool = False,
    overwrite: bool = False,
    listener: Listener | None = None,
) -> Bundle:
    """Train a Siamese network on the examples in `data` and save it as a bundle at `out`.

    Work in progress lies in `out` + ".training" until the bundle is complete. The audit of the
    split, which names who is on which side, is written to `out` + ".audit.json"; the bundle itself
    holds only hashes of names and files.

    With `start`, the first weights are those of a trained model. Whoever its weights depend on
    stays on the side that trains, and the new model knows them as seen: what it is calibrated and
    tested on is new to both.

    Args:
        data: folder of examples, CSV or JSONL; or a data set that has been read.
        out: folder of the bundle to be.
        config: when None, that of `start`, or defaults; when resuming, what the run was started
            with.
        start: a model to go on from, whose encoder and comparator fit.
        resume: go on from the last checkpoint.
        overwrite: replace an existing bundle and discard an unfinished training.
        listener: told of progress.

    Raises:
        DataError, ConfigError, TrainingError, BundleError: see their messages.
        KeyboardInterrupt: after Ctrl-C; the state is saved.
    """
    listener = listener or Silent()
    out = Path(out).absolute()  # so that "." has a name
    if not out.name:
        raise BundleError(f"A model must be a folder with a name. Got {out}. Choose another --out.")
    folder = work_folder(out)
    if resume and (bundle := _finished(out, folder)) is not None:
        return bundle
    Bundle.require_free(out, overwrite=overwrite)
    if config is None and start is not None and not resume:
        config = elsewhere(start.config)
    config = _begin(folder, config, resume=resume, overwrite=overwrite)
    with workplace(folder, resume=resume):
        run = _prepare(data, config, folder, listener, start, resume=resume)
        siamese = run.trainer.run(resume=resume)
        audit = json.dumps(dataclasses.asdict(run.sides.audit), indent=1)
        write_bytes(out.with_name(out.name + ".audit.json"), f"{audit}\n".encode())
        config = run.trainer.resolved
        cohort = _cohort(run, siamese, config)
        calibration, absent = _calibrated(run, siamese, config, cohort)
        bundle = Bundle.save(
            out,
            siamese=siamese,
            config=config,
            evidence={**evidence_of(run, siamese, calibration, cohort), **absent},
            calibration=calibration,
            cohort=cohort,
            overwrite=overwrite,
        )
        discard(folder)
    return bundle


def _cohort(run: Run, siamese: Siamese, config: Config) -> Cohort | None:
    """Some of those trained on, where scores are to be normalised by them."""
    if config.calibration.normalise == "none":
        return None
    train = run.sides.train
    chosen = draw_cohort(train.owners(), np.random.default_rng(config.seed))
    embeddings = embed_store(siamese, run.stores.train, chosen)
    return Cohort(embeddings, cohort_facts(train.subset(chosen)))


def _calibrated(
    run: Run, siamese: Siamese, config: Config, cohort: Cohort | None
) -> tuple[Calibration | None, dict[str, str]]:
    """What scores mean, by the identities kept for it; else a line for the evidence: why not."""
    side, store = run.sides.calibration, run.stores.calibration
    if store is None:
        why = (
            "triplets do not tell what is the same"
            if side.kind == "triplets"
            else "no identities were kept for it (data.calibration_share)"
        )
        return None, {"not_calibrated": why}
    embeddings = embed_store(siamese, store, np.arange(len(side)))
    mark = fingerprint(siamese, config)
    try:
        calibration = calibration_of(
            embeddings,
            side,
            siamese,
            fingerprint=mark,
            settings=config.calibration,
            cohort=cohort,
            seed=config.seed,
        )
    except EvidenceError as error:
        return None, {"not_calibrated": str(error)}
    return calibration, {}


def work_folder(out: Path) -> Path:
    """Where a training works until its model is saved at `out`."""
    return out.with_name(out.name + ".training")


def _finished(out: Path, folder: Path) -> Bundle | None:
    """The model of a run that was cut off between saving it and clearing up, or None."""
    checkpoint = folder / CHECKPOINT
    if not out.exists() or not checkpoint.exists():
        return None
    bundle = Bundle.load(out)
    state, _ = read_header(checkpoint)
    if bundle.evidence["training"]["run"] != state.run:
        return None
    with workplace(folder, resume=True):
        discard(folder)
    return bundle


def _prepare(
    data: Path | str | Dataset,
    config: Config,
    folder: Path,
    listener: Listener,
    start: Bundle | None,
    *,
    resume: bool,
) -> Run:
    """Read, split, settle, decode and build: all that comes before the first step."""
    log = ProblemLog()
    data = as_dataset(data, config, log=log)
    for note in log.notes():
        message = f"{note} {note.training}"
        listener.update(Progress(0, config.train.steps, message=message))
    content = _content(data, config)
    shares = config.data.shares(data.kind)
    known = None if start is None else seen_examples(data, start, calibrated=False, content=content)
    sides = split(data, shares=shares, seed=config.seed, content=content, known=known)
    config = settle(config, sides.train)
    if resume:
        _require_same(config, from_table(read_header(folder / CHECKPOINT)[1]))
    listener.update(Progress(0, config.train.steps, message=_describe(sides)))
    stores = open_stores(sides, content, config, listener)
    digest = _digest(data, content)
    trainer = build_trainer(sides, stores, config, folder, listener, data=digest, start=start)
    return Run(trainer, sides, stores, content, start)


def open_stores(
    sides: Splits, content: Mapping[str, str], config: Config, listener: Listener
) -> Stores:
    """Open each side of the split; of files, decode what is not yet in the cache, all at once.

    Args:
        sides: of the data.
        content: example id -> hash of its content.
        config: settled.
        listener: told of decoding.
    """
    modality = build_modality(config)
    folder = Path(config.data.cache) if config.data.cache else default_cache_folder()

    def report(done: int, total: int) -> None:
        message = f"decoding {done} of {total}"
        listener.update(Progress(0, config.train.steps, message=message, passing=True))

    refs = {name: side.refs(config.modality.name) for name, side in sides.sides().items()}
    known = {
        ref: content[example.id]
        for name, side in sides.sides().items()
        for example, ref in zip(side.examples, refs[name], strict=True)
    }

    def opened(refs: list[str]) -> Store:
        if modality.by_value:
            return MemoryStore(refs, modality, progress=report)
        return open_store(
            refs,
            modality,
            fingerprint=modality.fingerprint(),
            folder=folder,
            content=known,
            progress=report,
        )

    if not modality.by_value:
        opened(list(known))  # so that the unreadable files of all sides are named
    return Stores(
        opened(refs["train"]),
        *(opened(refs[side]) if refs[side] else None for side in SIDES[1:]),
    )


def build_trainer(
    sides: Splits,
    stores: Stores,
    config: Config,
    folder: Path,
    listener: Listener,
    *,
    data: str = "",
    start: Bundle | None = None,
) -> Trainer:
    """Network, loss, miner, sampler and validator of a settled configuration.

    Raises:
        ConfigError: the comparator has sides, and the data, or a cohort, has none; or an example is
            longer than the encoder has positions.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        siamese = build_siamese(config)
        if start is not None:
            _take_weights(siamese, start)
        for side in SIDES:
            if (store := getattr(stores, side)) is not None:
                siamese.require_room(store, side)
        whose = (sides.train.labels(), sides.train.claims())
        siamese.begin(stores.train, *whose, trained=start is not None)
        sampler = build(
            "sampler", config.sampler, sides.train, siamese.modality.variants, config.seed
        )
        loss: Loss = build("loss", config.loss, siamese.dim, sampler.classes)
    if "labels" in (sampler.gives, sampler.consumes):
        siamese.require_symmetric("training on identities, where each is compared with each")
    if config.calibration.normalise != "none":
        siamese.require_symmetric("scores that a cohort normalises")
    miner = None if config.miner.name == NONE.name else build("miner", config.miner)
    validate = validator_for(sides.validation, stores.validation, config.seed)
    if validate is None and len(sides.validation):
        message = "the validation identities cannot be scored: the last weights will be kept"
        listener.update(Progress(0, config.train.steps, message=message))
    examine = Examiner.of(sides.train, stores.train, sides.validation, stores.validation)
    ingredients = Ingredients(siamese, loss, miner, sampler, stores.train, validate, examine)
    mark = "" if start is None else start.fingerprint
    return Trainer(ingredients, config, folder, listener, data=data, start=mark)


def _take_weights(siamese: Siamese, start: Bundle) -> None:
    """Begin with the weights of a trained model.

    Raises:
        TrainingError: it is of another shape.
    """
    try:
        siamese.load_state_dict(start.siamese.state_dict())
    except RuntimeError as error:
        raise TrainingError(
            "--start must be a model whose encoder and comparator fit the configuration. Got "
            f"other weights: {str(error).splitlines()[-1].strip()} Leave --config and --preset "
            "out, to go on with its own."
        ) from error


def _begin(folder: Path, config: Config | None, *, resume: bool, overwrite: bool) -> Config:
    """The configuration to run with, if the folder may be trained in."""
    checkpoint = folder / CHECKPOINT
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
    return resolved(config or Config())


def _content(dataset: Dataset, config: Config) -> dict[str, str]:
    """Example id -> hash of its file, or of the value that it is."""
    name = config.modality.name
    hashes = content_hashes(dataset.refs(name), by_value=lookup("modality", name).by_value)
    return dict(zip([e.id for e in dataset.examples], hashes, strict=True))


def _digest(dataset: Dataset, content: Mapping[str, str]) -> str:
    """Hash of all that is trained on: examples, their content, and what is known of them."""
    digest = hashlib.sha256(dataset.kind.encode())
    for e in dataset.examples:
        digest.update(json.dumps([e.id, e.identity, e.group, content[e.id]]).encode())
    for relations in (dataset.pairs, dataset.triplets):
        if relations is not None:
            for column in dataclasses.astuple(relations):
                digest.update(b"" if column is None else column.tobytes())
    return digest.hexdigest()


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
        identities = len(side.identities())
        return f"{len(side)} examples" + (f" of {identities} identities" if identities else "")

    return "; ".join(f"{name}: {count(side)}" for name, side in sides.sides().items() if len(side))
