"""Train a model and test it, once.

What was found is kept beside the results, so that a benchmark of many trainings can be cut off and
goes on where it stopped, and every figure behind a mean can be looked up.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.record import RESULTS, Options, commit
from twinlens.atomic import write_bytes
from twinlens.bundle import Bundle
from twinlens.config import Config, dump_config
from twinlens.data.dataset import Dataset
from twinlens.fit import fit

Figures = dict[str, Any]
_FACTS = ("seconds", "steps", "parameters", "examples_per_second")


def train_and_test(
    name: str,
    dataset: Dataset,
    config: Config,
    test: Callable[[Bundle], Figures],
    options: Options,
) -> Figures:
    """The figures of `test`, and what the training took.

    A training of the same name and configuration is not done again; its figures name the commit
    that it ran at.

    Args:
        name: of this training.
        dataset: trained on.
        config: with its seed.
        test: measures the trained model.
        options: those of a quick run are kept in the cache.
    """
    key = hashlib.sha256(dump_config(config).encode()).hexdigest()[:12]
    folder = options.data.cache if options.quick else RESULTS
    kept = folder / "runs" / f"{name}-{key}.json"
    if kept.exists():
        return json.loads(kept.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as place:
        bundle = fit(dataset, Path(place) / "model", config=config)
    facts: dict[str, Any] = bundle.evidence["training"]
    figures = {
        **test(bundle),
        "seed": config.seed,
        **{name: facts[name] for name in _FACTS},
        "commit": commit(),
    }
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(kept, f"{json.dumps(figures, indent=1)}\n".encode())
    print(f"{name} {figures}", flush=True)
    return figures
