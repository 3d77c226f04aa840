"""The benchmarks by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import cast

from benchmarks.record import Options, Result
from twinlens.errors import ConfigError, nearest

BENCHMARKS = {
    "omniglot": "one-shot accuracy on Omniglot under three protocols",
    "losses": "Lake's accuracy of every loss with every comparator that makes sense",
    "train_speed": "images a second and time to learn, against pytorch-metric-learning",
    "train_memory": "peak memory of training on Omniglot and on 100,000 pictures",
    "faces": "people never trained on: verification on LFW and ORL, identification on ORL",
    "robustness": "how much worse faces are told apart in bad light, pose, blur and the like",
    "signatures": "offline signatures of writers never trained on, against skilled forgeries",
    "online_signatures": "pen movements of users never trained on, against skilled forgeries",
    "paraphrase": "same or different, and how alike, on pairs of sentences: Quora, MRPC, STS",
    "answers": "which sentence answers a question, and whether any does: WikiQA, SemEval CQA",
    "matching": "records of two sources that are the same thing: Abt-Buy, DBLP-ACM, dirty DBLP-ACM",
    "intents": "intents never trained on, by ten examples each, and what is none of them",
    "text_speed": "texts embedded a second, against sentence-transformers with the same weights",
    "grad_cache": "peak memory of a large batch that passes through the encoder in parts",
    "gallery": "search speed, durable adds and size of a gallery, beside LanceDB and Milvus Lite",
    "retrieval": "search among classes never trained on, beside pytorch-metric-learning",
    "duplicates": "changed copies of photos, by one threshold, beside perceptual hashes",
    "open_set": "whether galleries keep strangers out as promised, and whom they still recognise",
    "crash": "kills at random moments: whether a gallery holds what it reported",
    "trust": "whether promised error rates come true on identities never seen",
}
"""Name -> what it measures. Each is a module of this package."""


def benchmark(name: str) -> Callable[[Options], Result]:
    """The `run` function of a benchmark; its module is imported only now.

    Raises:
        ConfigError: no such benchmark.
    """
    if name not in BENCHMARKS:
        raise ConfigError(
            f"The benchmark must be a known one. Got {name!r}. {nearest(name, BENCHMARKS)}"
        )
    module = importlib.import_module(f"benchmarks.{name}")
    return cast(Callable[[Options], Result], module.run)
