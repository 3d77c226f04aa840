"""A training written with pytorch-metric-learning and a torch DataLoader, on the same network.

As its users write it, and as well as they can: pictures are decoded and augmented one by one by
Pillow in persistent worker processes that fetch ahead, travel as uint8, and become floats a batch
at a time; optimiser, precision and network are those of the other side.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import torch
from PIL import Image, ImageEnhance
from pytorch_metric_learning.samplers import MPerClassSampler
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from twinlens.config import TrainConfig
from twinlens.siamese import Siamese
from twinlens.training.optimisation import build_optimiser, learning_rate

LossFunction = Callable[[Tensor, Tensor], Tensor]
PREFETCH = 4
WHITE, GREY = 255, 127


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Half-widths of random changes, in the units of twinlens's image modality.

    Attributes:
        flip: share of pictures that are mirrored.
        brightness, contrast: factors of 1 ± these.
    """

    size: int
    rotation_rad: float
    scale: float
    shear: float
    shift: float
    flip: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0

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

    def lit(self, picture: Image.Image) -> Image.Image:
        """Perhaps mirrored, brighter or of less contrast."""
        if random.random() < self.flip:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.brightness:
            factor = 1 + random.uniform(-self.brightness, self.brightness)
            picture = ImageEnhance.Brightness(picture).enhance(factor)
        if self.contrast:
            factor = 1 + random.uniform(-self.contrast, self.contrast)
            picture = ImageEnhance.Contrast(picture).enhance(factor)
        return picture


class Pictures(Dataset[tuple[Tensor, int]]):
    """Drawings on white paper or photos, with a class for each identity in each quarter turn.

    Args:
        refs: paths.
        labels: identity of each path.
        turns: quarter turns that count as classes: 1 (none) or 4.
        augmentation: applied to each picture as it is fetched.
        mode: "L" for drawings, "RGB" for photos.
        keep: hold every decoded picture in memory from its first use on (a copy a worker).
    """

    def __init__(
        self,
        refs: Sequence[str],
        labels: Sequence[int],
        *,
        turns: int,
        augmentation: Augmentation,
        mode: Literal["L", "RGB"] = "L",
        keep: bool = False,
    ) -> None:
        self.refs = refs
        self.turns = turns
        self.augmentation = augmentation
        self.mode = mode
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
            fillcolor=WHITE if self.mode == "L" else (GREY,) * 3,
        )
        values = np.array(self.augmentation.lit(picture))
        values = values[None] if self.mode == "L" else values.transpose(2, 0, 1)
        # [channels, size, size] uint8: a quarter of what floats would send from worker to trainer
        return torch.from_numpy(np.ascontiguousarray(values)), self.classes[index]

    def _decoded(self, number: int) -> Image.Image:
        if self.kept is not None and number in self.kept:
            return self.kept[number]
        side = self.augmentation.size
        with Image.open(self.refs[number]) as file:
            picture = file.convert(self.mode).resize((side, side), Image.Resampling.BILINEAR)
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
    loss_function: LossFunction,
) -> Iterator[Step]:
    """Train for `settings.steps` steps, and yield after each; time between yields is not counted.

    Args:
        network: trained in place.
        batches: of uint8 pictures and their class.
        settings: optimiser, schedule, precision, steps, and minutes where they are bounded; the
            rest is ignored.
        loss_function: of the library, of embeddings and classes.
    """
    optimiser = build_optimiser([network], settings)
    autocast = settings.precision == "bfloat16"
    endless = _endless(batches)
    seconds, most = 0.0, 60 * settings.max_minutes or math.inf
    for step in range(settings.steps):
        started = time.perf_counter()
        pages, labels = next(endless)
        values = network.modality.normalise(pages)  # [batch, channels, size, size]
        network.train()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            embeddings = network.encode(values)  # [batch, dim]
        loss = loss_function(embeddings, labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # pyright: ignore[reportUnknownMemberType]
        for group in optimiser.param_groups:
            done = max(step / settings.steps, seconds / most)
            group["lr"] = learning_rate(step, done, settings)
        optimiser.step()
        taken = time.perf_counter() - started
        seconds += taken
        yield Step(taken, len(pages))
        if seconds >= most:
            return


def _endless(batches: DataLoader[tuple[Tensor, int]]) -> Iterator[tuple[Tensor, Tensor]]:
    """Epoch after epoch."""
    while True:
        yield from cast(Iterator[tuple[Tensor, Tensor]], iter(batches))
