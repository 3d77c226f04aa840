"""Which of the candidates answers the question, and does any: trained from scratch on small data.

* `wikiqa`: mean average precision and reciprocal rank over the 243 test questions that have a right
  sentence, trained on the 2,118 training questions; and how well the best score tells the other
  390 questions apart, which have none. A candidate is a sentence and its place in its article;
  `wikiqa_sentence_map` and `_mrr` are without the place.
* `cqa`: comments (part A) and related questions (part B) of SemEval-2016 task 3, in five folds by
  question, against the order in which forum and search engine gave them. A candidate of part A is a
  comment and its place in its thread.

Every setting was chosen on WikiQA's development questions, and on thirds of the training ones (upon
preset `texts`); test questions are scored once. Part A of cqa takes the same settings as they are;
part B, which has no more than 670 pairs, no bilinear form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from benchmarks.paraphrase import PRESET, QUICK_STEPS
from benchmarks.record import Anchor, Metric, Options, Result, over_seeds
from benchmarks.texts import (
    TextPairs,
    averaged_scores,
    bm25_scores,
    cqa,
    tfidf_scores,
    wikiqa,
    word_vectors,
)
from benchmarks.trained import ALL_TO_TRAIN, Figures, train_and_test
from twinlens.bundle import Bundle
from twinlens.config import Config, load_config
from twinlens.evaluation.ranking import evaluate_ranking
from twinlens.types import FloatArray

SEEDS = {"wikiqa": 3, "cqa": 1}
FOLDS = 5
CHANGES = (
    "modality.vocabulary=30000",
    "modality.width=128",
    "comparator.hidden=0",
    "comparator.dropout=0",
    "sampler.balanced=true",
    "train.steps=400",
)
FITTED = ("comparator.bilinear=true", "train.weight_decay=1")
"""Which common words go together, where thousands of pairs tell."""
READERS = (
    Anchor(0.689, "attentive pooling, dos Santos et al. 2016"),
    Anchor(0.652, "convolutional network with counts of shared words, Yang et al. 2015"),
)
"""Of the sentences alone, with word vectors from large text."""


def run(options: Options) -> Result:
    """Train and test every part and seed; with --parts, some only."""
    parts: dict[str, Callable[[Options], tuple[list[Metric], Figures]]] = {
        "wikiqa": _wikiqa,
        "cqa": _cqa,
    }
    found = {name: part(options) for name, part in parts.items() if options.wants(name)}
    metrics = tuple(metric for made, _ in found.values() for metric in made)
    details = {name: kept for name, (_, kept) in found.items()}
    return Result(metrics, options.seed_range(max(SEEDS.values())), details)


def settings(options: Options, seed: int, *, fitted: bool = True) -> Config:
    """With the bilinear form or without; a quick run is a short one."""
    steps = [f"train.steps={QUICK_STEPS}"] if options.quick else []
    more = [*(FITTED if fitted else ()), *steps, f"seed={seed}"]
    return load_config(None, [*ALL_TO_TRAIN, *CHANGES, *more], preset=PRESET)


def _runs(
    name: str, train: TextPairs, test: TextPairs, options: Options, seeds: Iterable[int]
) -> list[Figures]:
    """Train and test for every seed."""
    dataset = train.dataset(name)

    def tested(bundle: Bundle) -> Figures:
        return ranked(test, test.scores(bundle))

    return [
        train_and_test(f"{name}-{seed}", dataset, settings(options, seed), tested, options)
        for seed in seeds
    ]


def _wikiqa(options: Options) -> tuple[list[Metric], Figures]:
    train, test = (wikiqa(options.data, side) for side in ("train", "test"))
    seeds = options.seed_range(SEEDS["wikiqa"])
    placed = _runs("wikiqa", train.placed(), test.placed(), options, seeds)
    alone = _runs("wikiqa-sentence", train, test, options, seeds)
    peers = {
        "BM25": ranked(test, bm25_scores(test, test.right)),
        "TF-IDF cosine": ranked(test, tfidf_scores(test, train)),
        "averaged vectors": ranked(test, averaged_scores(test, word_vectors(options.data))),
        "order in the article": ranked(test, -np.arange(len(test), dtype=np.float64)),
    }
    metrics = [
        _over("wikiqa_map", "map", "MAP", placed, peers, READERS, goal=0.69, beyond=0.72),
        _over("wikiqa_mrr", "mrr", "MRR", placed, peers, goal=0.70),
        _over("no_answer_auc", "answerable_auc", "AUC", placed, peers, goal=0.70),
        _over("wikiqa_sentence_map", "map", "MAP", alone, peers, READERS),
        _over("wikiqa_sentence_mrr", "mrr", "MRR", alone, peers),
    ]
    return metrics, {"runs": placed, "sentence_runs": alone, "baselines": peers}


def _cqa(options: Options) -> tuple[list[Metric], Figures]:
    metrics: list[Metric] = []
    kept: Figures = {}
    for part in ("A", "B"):
        pairs = cqa(options.data, part)
        peers = {
            "given order": ranked(pairs, -np.arange(len(pairs), dtype=np.float64)),
            "BM25": ranked(pairs, bm25_scores(pairs, pairs.right)),
        }
        given = pairs.placed() if part == "A" else pairs
        runs = [_folds(part, given, seed, options) for seed in options.seed_range(SEEDS["cqa"])]
        key = f"cqa_{part.lower()}_map"
        metrics.append(_over(key, "map", "MAP", runs, peers, goal=peers["given order"]["map"]))
        kept[part] = {"runs": runs, "baselines": peers}
    return metrics, kept


def _folds(part: str, pairs: TextPairs, seed: int, options: Options) -> Figures:
    """Train on four fifths of the questions and rank the rest, five times."""
    fold = np.random.default_rng(seed).permutation(pairs.question.max() + 1) % FOLDS
    of_pair = fold[pairs.question]
    config = settings(options, seed, fitted=part == "A")
    scores = np.zeros(len(pairs))
    for number in range(1 if options.quick else FOLDS):
        rest = pairs.chosen(of_pair == number)
        dataset = pairs.chosen(of_pair != number).dataset(f"cqa-{part}")

        def tested(bundle: Bundle, rest: TextPairs = rest) -> Figures:
            return {"scores": rest.scores(bundle).tolist()}

        found = train_and_test(f"cqa-{part}-{number}-{seed}", dataset, config, tested, options)
        scores[of_pair == number] = found["scores"]
    return ranked(pairs, scores)


def ranked(pairs: TextPairs, scores: FloatArray) -> Figures:
    """Figures of an order of candidates, without intervals: those over seeds are given."""
    figures = evaluate_ranking(scores, pairs.same, pairs.question)
    values = {name: metric.value for name, metric in figures.metrics.items()}
    return {
        **values,
        "map_low": figures.metrics["map"].low,
        "map_high": figures.metrics["map"].high,
    }


def _over(
    key: str,
    figure: str,
    unit: str,
    runs: list[Figures],
    peers: Mapping[str, Figures],
    anchors: tuple[Anchor, ...] = (),
    **rest: float,
) -> Metric:
    beside = tuple(Anchor(p[figure], f"{peer}, this run") for peer, p in peers.items())
    values = [f[figure] for f in runs]
    return over_seeds(key, values, unit=unit, anchors=(*beside, *anchors), **rest)
