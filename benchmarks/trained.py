"""Train a model and test it, once.

What was found is kept in the cache, so that a benchmark that was cut off goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.record import Options, commit
from twinlens.atomic import write_bytes
from twinlens.bundle import Bundle
from twinlens.config import Config, dump_config
from twinlens.data.dataset import Dataset
from twinlens.fit import fit

Figures = dict[str, Any]
_FACTS = ("seconds", "steps", "parameters", "images_per_second")


def train_and_test(
    name: str,
    dataset: Dataset,
    config: Config,
    test: Callable[[Bundle], Figures],
    options: Options,
) -> Figures:
    """The figures of `test`, and what the training took.

    A training of the same name and configuration is taken from the cache; its figures name the
    commit that it ran at.

    Args:
        name: of this training.
        dataset: trained on.
        config: with its seed.
        test: measures the trained model.
        options: say where the cache is.
    """
    key = hashlib.sha256(dump_config(config).encode()).hexdigest()[:12]
    kept = options.data.cache / "runs" / f"{name}-{key}.json"
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
    write_bytes(kept, json.dumps(figures).encode())
    print(f"{name} {figures}", flush=True)
    return figures
