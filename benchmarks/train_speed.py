"""Training speed against pytorch-metric-learning: images a second, and seconds to learn.

Both sides train the same network, from the same weights, on the same Omniglot files, with the same
batch size, loss, optimiser, precision and strength of augmentation, in turn (A B A B ...) in one
run. Elastic warping and weight averaging are off, since the other side has neither.

* `images_per_second_ratio_to_pml` compares the training loops alone, decoding included for the
  side that decodes as it goes; twinlens decodes beforehand, once.
* `..._to_pml_in_memory` lets the other side keep every decoded picture in memory.
* `seconds_to_lake_90_...` counts from files to 90 % on Lake's 20 runs: decoding included for
  both, the scoring of Lake's runs for neither. Here how batches are composed counts too.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from pytorch_metric_learning.losses import SupConLoss

from benchmarks import peer
from benchmarks.lake import Run, lake_accuracy, read_runs
from benchmarks.record import Anchor, Metric, Options, Result
from twinlens.assemble import build_siamese
from twinlens.config import Config, load_config
from twinlens.data.cache import open_store
from twinlens.data.dataset import Dataset
from twinlens.data.manifest import read_dataset
from twinlens.modalities.image import Image
from twinlens.registry import build
from twinlens.settle import settle
from twinlens.siamese import Siamese
from twinlens.training.history import Progress
from twinlens.training.loop import Ingredients, Trainer
from twinlens.training.optimisation import faster_precision

TARGET = 0.9
SETTINGS = (
    "modality.elastic=0.0",
    "modality.stroke_width=0.0",
    "sampler.identities=40",
    "sampler.examples=4",
    "loss.temperature=0.1",
    "train.schedule=constant",
    "train.ema=0.0",
)
WORKERS = (1, 2, 3)
"""Numbers of worker processes tried for the other side; the fastest is taken."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a side trains: to the target, but for `least` to `most` steps.

    Attributes:
        every: steps a speed is taken over; Lake's runs are scored as often.
    """

    least: int = 250
    most: int = 4000
    every: int = 50


@dataclass(slots=True)
class Trace:
    """How one training went.

    Attributes:
        rates: images a second of each group of steps.
        curve: seconds of training and accuracy on Lake's runs after each group.
    """

    rates: list[float] = field(default_factory=list[float])
    curve: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])

    @property
    def rate(self) -> float:
        """Median images a second; the first group, which warms up, left out."""
        return float(np.median(self.rates[1:] or self.rates))

    @property
    def seconds_to_target(self) -> float | None:
        """Seconds of training until the target was first reached, or None."""
        return next((s for s, accuracy in self.curve if accuracy >= TARGET), None)

    def add(self, rate: float, seconds: float, accuracy: float) -> None:
        self.rates.append(rate)
        self.curve.append((seconds, accuracy))

    def enough(self, limits: Limits) -> bool:
        """Whether training may end: the target is reached, after enough steps."""
        steps = len(self.rates) * limits.every
        return steps >= limits.least and self.seconds_to_target is not None


@dataclass(frozen=True, slots=True)
class Task:
    """What both sides train on, how, and what they are scored by."""

    dataset: Dataset
    config: Config
    runs: Sequence[Run]

    def network(self, seed: int) -> Siamese:
        """The network, with the same first weights for both sides."""
        torch.manual_seed(seed)
        return build_siamese(self.config)

    def score(self, network: Siamese) -> float:
        return lake_accuracy(network, list(self.runs))


def run(options: Options) -> Result:
    """Measure both sides in turn, once a seed."""
    limits = Limits(least=60, most=60, every=20) if options.quick else Limits()
    seeds = options.seed_range(3)
    task = read_task(options)
    workers = fastest_workers(task, limits)
    brief = Limits(limits.least, limits.least, limits.every)
    sides: dict[str, Callable[[int], Trace]] = {
        "twinlens": lambda seed: train_twinlens(task, seed, limits),
        "pml": lambda seed: train_peer(task, seed, limits, workers=workers),
        "pml_in_memory": lambda seed: train_peer(task, seed, brief, workers=workers, keep=True),
    }
    traces: dict[str, list[Trace]] = {name: [] for name in sides}
    for seed in seeds:
        for name, side in sides.items():
            traces[name].append(side(seed))
    details = {
        "precision": task.config.train.precision,
        "pml_workers": workers,
        "settings": SETTINGS,
        "traces": {name: [asdict(trace) for trace in of] for name, of in traces.items()},
    }
    return Result(tuple(metrics(traces)), seeds, details, notes(traces))


def read_task(options: Options) -> Task:
    """Omniglot's background set, Lake's runs, and a configuration whose precision is decided."""
    folder = options.data.unpacked("images/omniglot_background.zip")
    runs = read_runs(options.data.unpacked("images/omniglot_oneshot_runs.zip"))
    dataset = read_dataset(folder)
    config = settle(load_config(None, SETTINGS), dataset)
    network = build_siamese(config)
    probe = torch.rand(32, *(network.modality.shape or ()))
    precision = cast(Literal["float32", "bfloat16"], faster_precision(network.encoder, probe, None))
    return Task(dataset, replace(config, train=replace(config.train, precision=precision)), runs)


def train_twinlens(task: Task, seed: int, limits: Limits) -> Trace:
    """Train by twinlens, decoding into a fresh cache first."""
    config = replace(
        task.config,
        seed=seed,
        train=replace(
            task.config.train,
            steps=limits.most,
            device="cpu",  # where the peer is
            log_every=limits.every,
            validate_every=limits.every,
        ),
    )
    network = task.network(seed)
    modality = network.modality
    with tempfile.TemporaryDirectory() as place:
        started = time.perf_counter()
        store = open_store(
            task.dataset.refs(),
            modality,
            fingerprint=modality.fingerprint(),
            folder=Path(place) / "cache",
        )
        trace = _Tracing(limits, decoding_s=time.perf_counter() - started)
        sampler = build("sampler", config.sampler, task.dataset, modality.variants, seed)
        loss = build("loss", config.loss, network.dim, sampler.classes)
        ingredients = Ingredients(network, loss, None, sampler, store, task.score)
        try:
            Trainer(ingredients, config, Path(place), trace).run()
        except _EnoughError:
            return trace.trace
    return trace.trace


def train_peer(task: Task, seed: int, limits: Limits, *, workers: int, keep: bool = False) -> Trace:
    """Train by pytorch-metric-learning. The clock stands while Lake's runs are scored."""
    modality = cast(Image, build("modality", task.config.modality))
    change = peer.Augmentation(
        modality.size, modality.rotation_rad, modality.scale, modality.shear, modality.shift
    )
    pictures = peer.Pictures(
        task.dataset.refs(),
        task.dataset.labels().tolist(),
        turns=modality.variants,
        augmentation=change,
        keep=keep,
    )
    batches = peer.loader(
        pictures,
        identities=int(cast(int, task.config.sampler.settings["identities"])),
        examples=int(cast(int, task.config.sampler.settings["examples"])),
        workers=workers,
    )
    network = task.network(seed)
    temperature = float(cast(float, task.config.loss.settings["temperature"]))
    settings = replace(task.config.train, steps=limits.most)
    steps = peer.train(
        network, batches, settings, loss_function=SupConLoss(temperature=temperature)
    )
    trace, seconds = Trace(), 0.0
    while group := list(islice(steps, limits.every)):
        spent = sum(step.seconds for step in group)
        seconds += spent
        rate = sum(step.pictures for step in group) / spent
        trace.add(rate, seconds, task.score(network.eval()))
        if trace.enough(limits):
            break
    return trace


