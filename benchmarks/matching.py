"""Which records are the same thing: products of two shops, papers of two libraries.

DeepMatcher's pairs and split: F1 of the class "same" on test pairs, at the threshold that is best
on validation pairs. The fields of a record are one text, as where a table gives records; of
products only the names are read. No outside text.

* `abt_buy`: products; `dblp_acm`: papers; `dblp_acm_dirty`: the same with values in wrong columns.

Settings were chosen on validation pairs. Beside it, in the same run: TF-IDF cosine.

Source:
    Mudgal et al. Deep learning for entity matching: a design space exploration. SIGMOD 2018 (data,
    split and anchors).
"""

from __future__ import annotations

import json

import numpy as np

from benchmarks.data import DataFolder
from benchmarks.paraphrase import PRESET
from benchmarks.record import Anchor, Metric, Options, Result, over_seeds
from benchmarks.texts import TextPairs, f1, tfidf_scores
from benchmarks.trained import ALL_TO_TRAIN, Figures, train_and_test
from twinlens.bundle import Bundle
from twinlens.config import load_config
from twinlens.functional.metrics import roc_auc
from twinlens.types import BoolArray, FloatArray

SEEDS = 3
QUICK_STEPS = 20
SHARED = ("modality.width=128", "comparator.hidden=64", "sampler.balanced=true")
"""Half of each batch are matches."""
STEPS = {"abt_buy": 1000, "dblp_acm": 1500, "dblp_acm_dirty": 1500}
FIELDS = {"abt_buy": ("name",)}
"""Fields that are read; all where none are named."""
GOALS = {"abt_buy": (0.63, 0.75), "dblp_acm": (0.975, None), "dblp_acm_dirty": (0.97, None)}
DEEPMATCHER = {"abt_buy": 0.628, "dblp_acm": 0.984, "dblp_acm_dirty": 0.981}


def run(options: Options) -> Result:
    """Train and test every data set and seed; with --parts, some data sets only."""
    metrics: list[Metric] = []
    details: Figures = {}
    for name in filter(options.wants, STEPS):
        train, valid, test = (records(options.data, name, s) for s in ("train", "valid", "test"))
        runs = [one(name, train, valid, test, s, options) for s in options.seed_range(SEEDS)]
        peer = decided(tfidf_scores(valid, train), valid.same, tfidf_scores(test, train), test.same)
        goal, beyond = GOALS[name]
        anchors = (
            Anchor(round(peer["f1"], 3), "TF-IDF cosine, this run"),
            Anchor(DEEPMATCHER[name], "DeepMatcher, Mudgal et al. 2018"),
        )
        metrics.append(
            over_seeds(
                f"{name}_f1", [f["f1"] for f in runs], unit="F1", goal=goal, beyond=beyond,
                anchors=anchors,
            )
        )  # fmt: skip
        details[name] = {"runs": runs, "baseline": peer}
    return Result(tuple(metrics), options.seed_range(SEEDS), details)


def records(data: DataFolder, name: str, side: str) -> TextPairs:
    """Pairs of records, each as the text of its filled fields."""
    path = data.unpacked(f"other/em_{name}.zip") / f"{side}.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def text(record: dict[str, str]) -> str:
        kept = FIELDS.get(name, tuple(record))
        return " ".join(record[field] for field in kept if record[field]) or "-"

    left, right = (tuple(text(row[side]) for row in rows) for side in ("left", "right"))
    return TextPairs(left, right, np.array([float(row["label"]) for row in rows]))


def one(
    name: str, train: TextPairs, valid: TextPairs, test: TextPairs, seed: int, options: Options
) -> Figures:
    """Train for one seed and test once."""

    def tested(bundle: Bundle) -> Figures:
        return decided(valid.scores(bundle), valid.same, test.scores(bundle), test.same)

    steps = QUICK_STEPS if options.quick else STEPS[name]
    config = load_config(
        None, [*ALL_TO_TRAIN, *SHARED, f"train.steps={steps}", f"seed={seed}"], preset=PRESET
    )
    return train_and_test(f"matching-{name}-{seed}", train.dataset(name), config, tested, options)


def decided(valid: FloatArray, valid_same: BoolArray, test: FloatArray, same: BoolArray) -> Figures:
    """F1 at the threshold of the greatest F1 on validation pairs, and ROC-AUC."""
    threshold = best_threshold(valid, valid_same)
    return {
        "f1": f1(test >= threshold, same),
        "roc_auc": roc_auc(test, same),
        "valid_f1": f1(valid >= threshold, valid_same),
    }


def best_threshold(scores: FloatArray, same: BoolArray) -> float:
    """The threshold of the greatest F1.

    >>> best_threshold(np.array([0.1, 0.4, 0.6]), np.array([False, True, True]))
    0.4
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(same[order])
    value = 2 * hits / (np.arange(1, len(scores) + 1) + same.sum())
    ends = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # equal scores go together
    return float(scores[order][ends[np.argmax(value[ends])]])
