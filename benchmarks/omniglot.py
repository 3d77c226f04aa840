"""One-shot classification on Omniglot under several protocols, each training from scratch.

* `lake_accuracy_30_alphabets`: trained on the 30 background alphabets, tested on Lake's 20 runs.
* `lake_accuracy_no_configuration`: the same by the defaults, which keep some alphabets to choose by
  and some for a test.
* `lake_accuracy_minimal`: trained on 5 alphabets only (mean over the two minimal sets).
* `vinyals_5way_1shot`, `vinyals_20way_1shot`: 1,200 characters of all 50 alphabets train, the other
  423 test, each with its quarter turns as further characters; 1,000 episodes. The original lists of
  characters are not in the data, so each seed draws its own 1,200.

No choice of any kind looks at what is tested: see configs/omniglot.toml.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lake import SMALL_1, SMALL_2, lake_accuracy, pixel_accuracy, read_runs
from benchmarks.record import Anchor, Metric, Options, Result, over_seeds
from benchmarks.trained import Figures, train_and_test
from twinlens.bundle import Bundle
from twinlens.config import load_config
from twinlens.data.dataset import Dataset
from twinlens.data.manifest import read_dataset
from twinlens.evaluation.one_shot import one_shot_accuracy
from twinlens.siamese import Siamese
from twinlens.types import FloatArray, IntArray

CONFIG = Path(__file__).parent / "configs" / "omniglot.toml"
SEEDS = {"lake": 5, "defaults": 3, "small_1": 3, "small_2": 3, "vinyals": 3}
STEPS = {"lake": 6000, "small_1": 4000, "small_2": 4000, "vinyals": 6000}
"""Steps, not minutes, so that a seed gives the same weights again; the notes tell the minutes."""
QUICK_STEPS = 60
TRAIN_CHARACTERS = 1200
EPISODES = 1000
HUMAN = Anchor(0.955, "human, Lake et al. 2015")
ARC = Anchor(0.985, "attentive recurrent comparators, Shyam et al. 2017")
KOCH = Anchor(0.920, "convolutional Siamese network (39 M parameters), Koch et al. 2015")
PROTO = Anchor(0.863, "prototypical network, in Lake et al. 2019")


def run(options: Options) -> Result:
    """Train and test every protocol and seed; with --parts, some protocols only."""
    parts = {
        "lake": lambda: _lake(options, "lake"),
        "defaults": lambda: _lake(options, "defaults"),
        "small_1": lambda: _lake(options, "small_1", SMALL_1),
        "small_2": lambda: _lake(options, "small_2", SMALL_2),
        "vinyals": lambda: [
            vinyals(options, seed) for seed in options.seed_range(SEEDS["vinyals"])
        ],
    }
    found = {name: part() for name, part in parts.items() if options.wants(name)}
    runs = read_runs(options.data.unpacked("images/omniglot_oneshot_runs.zip"))
    notes = [f"Nearest neighbour on pixels, Lake's runs: {pixel_accuracy(runs):.3f}."]
    notes += [
        f"{name}: {figures[0]['parameters']:,} parameters, {figures[0]['steps']:,} steps in "
        f"{max(f['seconds'] for f in figures) / 60:.1f} minutes at most."
        for name, figures in found.items()
    ]
    return Result(metrics(found), options.seed_range(max(SEEDS.values())), {"runs": found},
                  tuple(notes))  # fmt: skip


def _lake(options: Options, protocol: str, names: Sequence[str] | None = None) -> list[Figures]:
    """Train on background alphabets, all or these, and test on Lake's runs; for every seed."""
    dataset = read_dataset(options.data.unpacked("images/omniglot_background.zip"))
    if names is not None:
        dataset = alphabets(dataset, names)
    runs = read_runs(options.data.unpacked("images/omniglot_oneshot_runs.zip"))

    def test(bundle: Bundle) -> Figures:
        return {"accuracy": lake_accuracy(bundle.siamese, runs)}

    return [
        trained(protocol, dataset, seed, test, options)
        for seed in options.seed_range(SEEDS[protocol])
    ]


