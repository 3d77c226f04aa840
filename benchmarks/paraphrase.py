"""Are two sentences paraphrases, and how alike are they: trained from scratch on small data.

* `quora`: accuracy on the 10,000 balanced test pairs of the sample, trained on 32,000 pairs.
* `mrpc`: accuracy and F1 on the 1,725 test pairs, trained on 3,576.
* `sts`: Pearson's correlation on the 1,379 test pairs, trained on 5,749.

A threshold is chosen on development pairs, and so is every setting (preset `texts`); test pairs
are scored once. No outside text but the small word vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy import stats

from benchmarks.record import Anchor, Metric, Options, Result, over_seeds
from benchmarks.texts import (
    TextPairs,
    averaged_scores,
    bm25_scores,
    f1,
    mrpc,
    quora,
    sts,
    tfidf_scores,
    vectors_file,
    word_vectors,
)
from benchmarks.trained import ALL_TO_TRAIN, Figures, train_and_test
from twinlens.bundle import Bundle
from twinlens.config import Config, load_config
from twinlens.data.dataset import Dataset
from twinlens.functional.metrics import roc_auc
from twinlens.types import BoolArray, FloatArray

PRESET = "texts"
SEEDS = 3
QUICK_STEPS = 20
TRAINED = (
    "modality.frozen=false",
    "comparator.whole=true",
    "comparator.hidden=64",
    "comparator.dropout=0.2",
    "train.learning_rate=0.002",
)
"""Vectors are trained too: for tens of thousands of pairs."""
CHANGES: Mapping[str, tuple[str, ...]] = {
    "quora": (
        *TRAINED,
        "modality.token_dropout=0.1",
        "data.validation_share=0.03",
        "sampler.batch=128",
        "train.steps=1000",
        "train.validate_every=100",
    ),
    "mrpc": ("modality.vocabulary=2000", "train.weight_decay=0.1", "train.steps=400"),
    "sts": ("modality.vocabulary=4000", "train.steps=800", "loss=graded"),
}
"""What each data set changes in the shared settings."""
WITH_VECTORS = ("quora", "sts")
"""Data sets that gain from the small word vectors."""
LSTM = Anchor(
    0.826, "Siamese LSTM trained on all 384,000 pairs, Wang et al. 2017; other test pairs"
)
READERS = (
    Anchor(0.727, "attention, no pretraining but word vectors, brmson/dataset-sts"),
    Anchor(0.696, "TF-IDF, brmson/dataset-sts"),
)
READERS_F1 = (
    Anchor(0.810, "attention, no pretraining but word vectors, brmson/dataset-sts"),
    Anchor(0.812, "TF-IDF, brmson/dataset-sts"),
)


def run(options: Options) -> Result:
    """Train and test every data set and seed; with --parts, some data sets only."""
    parts = {"quora": _quora, "mrpc": _mrpc, "sts": _sts}
    found = {name: part(options) for name, part in parts.items() if options.wants(name)}
    notes = [
        f"{name}: {figures[0]['parameters']:,} parameters, {figures[0]['steps']:,} steps in "
        f"{max(f['seconds'] for f in figures) / 60:.1f} minutes at most."
        for name, (figures, _) in found.items()
    ]
    metrics = [metric for name, parts in found.items() for metric in _metrics(name, *parts)]
    details = {name: {"runs": runs, "baselines": peers} for name, (runs, peers) in found.items()}
    return Result(tuple(metrics), options.seed_range(SEEDS), details, tuple(notes))


Found = tuple[list[Figures], Mapping[str, Figures]]
"""Figures of each seed, and of each baseline."""


def settings(name: str, options: Options, seed: int) -> Config:
    """Of one data set; a quick run is a short one."""
    more = [f"train.steps={QUICK_STEPS}"] if options.quick else []
    if name in WITH_VECTORS:
        more.append(f'modality.vectors="{vectors_file(options.data)}"')
    return load_config(None, [*ALL_TO_TRAIN, *CHANGES[name], *more, f"seed={seed}"], preset=PRESET)


def over(
    name: str, dataset: Dataset, test: Callable[[Bundle], Figures], options: Options
) -> list[Figures]:
    """Train and test for every seed."""
    return [
        train_and_test(f"{name}-{seed}", dataset, settings(name, options, seed), test, options)
        for seed in options.seed_range(SEEDS)
    ]


def _quora(options: Options) -> Found:
    train, dev, test = (quora(options.data, side) for side in ("train", "dev", "test"))
    return _decided("quora", train, dev, test, options)


def _mrpc(options: Options) -> Found:
    train, dev, test = (mrpc(options.data, side) for side in ("train", "dev", "test"))
    return _decided("mrpc", train, dev, test, options)


def _decided(
    name: str, train: TextPairs, dev: TextPairs, test: TextPairs, options: Options
) -> Found:
    """Same or different, by a threshold that is chosen on development pairs."""

    def tested(bundle: Bundle) -> Figures:
        return decided(dev.scores(bundle), dev.same, test.scores(bundle), test.same)

    vectors = word_vectors(options.data)
    candidates = [*train.left, *train.right]
    baselines: dict[str, Callable[[TextPairs], FloatArray]] = {
        "TF-IDF cosine": lambda pairs: tfidf_scores(pairs, train),
        "BM25": lambda pairs: bm25_scores(pairs, candidates),
        "averaged vectors": lambda pairs: averaged_scores(pairs, vectors),
    }
    peers = {
        peer: decided(score(dev), dev.same, score(test), test.same)
        for peer, score in baselines.items()
    }
    return over(name, train.dataset(name), tested, options), peers


def decided(dev: FloatArray, dev_same: BoolArray, test: FloatArray, same: BoolArray) -> Figures:
    """Accuracy and F1 at the threshold that is most accurate on development pairs, and ROC-AUC."""
    threshold = best_threshold(dev, dev_same)
    said = test >= threshold
    return {
        "accuracy": float((said == same).mean()),
        "f1": f1(said, same),
        "roc_auc": roc_auc(test, same),
        "dev_accuracy": float(((dev >= threshold) == dev_same).mean()),
    }


def best_threshold(scores: FloatArray, same: BoolArray) -> float:
    """The threshold with the most right answers: midway between two scores.

    >>> best_threshold(np.array([0.1, 0.4, 0.6]), np.array([False, False, True]))
    0.5
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hit = scores[order], same[order]
    right = np.cumsum(np.where(hit, 1, -1))  # against answering "different" to all
    ends = np.flatnonzero(np.diff(ranked, append=-np.inf))  # equal scores are accepted together
    best = ends[np.argmax(right[ends])]
    if best + 1 == len(ranked):
        return float(ranked[best])
    return float((ranked[best] + ranked[best + 1]) / 2)