def fastest_workers(task: Task, limits: Limits) -> int:
    """The number of worker processes with which the other side trains fastest here."""
    brief = Limits(2 * limits.every, 2 * limits.every, limits.every)
    rates = {n: train_peer(task, 0, brief, workers=n).rate for n in WORKERS}
    return max(rates, key=lambda n: rates[n])


def metrics(traces: dict[str, list[Trace]]) -> list[Metric]:
    """Ratios and seconds; what a side did not reach is left out, not guessed."""
    rates = {name: [trace.rate for trace in of] for name, of in traces.items()}
    found = [
        _ratio("images_per_second_ratio_to_pml", rates["twinlens"], rates["pml"], goal=True),
        _ratio(
            "images_per_second_ratio_to_pml_in_memory",
            rates["twinlens"],
            rates["pml_in_memory"],
            goal=False,
        ),
    ]
    for name, values in rates.items():
        found.append(Metric(f"images_per_second_{name}", float(np.median(values)), "images/s"))
    seconds = {name: _seconds(traces[name]) for name in ("twinlens", "pml")}
    for name, values in seconds.items():
        if values:
            key = f"seconds_to_lake_90_{name}"
            found.append(
                Metric(key, float(np.median(values)), "s", "lower", min(values), max(values),
                       f"range of {len(values)} runs")
            )  # fmt: skip
    return found


def notes(traces: dict[str, list[Trace]]) -> tuple[str, ...]:
    """A sentence for each side that did not always reach the target."""
    return tuple(
        f"{name} reached {TARGET:.0%} in {len(_seconds(traces[name]))} of "
        f"{len(traces[name])} trainings."
        for name in ("twinlens", "pml")
        if len(_seconds(traces[name])) < len(traces[name])
    )


def _seconds(traces: Sequence[Trace]) -> list[float]:
    return [s for trace in traces if (s := trace.seconds_to_target) is not None]


def _ratio(key: str, ours: Sequence[float], theirs: Sequence[float], *, goal: bool) -> Metric:
    """Median over median; the interval is the range of the ratios of the rounds."""
    rounds = [a / b for a, b in zip(ours, theirs, strict=True)]
    return Metric(
        key,
        float(np.median(ours) / np.median(theirs)),
        "ratio",
        low=min(rounds),
        high=max(rounds),
        method=f"range of {len(rounds)} rounds",
        goal=2.0 if goal else None,
        beyond=3.0 if goal else None,
        anchors=(Anchor(1.0, "pytorch-metric-learning with a torch DataLoader, same run"),),
    )


class _EnoughError(Exception):
    """Ends a training that has shown what it was to show."""


class _Tracing:
    """A listener that keeps the trace and ends training when it is complete."""

    def __init__(self, limits: Limits, *, decoding_s: float) -> None:
        self.trace = Trace()
        self._limits = limits
        self._decoding_s = decoding_s

    def update(self, event: Progress) -> None:
        line = event.line
        if line is None or line.validation is None:
            return
        self.trace.add(line.examples_per_second, self._decoding_s + line.seconds, line.validation)
        if self.trace.enough(self._limits):
            raise _EnoughError
