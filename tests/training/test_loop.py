from __future__ import annotations

import dataclasses
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from drawings import glyph
from twinlens.assemble import build_siamese
from twinlens.comparators.base import Comparator
from twinlens.config import load_config
from twinlens.data.dataset import Dataset
from twinlens.data.samplers.base import Draw, Sampler
from twinlens.errors import TrainingError
from twinlens.losses.base import Loss, LossValue, Targets
from twinlens.siamese import Siamese
from twinlens.training.history import Progress
from twinlens.training.loop import Ingredients, Trainer
from twinlens.types import Batch, Example, IntArray

SETTINGS = [
    "modality.size=16",
    "modality.colour=grey",
    "modality.background=light",
    "modality.turned_classes=off",
    "encoder.widths=[4, 8]",
    "encoder.strides=[1, 2]",
    "encoder.grid=2",
    "encoder.dim=8",
    "train.warmup_steps=2",
    "train.validate_every=4",
    "train.log_every=2",
    "train.steps=12",
    "train.precision=float32",
]


class Memory:
    """Eight identities of four drawings, held in memory."""

    def __init__(self) -> None:
        pictures = [glyph(i, e, 16)[None] for i in range(8) for e in range(4)]
        self.pictures = np.stack(pictures)
        self.shapes = [picture.shape for picture in pictures]

    def gather(self, positions: IntArray) -> Batch:
        return Batch(self.pictures[positions])


class Everyone(Sampler):
    """Two examples of each identity, drawn by step."""

    def draw(self, step: int, rank: int = 0) -> Draw:
        which = self.generator(step, rank).integers(0, 4, size=(8, 2))
        examples = (np.arange(8)[:, None] * 4 + which).ravel()
        labels = np.repeat(np.arange(8), 2)
        return Draw(examples, labels, np.zeros(16, np.int64))


class Spread(Loss):
    """A small supervised contrastive loss, so that this test needs no other room."""

    consumes = "labels"

    def forward(
        self, embeddings: torch.Tensor, targets: Targets, comparator: Comparator
    ) -> LossValue:
        assert isinstance(targets, torch.Tensor)
        scores = comparator.matrix(embeddings, embeddings) / 0.2
        scores = scores - torch.eye(len(scores)) * 1e3
        same = (targets[:, None] == targets[None]).float() - torch.eye(len(scores))
        loss = -(torch.log_softmax(scores, 1) * same).sum(1) / same.sum(1)
        return LossValue(loss.mean(), {"positive_score": scores[same > 0].mean().detach()})