def _sts(options: Options) -> Found:
    train, test = (sts(options.data, side) for side in ("train", "test"))
    vectors = word_vectors(options.data)

    def correlated(scores: FloatArray) -> Figures:
        ranks = stats.rankdata(scores), stats.rankdata(test.grade)
        return {
            "pearson": float(np.corrcoef(scores, test.grade)[0, 1]),
            "spearman": float(np.corrcoef(*ranks)[0, 1]),
        }

    def tested(bundle: Bundle) -> Figures:
        return correlated(1 / (1 + np.exp(-test.scores(bundle))))

    peers = {
        "TF-IDF cosine": correlated(tfidf_scores(test, train)),
        "BM25": correlated(bm25_scores(test, [*train.left, *train.right])),
        "averaged vectors": correlated(averaged_scores(test, vectors)),
    }
    return over("sts", train.dataset("sts", graded=True), tested, options), peers


def _metrics(name: str, runs: list[Figures], peers: Mapping[str, Figures]) -> list[Metric]:
    """The figures of one data set, each the mean over seeds, against baselines of this run."""

    def metric(
        key: str, figure: str, unit: str, anchors: tuple[Anchor, ...] = (), **rest: float
    ) -> Metric:
        beside = tuple(Anchor(p[figure], f"{peer}, this run") for peer, p in peers.items())
        values = [f[figure] for f in runs]
        return over_seeds(key, values, unit=unit, anchors=(*beside, *anchors), **rest)

    if name == "quora":
        return [
            metric(
                "quora_sample_accuracy", "accuracy", "accuracy", (LSTM,), goal=0.80, beyond=0.83
            ),
            metric("quora_sample_roc_auc", "roc_auc", "AUC"),
        ]
    if name == "mrpc":
        return [
            metric("mrpc_accuracy", "accuracy", "accuracy", READERS, goal=0.735, beyond=0.76),
            metric("mrpc_f1", "f1", "F1", READERS_F1, goal=0.815, beyond=0.83),
        ]
    return [
        metric("sts_pearson", "pearson", "correlation", goal=0.72, beyond=0.76),
        metric("sts_spearman", "spearman", "correlation"),
    ]
