"""Train a model and test it, once.

What was found is kept beside the results, so that a benchmark of many trainings can be cut off and
goes on where it stopped, and every figure behind a mean can be looked up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.record import Options, commit, keep
from twinlens.bundle import Bundle
from twinlens.config import Config, from_table, to_table
from twinlens.data.dataset import Dataset
from twinlens.errors import ConfigError
from twinlens.fit import fit

Figures = dict[str, Any]
_FACTS = ("seconds", "steps", "parameters", "examples_per_second", "device")
ALL_TO_TRAIN = tuple(f"data.{side}_share=0" for side in ("validation", "calibration", "test"))
"""Settings: everyone to train on, nobody to choose by; what is tested is no part of the data."""
_APART = ("calibration",)
"""Parts of a configuration that weights do not depend on."""


def train_and_test(
    name: str,
    dataset: Dataset,
    config: Config,
    test: Callable[[Bundle], Figures],
    options: Options,
    start: Bundle | None = None,
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
        start: a model that the training goes on from.
    """
    kept = options.folder / "runs" / f"{name}.json"
    if kept.exists():
        record = json.loads(kept.read_text(encoding="utf-8"))
        figures = record["figures"]
        if _same(record["config"], config) and figures.get("start", "") == _mark(start):
            return figures
    bundle = trained_model(name, dataset, config, options, start)
    figures = {**test(bundle), **_facts(bundle)}
    keep(kept, {"figures": figures, "config": to_table(config)})
    print(f"{name} {figures}", flush=True)
    return figures


def trained_model(
    name: str, dataset: Dataset, config: Config, options: Options, start: Bundle | None = None
) -> Bundle:
    """A trained model, kept in the cache with its configuration and taken from there."""
    place = model_path(name, options)
    asked = place.with_name(place.name + ".config.json")
    if place.exists() and asked.exists() and _same(json.loads(asked.read_text()), config):
        bundle = Bundle.load(place)
        if bundle.evidence["training"].get("start", "") == _mark(start):
            return bundle
    bundle = fit(dataset, place, config=config, start=start, overwrite=True)
    keep(asked, to_table(config))
    return bundle


def model_path(name: str, options: Options) -> Path:
    """Where `trained_model` keeps a model."""
    return options.data.cache / "models" / f"{name}{'-quick' if options.quick else ''}"


def _same(kept: Mapping[str, Any], config: Config) -> bool:
    """Whether a training was asked for by the same settings; one added since is at its default."""
    try:
        then, now = to_table(from_table(kept)), to_table(config)
    except ConfigError:  # a setting that no longer exists
        return False
    return all(then[key] == now[key] for key in now if key not in _APART)


def _mark(start: Bundle | None) -> str:
    return "" if start is None else start.fingerprint


def _facts(bundle: Bundle) -> Figures:
    facts: Mapping[str, Any] = bundle.evidence["training"]
    seed = bundle.config.seed
    start = {"start": facts["start"]} if facts.get("start") else {}
    return {
        "seed": seed,
        **start,
        **{key: facts[key] for key in _FACTS if key in facts},
        "commit": commit(),
    }
