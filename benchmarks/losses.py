"""Lake's accuracy of every loss with every comparator that makes sense, on one budget.

The same network, sampler, augmentation and number of steps for all, trained on Omniglot's 30
background alphabets. Each loss has the settings that did best on six held-out background alphabets
among a few tried (docs/guide/losses.md says which, and leaves out miners that did far worse there);
Lake's runs were not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.lake import lake_accuracy, read_runs
from benchmarks.omniglot import CONFIG
from benchmarks.record import Metric, Options, Result, over_seeds
from benchmarks.trained import Figures, train_and_test
from twinlens.bundle import Bundle
from twinlens.config import load_config
from twinlens.data.manifest import read_dataset

STEPS = 1000
BUDGET = "train.ema=0.99"
"""Weights averaged over fewer steps than in configs/omniglot.toml, made for longer trainings."""
QUICK_STEPS = 20
SEEDS = 3
GOAL = 0.90
HAVE_A_GOAL = ("contrastive", "triplet", "cross_entropy")


@dataclass(frozen=True, slots=True)
class Trial:
    """A loss with a comparator, perhaps a miner, and settings."""

    loss: str
    comparator: str = "cosine"
    miner: str | None = None
    settings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of its metric: "triplet_cosine_semi_hard"."""
        return "_".join(part for part in (self.loss, self.comparator, self.miner) if part)

    @property
    def overrides(self) -> list[str]:
        """For `load_config`."""
        miner = [f"miner={self.miner}"] if self.miner else []
        return [f"loss={self.loss}", f"comparator={self.comparator}", *miner, *self.settings]


TRIALS = (
    Trial("contrastive", "cosine", "hard_pairs"),
    Trial("contrastive", "euclidean", "hard_pairs", ("loss.margin=5.0",)),
    Trial("triplet", "cosine", "batch_all"),
    Trial("triplet", "cosine", "semi_hard"),
    Trial("triplet", "euclidean", "batch_all", ("loss.margin=1.0",)),
    Trial("cross_entropy", "learned", "all_pairs"),
    Trial("supcon", "cosine"),
    Trial("supcon", "euclidean", None, ("loss.temperature=1.0",)),
    Trial("infonce", "cosine"),
    Trial("multi_similarity", "cosine"),
    Trial("circle", "cosine"),
    Trial("arcface", "cosine"),
    Trial("proxy_anchor", "cosine"),
)


def run(options: Options) -> Result:
    """Train and test every trial with every seed."""
    dataset = read_dataset(options.data.unpacked("images/omniglot_background.zip"))
    runs = read_runs(options.data.unpacked("images/omniglot_oneshot_runs.zip"))
    seeds = options.seed_range(SEEDS)

    def lake(bundle: Bundle) -> Figures:
        return {"accuracy": lake_accuracy(bundle.siamese, runs)}

    def trained(trial: Trial, seed: int) -> Figures:
        steps = QUICK_STEPS if options.quick else STEPS
        overrides = [*trial.overrides, BUDGET, f"seed={seed}", f"train.steps={steps}"]
        config = load_config(CONFIG, overrides)
        return train_and_test(f"{trial.name}-{seed}", dataset, config, lake, options)

    found = {trial.name: [trained(trial, seed) for seed in seeds] for trial in TRIALS}
    settings = {trial.name: trial.overrides for trial in TRIALS}
    return Result(metrics(found), seeds, {"runs": found, "settings": settings})


def metrics(found: dict[str, list[Figures]]) -> tuple[Metric, ...]:
    """One for each trial; the best of each loss that has a goal is held against it."""
    means = {name: sum(f["accuracy"] for f in runs) / len(runs) for name, runs in found.items()}
    goals = {
        max((name for name in means if name.startswith(loss)), key=lambda name: means[name])
        for loss in HAVE_A_GOAL
    }
    return tuple(
        over_seeds(
            name,
            [figures["accuracy"] for figures in runs],
            unit="accuracy",
            goal=GOAL if name in goals else None,
        )
        for name, runs in found.items()
    )