def metrics(found: Mapping[str, list[Figures]]) -> tuple[Metric, ...]:
    """The figures of the protocols that were run, each the mean over seeds with its interval."""
    made: list[Metric] = []
    if "lake" in found:
        made.append(
            over_seeds(
                "lake_accuracy_30_alphabets",
                [figures["accuracy"] for figures in found["lake"]],
                unit="accuracy",
                goal=0.97,
                beyond=0.985,
                anchors=(HUMAN, ARC, KOCH, PROTO),
            )
        )
    if "defaults" in found:
        accuracies = [figures["accuracy"] for figures in found["defaults"]]
        key = "lake_accuracy_no_configuration"
        made.append(over_seeds(key, accuracies, unit="accuracy", goal=0.95, anchors=(HUMAN,)))
    if "small_1" in found and "small_2" in found:
        minimal = [
            (one["accuracy"] + two["accuracy"]) / 2
            for one, two in zip(found["small_1"], found["small_2"], strict=True)
        ]
        made.append(
            over_seeds("lake_accuracy_minimal", minimal, unit="accuracy", goal=0.94, beyond=0.96)
        )
    if "vinyals" in found:
        made += [
            over_seeds(
                f"vinyals_{ways}way_1shot",
                [figures[f"{ways}_way"] for figures in found["vinyals"]],
                unit="accuracy",
                goal=goal,
                beyond=beyond,
                anchors=(Anchor(anchor, "prototypical networks, Snell et al. 2017"),),
            )
            for ways, goal, beyond, anchor in ((5, 0.985, 0.99, 0.988), (20, 0.955, 0.97, 0.960))
        ]
    return tuple(made)


def trained(
    protocol: str,
    dataset: Dataset,
    seed: int,
    test: Callable[[Bundle], Figures],
    options: Options,
) -> Figures:
    """One training of a protocol; a quick one is a short one."""
    steps = QUICK_STEPS if options.quick else STEPS.get(protocol)
    changes = [f"seed={seed}", *([f"train.steps={steps}"] if steps else [])]
    config = load_config(None if protocol == "defaults" else CONFIG, changes)
    return train_and_test(f"{protocol}-{seed}", dataset, config, test, options)


def vinyals(options: Options, seed: int) -> Figures:
    """Train on 1,200 characters of both sets and test on episodes of the other 423."""
    both = _joined(
        read_dataset(options.data.unpacked("images/omniglot_background.zip")),
        read_dataset(options.data.unpacked("images/omniglot_evaluation.zip")),
    )
    order = np.random.default_rng(seed).permutation(both.labels().max() + 1)
    known = order[both.labels()] < TRAIN_CHARACTERS
    unseen = both.subset(np.flatnonzero(~known))

    def test(bundle: Bundle) -> Figures:
        embeddings, labels = turned(bundle.siamese, unseen)
        return {
            f"{ways}_way": one_shot_accuracy(
                embeddings, labels, bundle.siamese, ways=ways, shots=1, episodes=EPISODES, seed=seed
            ).accuracy.value
            for ways in (5, 20)
        }

    return trained("vinyals", both.subset(np.flatnonzero(known)), seed, test, options)


def turned(siamese: Siamese, dataset: Dataset) -> tuple[FloatArray, IntArray]:
    """Embeddings of all examples under all four quarter turns, and labels that tell turns apart."""
    modality = siamese.modality
    arrays = [modality.prepare(modality.load(ref)) for ref in dataset.refs()]
    embeddings = [
        siamese.embed(modality.collate([np.rot90(array, turn, (1, 2)) for array in part]))
        for turn in range(4)
        for part in _parts(arrays, 500)
    ]
    labels = [dataset.labels() * 4 + turn for turn in range(4)]
    return np.concatenate(embeddings), np.concatenate(labels)


def alphabets(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """The examples of these alphabets only."""
    return dataset.subset(np.array([i for i, e in enumerate(dataset.examples) if e.group in names]))


def _joined(one: Dataset, two: Dataset) -> Dataset:
    return dataclasses.replace(one, examples=one.examples + two.examples)


def _parts(arrays: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [arrays[i : i + size] for i in range(0, len(arrays), size)]
