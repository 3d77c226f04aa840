"""Whom `trust` tries promises on: identities or pairs of a data set, and a model of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks import answers, faces, online_signatures, paraphrase, signatures
from benchmarks.lfw import read_lfw
from benchmarks.omniglot import CONFIG
from benchmarks.record import Options
from benchmarks.texts import TextPairs, quora, wikiqa
from benchmarks.trained import trained_model
from twinlens.bundle import Bundle
from twinlens.config import load_config
from twinlens.data.dataset import Dataset
from twinlens.data.manifest import read_dataset
from twinlens.siamese import Siamese
from twinlens.tasks.comparisons import Impostors, compare_all
from twinlens.types import Compared, FloatArray

COMPARISONS = 500_000
"""Impostor comparisons of each half."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Identities that a model of some fingerprint was not trained on, embedded by it."""

    model: str
    dataset: Dataset
    embeddings: FloatArray
    siamese: Siamese
    impostors: Impostors = "all"

    @property
    def units(self) -> int:
        """Identities."""
        return len(self.dataset.identities())

    def compare(self, units: Sequence[int], seed: int) -> Compared:
        """All comparisons among some identities."""
        chosen = np.flatnonzero(np.isin(self.dataset.owners(), units))
        return compare_all(
            self.embeddings[chosen],
            self.dataset.subset(chosen),
            self.siamese,
            impostors=self.impostors,
            seed=seed,
            most=COMPARISONS,
        )


@dataclass(frozen=True, slots=True)
class Scored:
    """All comparisons that there are, made once: where each takes long, or pairs are given."""

    model: str
    every: Compared

    @property
    def units(self) -> int:
        """Identities, or connected parts of the given pairs."""
        return self.every.units

    def compare(self, units: Sequence[int], _seed: int) -> Compared:
        """All comparisons among some units."""
        sides = np.isin(self.every.left, units), np.isin(self.every.right, units)
        return self.every.chosen(sides[0] & sides[1])


Tried = Subject | Scored


def omniglot(options: Options) -> Subject:
    """The 659 characters of the evaluation set, by a model trained on the background set."""
    evaluation = read_dataset(options.data.unpacked("images/omniglot_evaluation.zip"))
    return subject_of(omniglot_model(options), evaluation)


def omniglot_model(options: Options) -> Bundle:
    """The model of the background set."""
    background = read_dataset(options.data.unpacked("images/omniglot_background.zip"))
    steps = 40 if options.quick else 1500
    config = load_config(CONFIG, [f"train.steps={steps}", "modality.views=1"])
    return trained_model("trust-omniglot", background, config, options)


def lfw_people(options: Options) -> list[Subject]:
    """The people of each of LFW's folds, by a model of the other folds; one when quick."""
    lfw = read_lfw(options.data.unpacked("images/lfw_faces_dev.zip"))
    return [
        subject_of(
            faces.face_model(lfw, [fold], options),
            lfw.dataset.subset(np.flatnonzero(lfw.folds_of_people() == fold)),
        )
        for fold in (faces.FOLDS[:1] if options.quick else faces.FOLDS)
    ]


def orl_people(options: Options) -> Subject:
    """The 40 people of ORL, by a model of LFW: it knows other people from other cameras."""
    lfw = read_lfw(options.data.unpacked("images/lfw_faces_dev.zip"))
    orl = read_dataset(options.data.unpacked("images/orl_att_faces.zip"))
    return subject_of(faces.face_model(lfw, faces.FOLDS[:1], options), orl)


def writers(options: Options, impostors: Impostors) -> Scored:
    """60 writers of BHSig Hindi, by a model of the other 100."""
    bhsig = read_dataset(options.data.unpacked("images/signatures_bhsig_hindi.zip"))
    known, unseen = signatures.halves(bhsig, signatures.TRAIN_WRITERS)
    config = signatures.configuration("bhsig", 0, options)
    bundle = trained_model("signatures-bhsig-0", known, config, options)
    return scored_once(subject_of(bundle, unseen, impostors))


def pens(options: Options, impostors: Impostors) -> Scored:
    """The 40 users of SVC2004's second task, by a model of the first task's: without pressure."""
    tasks = online_signatures.read_tasks(options)
    config = online_signatures.configuration(0, options, pressure=False)
    bundle = trained_model("online-task1", tasks[1], config, options)
    return scored_once(subject_of(bundle, tasks[2], impostors))


def scored_once(subject: Subject) -> Scored:
    """Where a comparison takes long, all are made at once."""
    return Scored(subject.model, subject.compare(range(subject.units), 0))


def paraphrases(options: Options) -> Scored:
    """Pairs of Quora's questions of which neither was trained on."""
    train, test = (quora(options.data, side) for side in ("train", "test"))
    config = paraphrase.settings("quora", options, 0)
    bundle = trained_model("quora-0", train.dataset("quora"), config, options)
    return scored_pairs(bundle, test.apart_from(train))


def answered(options: Options) -> Scored:
    """Questions of WikiQA with sentences, none of which was trained on."""
    train, test = (wikiqa(options.data, side) for side in ("train", "test"))
    config = answers.settings(options, 0)
    name = "wikiqa-sentence"
    bundle = trained_model(f"{name}-0", train.dataset(name), config, options)
    return scored_pairs(bundle, test.apart_from(train))


def scored_pairs(bundle: Bundle, pairs: TextPairs) -> Scored:
    """Given pairs, each once, with the units that a calibration counts."""
    dataset = pairs.dataset("pairs")
    embeddings = bundle.embed(dataset.refs(bundle.config.modality.name), batch_size=256)
    return Scored(bundle.fingerprint, compare_all(embeddings, dataset, bundle.siamese))


def subject_of(bundle: Bundle, dataset: Dataset, impostors: Impostors = "all") -> Subject:
    embeddings = bundle.embed(dataset.refs(bundle.config.modality.name))
    return Subject(bundle.fingerprint, dataset, embeddings, bundle.siamese, impostors)