def trainer(folder: Path, *settings: str, listener: object = None, **changes: object) -> Trainer:
    folder.mkdir(parents=True, exist_ok=True)
    config = load_config(None, [*SETTINGS, *settings])
    dataset = Dataset(folder, tuple(Example(str(i), str(i // 4)) for i in range(32)))
    torch.manual_seed(config.seed)
    siamese = build_siamese(config)
    parts = Ingredients(
        siamese, Spread(siamese.dim, 8), None, Everyone(dataset, 1, config.seed), Memory()
    )
    parts = dataclasses.replace(parts, **changes)
    return Trainer(parts, config, folder, listener)  # type: ignore[arg-type]


def weights(network: Siamese) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in network.state_dict().items()}


def assert_identical(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for key in a:
        assert torch.equal(a[key], b[key]), key


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    run = trainer(tmp_path, "train.steps=60", "train.learning_rate=0.01")
    run.run()
    losses = [line.loss for line in run.history.lines]
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])


def test_same_seed_same_weights_other_seed_others(tmp_path: Path) -> None:
    first = weights(trainer(tmp_path / "a").run())
    again = weights(trainer(tmp_path / "b").run())
    other = weights(trainer(tmp_path / "c", "seed=1").run())
    assert_identical(first, again)
    assert any(not torch.equal(first[k], other[k]) for k in first)


class Stop(Exception):
    """Stands for a kill: the process is gone at this step."""


class Killer:
    def __init__(self, step: int) -> None:
        self.step = step

    def update(self, event: Progress) -> None:
        if event.step == self.step:
            raise Stop


@pytest.mark.parametrize("step", [6, 8, 10])
def test_resume_after_a_kill_is_bit_identical(tmp_path: Path, step: int) -> None:
    whole = weights(trainer(tmp_path / "whole").run())
    with pytest.raises(Stop):
        trainer(tmp_path / "cut", listener=Killer(step)).run()
    resumed = trainer(tmp_path / "cut")
    assert_identical(whole, weights(resumed.run(resume=True)))
    assert [line.step for line in resumed.history.lines] == [2, 4, 6, 8, 10, 12]


def test_resume_keeps_the_best_validated_weights(tmp_path: Path) -> None:
    scores = {4: 0.2, 8: 0.9, 12: 0.1}

    def validator(run: list[Trainer]):
        return lambda network: scores[run[0].state.step]

    held: list[Trainer] = []
    held.append(trainer(tmp_path / "whole", validate=validator(held)))
    whole = weights(held[0].run())
    assert held[0].state.best_step == 8

    cut: list[Trainer] = []
    cut.append(trainer(tmp_path / "cut", validate=validator(cut), listener=Killer(10)))
    with pytest.raises(Stop):
        cut[0].run()
    cut[0] = trainer(tmp_path / "cut", validate=validator(cut))
    assert_identical(whole, weights(cut[0].run(resume=True)))


def test_patience_stops_early(tmp_path: Path) -> None:
    run = trainer(tmp_path, "train.patience=1", "train.steps=100", validate=lambda network: 0.5)
    run.run()
    assert run.state.step == 8  # best at 4, then one validation without improvement


def test_interrupt_saves_between_steps_and_resumes_identically(tmp_path: Path) -> None:
    class Interrupter:
        def update(self, event: Progress) -> None:
            if event.step == 6:
                signal.raise_signal(signal.SIGINT)

    whole = weights(trainer(tmp_path / "whole").run())
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "cut", listener=Interrupter()).run()
    resumed = trainer(tmp_path / "cut")
    assert_identical(whole, weights(resumed.run(resume=True)))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_loss_that_is_not_finite_stops_with_advice(tmp_path: Path) -> None:
    class Broken(Spread):
        def forward(
            self, embeddings: torch.Tensor, targets: Targets, comparator: Comparator
        ) -> LossValue:
            return LossValue(embeddings.sum() * float("nan"))

    with pytest.raises(TrainingError, match=r"must stay finite.*step 0.*learning_rate"):
        trainer(tmp_path, loss=Broken(8, 8)).run()


def test_resume_with_another_network_is_refused(tmp_path: Path) -> None:
    trainer(tmp_path).run()
    with pytest.raises(TrainingError, match="another network"):
        trainer(tmp_path, "encoder.dim=16", loss=Spread(16, 8)).run(resume=True)


def test_a_truncated_checkpoint_is_named(tmp_path: Path) -> None:
    run = trainer(tmp_path)
    run.run()
    run.checkpoint.write_bytes(run.checkpoint.read_bytes()[:100])
    with pytest.raises(TrainingError, match="Train again without --resume"):
        trainer(tmp_path).run(resume=True)


def test_clock_limit_ends_with_a_cooled_down_rate(tmp_path: Path) -> None:
    run = trainer(tmp_path, "train.max_minutes=0.02", "train.steps=1000000", "train.log_every=1")
    run.run()
    assert run.state.seconds >= 1.2
    assert run.history.lines[-1].learning_rate < 0.1 * run.settings.learning_rate


def test_ema_off_returns_the_last_weights(tmp_path: Path) -> None:
    run = trainer(tmp_path, "train.ema=0")
    assert_identical(weights(run.run()), weights(run.siamese))


def test_validation_is_as_often_as_asked_whatever_is_logged(tmp_path: Path) -> None:
    odd = ("train.steps=12", "train.validate_every=3", "train.log_every=5")
    run = trainer(tmp_path, *odd, validate=lambda network: 0.5)
    run.run()
    assert [step for step, _ in run.history.validations()] == [3, 6, 9, 12]
    assert [line.step for line in run.history.lines] == [3, 5, 6, 9, 10, 12]
