"""The same training written with pytorch-metric-learning and a torch DataLoader.

As its users write it, and as well as they can: pictures are decoded and augmented one by one by
Pillow in persistent worker processes that fetch ahead, travel as uint8, and become floats a batch
at a time; optimiser, precision and network are those of the other side.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from PIL import Image
from pytorch_metric_learning.losses import SupConLoss
from pytorch_metric_learning.samplers import MPerClassSampler
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from twinlens.config import TrainConfig
from twinlens.siamese import Siamese
from twinlens.training.optimisation import build_optimiser, learning_rate

PREFETCH = 4
WHITE = 255


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Half-widths of the random affine change, in the units of twinlens's image modality."""

    size: int
    rotation_rad: float
    scale: float
    shear: float
    shift: float

    def coefficients(self) -> tuple[float, ...]:
        """One random map for `Image.transform`: x' = ax + by + c, y' = dx + ey + f, in pixels."""
        angle = random.uniform(-self.rotation_rad, self.rotation_rad)
        scale_x = math.exp(random.uniform(-self.scale, self.scale))
        scale_y = math.exp(random.uniform(-self.scale, self.scale))
        slant = random.uniform(-self.shear, self.shear)
        cos, sin = math.cos(angle), math.sin(angle)
        a, b = cos * scale_x, (slant * cos - sin) * scale_y
        d, e = sin * scale_x, (cos + slant * sin) * scale_y
        centre, reach = self.size / 2, self.shift * self.size
        c = centre - (a + b) * centre + random.uniform(-reach, reach)
        f = centre - (d + e) * centre + random.uniform(-reach, reach)
        return a, b, c, d, e, f


class Pictures(Dataset[tuple[Tensor, int]]):
    """Drawings on white paper, with a class for each identity in each quarter turn.

    Args:
        refs: paths.
        labels: identity of each path.
        turns: quarter turns that count as classes: 1 (none) or 4.
        augmentation: applied to each picture as it is fetched.
        keep: hold every decoded picture in memory from its first use on (a copy a worker).
    """

    def __init__(
        self,
        refs: Sequence[str],
        labels: Sequence[int],
        *,
        turns: int,
        augmentation: Augmentation,
        keep: bool = False,
    ) -> None:
        self.refs = refs
        self.turns = turns
        self.augmentation = augmentation
        self.classes = [label * turns + turn for label in labels for turn in range(turns)]
        self.kept: dict[int, Image.Image] | None = {} if keep else None

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        number, turn = divmod(index, self.turns)
        picture = self._decoded(number)
        if turn:
            picture = picture.transpose(Image.Transpose(Image.Transpose.ROTATE_90 + turn - 1))
        picture = picture.transform(
            picture.size,
            Image.Transform.AFFINE,
            self.augmentation.coefficients(),
            Image.Resampling.BILINEAR,
            fillcolor=WHITE,
        )
        # [1, size, size] uint8: a quarter of what floats would send from worker to trainer
        return torch.from_numpy(np.array(picture)[None]), self.classes[index]

    def _decoded(self, number: int) -> Image.Image:
        if self.kept is not None and number in self.kept:
            return self.kept[number]
        side = self.augmentation.size
        with Image.open(self.refs[number]) as file:
            picture = file.convert("L").resize((side, side), Image.Resampling.BILINEAR)
        if self.kept is not None:
            self.kept[number] = picture
        return picture


@dataclass(frozen=True, slots=True)
class Step:
    """What one training step took: seconds, waiting for data included, and pictures."""

    seconds: float
    pictures: int


def loader(
    pictures: Pictures, *, identities: int, examples: int, workers: int
) -> DataLoader[tuple[Tensor, int]]:
    """Batches of P classes × K pictures."""
    batch = identities * examples
    return DataLoader(
        pictures,
        batch_size=batch,
        sampler=MPerClassSampler(
            pictures.classes, m=examples, batch_size=batch, length_before_new_iter=500 * batch
        ),
        num_workers=workers,
        persistent_workers=True,
        prefetch_factor=PREFETCH,
        drop_last=True,
    )


def train(
    network: Siamese,
    batches: DataLoader[tuple[Tensor, int]],
    settings: TrainConfig,
    *,
    temperature: float,
) -> Iterator[Step]:
    """Train for `settings.steps` steps, and yield after each; time between yields is not counted.

    Args:
        network: trained in place.
        batches: of uint8 pictures, dark ink on white, and their class.
        settings: optimiser, schedule, precision and steps; the rest is ignored.
        temperature: of the supervised contrastive loss.
    """
    loss_function = SupConLoss(temperature=temperature)
    optimiser = build_optimiser([network], settings)
    autocast = settings.precision == "bfloat16"
    endless = _endless(batches)
    for step in range(settings.steps):
        started = time.perf_counter()
        pages, labels = next(endless)
        values = 1 - pages.float().div_(WHITE)  # [batch, 1, size, size], ink = 1
        network.train()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            embeddings = network.encode(values)  # [batch, dim]
        loss = cast(Tensor, loss_function(embeddings, labels))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # pyright: ignore[reportUnknownMemberType]
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, step / settings.steps, settings)
        optimiser.step()
        yield Step(time.perf_counter() - started, len(pages))


def _endless(batches: DataLoader[tuple[Tensor, int]]) -> Iterator[tuple[Tensor, Tensor]]:
    """Epoch after epoch."""
    while True:
        yield from cast(Iterator[tuple[Tensor, Tensor]], iter(batches))
