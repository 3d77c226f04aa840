"""The training loop."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from twinlens.config import Config, to_table
from twinlens.data.samplers.base import Draw, Sampler
from twinlens.errors import TrainingError
from twinlens.losses.base import Loss, LossValue, PairIndex, Targets, TripletIndex
from twinlens.miners.base import Miner
from twinlens.siamese import Siamese
from twinlens.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from twinlens.training.chunks import backward_in_chunks
from twinlens.training.doctor import Finding
from twinlens.training.history import LOG, History, Listener, LogLine, Progress, Silent, StepGroup
from twinlens.training.interrupt import Interrupt
from twinlens.training.optimisation import (
    WeightAverage,
    build_optimiser,
    chosen_device,
    device_name,
    faster_precision,
    learning_rate,
)
from twinlens.training.workplace import CHECKPOINT
from twinlens.types import Store

Validator = Callable[[Siamese], float]
"""Scores a network on identities that training does not see; larger = better."""
Examine = Callable[[Siamese, Sequence[LogLine]], Sequence[Finding]]
"""Says what goes wrong, from the network as it is and the log so far."""


@dataclass(frozen=True, slots=True)
class Ingredients:
    """What is trained, on what, by what."""

    siamese: Siamese
    loss: Loss
    miner: Miner | None
    sampler: Sampler
    store: Store
    validate: Validator | None = None
    examine: Examine | None = None


class Trainer:
    """One training run: the loop, its state and its files.

    Every random number is a function of (seed, step). A run that was killed and resumed therefore
    ends with bit-identical weights on the same processor, unless it is limited by the clock; on a
    GPU they are the same but for rounding.

    Args:
        ingredients: network, loss, miner, sampler, decoded examples, validator.
        config: resolved.
        folder: for the checkpoint and the log; must exist.
        listener: told of every log line.
        data: hash of what is trained on; a run is resumed on the same data only.
        start: fingerprint of the model that the first weights are of, if of any; likewise.
    """

    def __init__(
        self,
        ingredients: Ingredients,
        config: Config,
        folder: Path,
        listener: Listener | None = None,
        *,
        data: str = "",
        start: str = "",
    ) -> None:
        self.device = chosen_device(config.train.device)
        self.siamese = ingredients.siamese.to(self.device)
        self.loss = ingredients.loss.to(self.device)
        self.miner = ingredients.miner
        self.sampler = ingredients.sampler
        self.store = ingredients.store
        self.validate = ingredients.validate
        self.examine = ingredients.examine
        self.config = config
        self.settings = config.train
        self.checkpoint = folder / CHECKPOINT
        self.log = folder / LOG
        self.listener = listener or Silent()
        self.optimiser = build_optimiser([self.siamese, self.loss], self.settings)
        self.average = WeightAverage(self.siamese, self.settings.ema)
        self.best = copy.deepcopy(self.siamese)
        self.state = TrainingState(data=data, start=start)
        self.history = History(self.log)
        self.generator = torch.Generator()
        self.augmentation = torch.Generator(self.device)
        self._group = StepGroup()
        self._warned: set[str] = set()

    @property
    def resolved(self) -> Config:
        """The configuration with the device and precision of this run in it, once it has begun."""
        here = {"device": self.device.type, "precision": self.state.precision}
        return replace(self.config, train=replace(self.settings, **here))

    def run(self, *, resume: bool = False) -> Siamese:
        """Train to the end and return the network that validated best, in evaluation mode.

        Raises:
            TrainingError: the loss is not finite, or the checkpoint or the data does not fit.
            KeyboardInterrupt: after Ctrl-C; the state is saved and `resume` goes on.
        """
        self._begin(resume)
        devices = [] if self.device.type == "cpu" else [self.device]
        with torch.random.fork_rng(devices=devices), Interrupt() as interrupt:
            while not self._finished():
                step = self.state.step
                started = time.perf_counter()
                draw = self.sampler.draw(step)
                values, mask = self._batch(draw, step)
                value = self._step(values, mask, draw, step)
                self.average.update(self.siamese, step)
                self.state.step += 1
                self.state.seconds += time.perf_counter() - started
                self._group.add(value, len(values), time.perf_counter() - started)
                validate = self._due(self.settings.validate_every)
                if validate or self._due(self.settings.log_every):
                    self._report(validate=validate)
                if validate:
                    self._save()
                if interrupt.wanted:
                    self._save()
                    raise KeyboardInterrupt
        return self._result()

    def _begin(self, resume: bool) -> None:
        if resume:
            asked = self.state
            self.state = load_checkpoint(
                self.checkpoint, modules=self._modules(), optimiser=self.optimiser
            )
            if self.state.start != asked.start:
                raise TrainingError(
                    f"--resume needs the --start that the run was started with. Got "
                    f"{asked.start or 'none'} in place of {self.state.start or 'none'}. Name the "
                    "same model, or start anew with --overwrite."
                )
            if self.state.data != asked.data:
                raise TrainingError(
                    "--resume needs the data that the run was started with. Got other examples, "
                    "files or labels. Bring the data back, or start anew with --overwrite."
                )
            self.history = History.resume(self.log, self.state.step)
            if self.state.device != device_name(self.device):
                self._settle_here()
            return
        self.log.unlink(missing_ok=True)
        self._settle_here()
        self._save()  # from here on a kill loses nothing that was decided

    def _settle_here(self) -> None:
        """Note where this run is, and find the precision that is faster here."""
        self.state.device = device_name(self.device)
        self.state.precision = self.settings.precision
        if self.state.precision == "auto":
            values, mask = self._batch(self.sampler.draw(0), 0)
            self.state.precision = faster_precision(self.siamese.encoder, values, mask)

    def _batch(self, draw: Draw, step: int) -> tuple[Tensor, Tensor | None]:
        """Decoded, derived and augmented tensors of a draw."""
        self._seed(step)
        values, mask = self.siamese.tensors(self.store.gather(draw.examples))
        values, mask = values.to(self.device), None if mask is None else mask.to(self.device)
        modality = self.siamese.modality
        with self.device:  # what a modality draws or lays out is made there, too
            if draw.variants.any():
                values = modality.vary(values, self._there(draw.variants))
            return modality.augment(values, mask, self.augmentation), mask

    def _step(self, values: Tensor, mask: Tensor | None, draw: Draw, step: int) -> LossValue:
        """Forward, loss, backward, update."""
        self.siamese.train()
        self.optimiser.zero_grad(set_to_none=True)
        chunk = self.settings.chunk

        def loss(embeddings: Tensor) -> LossValue:
            return self._loss(embeddings, draw, step)

        if 0 < chunk < len(values):
            value = backward_in_chunks(self._encode, values, mask, loss, chunk=chunk)
        else:
            value = loss(self._encode(values, mask))
            value.total.backward()
        if self.settings.gradient_clip:
            parameters = [*self.siamese.parameters(), *self.loss.parameters()]
            nn.utils.clip_grad_norm_(parameters, self.settings.gradient_clip)
        rate = learning_rate(step, self._progress(), self.settings)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        return value

    def _encode(self, values: Tensor, mask: Tensor | None) -> Tensor:
        """[batch, channels, *axes] -> [batch, dim], in the precision of this run."""
        autocast = self.state.precision == "bfloat16"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=autocast):
            return self.siamese.encode(values, mask)

    def _loss(self, embeddings: Tensor, draw: Draw, step: int) -> LossValue:
        """The loss of a batch. [batch, dim].

        Raises:
            TrainingError: it is not finite.
        """
        targets = self._targets(embeddings.detach(), draw)
        value = self.loss(embeddings, targets, self.siamese.comparator)
        if not torch.isfinite(value.total):
            raise TrainingError(
                f"The loss must stay finite. Got {value.total.item()} at step {step}. Lower "
                'train.learning_rate, set train.gradient_clip=1, or train.precision="float32".'
            )
        return value

    @torch.no_grad()
    def _targets(self, embeddings: Tensor, draw: Draw) -> Targets:
        """What the loss is told: given pairs or triplets, mined ones, or the labels."""
        if draw.pairs is not None:
            pairs = draw.pairs
            left, right, same = map(self._there, (pairs.left, pairs.right, pairs.same))
            grade = None if pairs.grade is None else self._there(pairs.grade)
            return PairIndex(left, right, same, grade)
        if draw.triplets is not None:
            return self._given_triplets(draw)
        assert draw.labels is not None
        labels = self._there(draw.labels)
        if self.miner is None:
            return labels
        return self.miner(embeddings, labels, self.siamese.comparator, self.generator)

    def _given_triplets(self, draw: Draw) -> Targets:
        """Given triplets as they are, or as a positive and a negative pair each."""
        assert draw.triplets is not None
        given = draw.triplets
        anchor, positive, negative = map(
            self._there, (given.anchor, given.positive, given.negative)
        )
        if self.loss.consumes == "triplets":
            return TripletIndex(anchor, positive, negative)
        same = torch.arange(2 * len(anchor), device=self.device) < len(anchor)
        return PairIndex(torch.cat([anchor, anchor]), torch.cat([positive, negative]), same)

    def _there(self, numbers: npt.NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(numbers).to(self.device)

    def _seed(self, step: int) -> None:
        """Make all randomness of a step a function of (seed, step)."""
        words = np.random.SeedSequence([self.config.seed, step]).generate_state(3)
        self.augmentation.manual_seed(int(words[0]))
        torch.manual_seed(int(words[1]))  # dropout
        self.generator.manual_seed(int(words[2]))  # mining

    def _progress(self) -> float:
        """Share of the training that is done: by steps or by the clock, whichever is further."""
        done = self.state.step / self.settings.steps
        if self.settings.max_minutes:
            done = max(done, self.state.seconds / (60 * self.settings.max_minutes))
        return done

    def _finished(self) -> bool:
        if self._progress() >= 1:
            return True
        waited = self.state.step - self.state.best_step
        limit = self.settings.patience * self.settings.validate_every
        return self.validate is not None and 0 < limit <= waited

    def _due(self, every: int) -> bool:
        return self.state.step % every == 0 or self._finished()

    def _report(self, *, validate: bool) -> None:
        """Close a group of steps: validate when due, log, tell the listener."""
        score = self._validated() if validate and self.validate is not None else None
        line = LogLine(
            step=self.state.step,
            loss=self._group.loss,
            parts=self._group.parts,
            learning_rate=float(self.optimiser.param_groups[0]["lr"]),
            examples_per_second=self._group.examples_per_second,
            seconds=self.state.seconds,
            validation=score,
        )
        self._group = StepGroup()
        self.history.add(line)
        progress = self._progress()
        left = self.state.seconds * (1 - progress) / progress if progress else None
        self.listener.update(Progress(self.state.step, self.settings.steps, line, left))
        if validate:
            self._warn()

    def _warn(self) -> None:
        """Say once, while there is time to stop, what goes wrong."""
        if self.examine is None:
            return
        for finding in self.examine(self._current(), self.history.lines):
            if finding.code not in self._warned:
                self._warned.add(finding.code)
                message = f"{finding.severity}: {finding.message} {finding.advice}"
                steps = self.settings.steps
                self.listener.update(Progress(self.state.step, steps, message=message))

    def _validated(self) -> float:
        assert self.validate is not None
        network = self._current()
        score = self.validate(network)
        if self.state.best_score is None or score > self.state.best_score:
            self.state.best_score, self.state.best_step = score, self.state.step
            self.best.load_state_dict(network.state_dict())
        return score

    def _current(self) -> Siamese:
        """The network as it would be saved now."""
        network = self.average.module if self.settings.ema else self.siamese
        assert isinstance(network, Siamese)
        return network.eval()

    def _result(self) -> Siamese:
        network = self._current() if self.state.best_score is None else self.best
        return network.eval().cpu()

    def _modules(self) -> dict[str, nn.Module]:
        return {
            "model": self.siamese,
            "average": self.average.module,
            "best": self.best,
            "loss": self.loss,
        }

    def _save(self) -> None:
        save_checkpoint(
            self.checkpoint,
            state=self.state,
            config=to_table(self.config),
            modules=self._modules(),
            optimiser=self.optimiser,
        )
