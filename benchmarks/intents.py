"""Intents never trained on, told by ten examples each, and what is none of them.

CLINC150: a model is trained on 100 of the 150 intents; the other 50 are enrolled in a gallery with
ten training utterances each. Their test utterances, and those out of scope, search it.

* `accuracy_in_scope`: share of the former whose nearest template is of the right intent.
* `out_of_scope_recall`: share of the latter that are less alike any template than the threshold
  under which 5 % of those in scope lie.

Each seed draws the intents and the examples. Settings were chosen on a third of the 100 intents
that seed 0 trains on. Beside it, in the same run: TF-IDF cosine and averaged word vectors.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from benchmarks.record import Anchor, Metric, Options, Result, over_seeds
from benchmarks.texts import clinc, mean_vectors, unit, vectors_file, word_vectors
from benchmarks.trained import ALL_TO_TRAIN, Figures, train_and_test
from twinlens.bundle import Bundle
from twinlens.config import Config, load_config
from twinlens.data.dataset import Dataset
from twinlens.gallery import Entry, Gallery, Space
from twinlens.types import Example, FloatArray

SEEDS = 3
UNSEEN = 50
EXAMPLES = 10
REJECTED = 0.05
"""Share of utterances in scope that the threshold lets go."""
STEPS, QUICK_STEPS = 200, 20
SETTINGS = (
    *ALL_TO_TRAIN,
    "modality=text",
    "modality.level=word",
    "modality.vocabulary=14000",
    "modality.letters=16384",
    "modality.width=512",
    "modality.frozen=true",
    "modality.token_dropout=0.2",
    "encoder=weighted_average",
    "encoder.dim=1024",
    "encoder.dropout=0.2",
    "encoder.kept=0.5",
    "comparator=cosine",
    "loss=supcon",
    "train.warmup_steps=20",
    "train.ema=0.99",
    "train.precision=float32",
)
_METRICS = (("accuracy_in_scope", "accuracy", 0.85), ("out_of_scope_recall", "rate", 0.50))


@dataclass(frozen=True, slots=True)
class Task:
    """What one seed drew.

    Attributes:
        known: utterances to train on.
        enrolled: templates of the intents never trained on, with the intent of each.
        asked: test utterances of these intents, with the intent of each.
        others: test utterances out of scope.
    """

    known: Dataset
    enrolled: list[tuple[str, str]]
    asked: list[tuple[str, str]]
    others: list[str]


def run(options: Options) -> Result:
    """Train and test for every seed."""
    tasks = {seed: drawn(options, seed) for seed in options.seed_range(SEEDS)}
    runs = [one(task, seed, options) for seed, task in tasks.items()]
    vectors = word_vectors(options.data)
    baselines = {
        "TF-IDF cosine": tfidf,
        "averaged vectors": lambda texts: unit(mean_vectors(texts, vectors)),
    }
    peers = {
        name: [trivial(task, embed) for task in tasks.values()] for name, embed in baselines.items()
    }

    def metric(key: str, unit: str, goal: float) -> Metric:
        anchors = tuple(
            Anchor(round(float(np.mean([f[key] for f in found])), 3), f"{name}, this run")
            for name, found in peers.items()
        )
        return over_seeds(key, [f[key] for f in runs], unit=unit, goal=goal, anchors=anchors)

    metrics = tuple(metric(*given) for given in _METRICS)
    return Result(metrics, tuple(tasks), {"runs": runs, "baselines": peers})


def drawn(options: Options, seed: int) -> Task:
    """Which intents are known, which examples are enrolled."""
    train, test = clinc(options.data, "train"), clinc(options.data, "test")
    rng = np.random.default_rng(seed)
    intents = sorted({intent for _, intent in train})
    unseen = {intents[i] for i in rng.permutation(len(intents))[:UNSEEN]}
    enrolled: list[tuple[str, str]] = []
    for intent in sorted(unseen):
        texts = [text for text, its in train if its == intent]
        enrolled += [(texts[i], intent) for i in rng.permutation(len(texts))[:EXAMPLES]]
    examples = {text: intent for text, intent in train if intent not in unseen}
    known = tuple(Example(t, intent, fields={"text": t}) for t, intent in examples.items())
    asked = [(text, intent) for text, intent in test if intent in unseen]
    others = [text for text, _ in clinc(options.data, "oos_test")]
    return Task(Dataset(Path("clinc150"), known), enrolled, asked, others)


def configuration(options: Options, seed: int) -> Config:
    """Of one seed; a quick run is a short one."""
    steps = QUICK_STEPS if options.quick else STEPS
    vectors = f'modality.vectors="{vectors_file(options.data)}"'
    return load_config(None, [*SETTINGS, vectors, f"train.steps={steps}", f"seed={seed}"])


def one(task: Task, seed: int, options: Options) -> Figures:
    """Train, enrol in a real gallery and ask."""

    def tested(bundle: Bundle) -> Figures:
        queries = [*(text for text, _ in task.asked), *task.others]
        with tempfile.TemporaryDirectory() as place:
            space = Space(bundle.fingerprint, bundle.siamese.dim, "inner_product")
            with Gallery.create(Path(place) / "intents", space, log_searches=False) as gallery:
                entries = [
                    Entry(f"{number:032x}", intent, text)
                    for number, (text, intent) in enumerate(task.enrolled)
                ]
                gallery.add(bundle.embed([text for text, _ in task.enrolled]), entries)
                hits = [found[0] for found in gallery.search(bundle.embed(queries), k=1)]
        scores = np.array([hit.score for hit in hits])
        return figures(task, scores, [str(hit.item.entry.identity) for hit in hits])

    config = configuration(options, seed)
    return train_and_test(f"intents-{seed}", task.known, config, tested, options)


def figures(task: Task, scores: FloatArray, named: Sequence[str]) -> Figures:
    """Of the best score of each query and whose it was; those in scope first."""
    count = len(task.asked)
    right = [name == intent for name, (_, intent) in zip(named, task.asked, strict=False)]
    threshold = np.quantile(scores[:count], REJECTED)
    return {
        "accuracy_in_scope": float(np.mean(right)),
        "out_of_scope_recall": float(np.mean(scores[count:] < threshold)),
    }


def trivial(task: Task, embed: Callable[[Sequence[str]], FloatArray]) -> Figures:
    """The same by unit vectors that nothing was learned for."""
    queries = [*(text for text, _ in task.asked), *task.others]
    vectors = embed([*(text for text, _ in task.enrolled), *queries])
    scores = vectors[len(task.enrolled) :] @ vectors[: len(task.enrolled)].T
    named = [task.enrolled[place][1] for place in scores.argmax(axis=1)]
    return figures(task, scores.max(axis=1), named)


def tfidf(texts: Sequence[str]) -> FloatArray:
    """Bags of words, weighed by how rare each is in these texts. Unit vectors."""
    return TfidfVectorizer().fit_transform(texts).toarray()
