"""The parts of the Omniglot benchmarks that need no training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import losses, omniglot
from benchmarks.lake import SMALL_1, SMALL_2, lake_accuracy, pixel_accuracy, read_runs
from drawings import glyph, write_glyphs
from twinlens.assemble import build_siamese
from twinlens.config import load_config
from twinlens.data.manifest import read_dataset
from twinlens.registry import lookup
from twinlens.settle import settle


@pytest.fixture
def runs_folder(tmp_path: Path) -> Path:
    """Twenty runs of three classes in the layout of Lake's archive; class k's query is item k."""
    for number in range(1, 21):
        folder = tmp_path / f"run{number:02d}"
        (folder / "training").mkdir(parents=True)
        (folder / "test").mkdir()
        rows: list[str] = []
        for k in range(3):
            for kind, name, example in (("training", "class", 0), ("test", "item", 1)):
                picture = Image.fromarray(glyph(k, example, 40))
                picture.save(folder / kind / f"{name}{k + 1:02d}.png")
            name = folder.name
            rows.append(f"{name}/test/item{k + 1:02d}.png {name}/training/class{k + 1:02d}.png")
        (folder / "class_labels.txt").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_runs_are_read_and_scored(runs_folder: Path) -> None:
    runs = read_runs(runs_folder)
    assert len(runs) == 20
    assert runs[0].answer == (0, 1, 2)
    assert pixel_accuracy(runs) > 0.5
    settings = ["modality.colour=grey", "modality.background=light"]
    assert 0 <= lake_accuracy(build_siamese(load_config(None, settings)), runs) <= 1


def test_a_network_that_knows_the_answer_is_always_right(runs_folder: Path) -> None:
    class Knows:
        """Scores what lies in one class of this test 1, everything else 0."""

        modality = build_siamese(load_config(None, ["modality.colour=grey"])).modality

        def embed(self, batch: object) -> np.ndarray:
            return np.eye(3)

        def score_matrix(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
            return a @ b.T

    assert lake_accuracy(Knows(), read_runs(runs_folder)) == 1  # type: ignore[arg-type]


def test_the_minimal_sets_are_five_alphabets_each() -> None:
    assert len(set(SMALL_1)) == len(set(SMALL_2)) == 5


def test_metrics_are_made_of_the_parts_that_ran() -> None:
    figures = [{"accuracy": 0.97}, {"accuracy": 0.98}]
    assert omniglot.metrics({}) == ()
    (lake,) = omniglot.metrics({"lake": figures})
    assert (lake.key, lake.value) == ("lake_accuracy_30_alphabets", pytest.approx(0.975))
    (plain,) = omniglot.metrics({"defaults": figures})
    assert (plain.key, plain.reached) == ("lake_accuracy_no_configuration", True)
    both = omniglot.metrics({"small_1": figures, "small_2": [{"accuracy": 0.9}] * 2})
    assert [(m.key, round(m.value, 4)) for m in both] == [("lake_accuracy_minimal", 0.9375)]
    turned = omniglot.metrics({"vinyals": [{"5_way": 0.99, "20_way": 0.96}]})
    assert [m.reached for m in turned] == [True, True]


@pytest.mark.parametrize("trial", losses.TRIALS, ids=lambda trial: trial.name)
def test_every_trial_of_the_losses_can_be_trained(trial: losses.Trial, tmp_path: Path) -> None:
    data = read_dataset(write_glyphs(tmp_path, 4, 2))
    config = settle(load_config(omniglot.CONFIG, trial.overrides), data)
    assert config.loss.name == trial.loss
    if lookup("loss", trial.loss).consumes != "labels":
        assert config.miner.name == trial.miner


def test_the_best_trial_of_a_loss_is_held_against_the_goal() -> None:
    found = {
        "contrastive_cosine": [{"accuracy": 0.91}],
        "contrastive_euclidean": [{"accuracy": 0.95}],
        "triplet_cosine": [{"accuracy": 0.85}],
        "cross_entropy_learned": [{"accuracy": 0.9}],
        "supcon_cosine": [{"accuracy": 0.96}],
    }
    goals = {metric.key: metric.reached for metric in losses.metrics(found)}
    assert goals == {
        "contrastive_cosine": None,
        "contrastive_euclidean": True,
        "triplet_cosine": False,
        "cross_entropy_learned": True,
        "supcon_cosine": None,
    }
