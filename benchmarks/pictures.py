"""A generated folder of many small pictures, a folder a class."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

PROCESSES = 2
KNOTS = 8
QUALITY = 85


def write_pictures(root: Path, *, classes: int, examples: int, side: int = 64) -> Path:
    """Fill `root` with classes × examples RGB JPEG files, all different; returns `root`.

    Each class is a smooth colour pattern; its examples are shifted, lit and speckled versions.

    Args:
        root: made when missing.
        classes, examples: how many, and how many of each.
        side: in pixels.
    """
    # a fresh interpreter a process: forking one that has used torch's threads may hang
    context = multiprocessing.get_context("spawn")
    write = partial(write_class, root, examples=examples, side=side)
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        for _ in pool.map(write, range(classes), chunksize=max(1, classes // 20)):
            pass
    return root


def write_class(root: Path, number: int, *, examples: int, side: int) -> None:
    """Write the folder of one class."""
    folder = root / f"class{number:05d}"
    folder.mkdir(parents=True, exist_ok=True)
    for i, page in enumerate(pages(number, examples=examples, side=side)):
        Image.fromarray(page).save(folder / f"{i:04d}.jpg", quality=QUALITY)


def pages(number: int, *, examples: int, side: int) -> npt.NDArray[np.uint8]:
    """The pictures of one class; the same number gives the same ones. [examples, side, side, 3]."""
    rng = np.random.default_rng(number)
    knots = rng.integers(0, 256, (KNOTS, KNOTS, 3), dtype=np.uint8)
    pattern = np.asarray(Image.fromarray(knots).resize((side, side), Image.Resampling.BICUBIC))
    shifts = rng.integers(-side // 8, side // 8 + 1, (examples, 2))
    moved = np.stack([np.roll(pattern, tuple(shift), axis=(0, 1)) for shift in shifts])
    light = rng.uniform(0.7, 1.3, (examples, 1, 1, 1))
    noise = rng.normal(0, 8, moved.shape)
    return np.clip(moved * light + noise, 0, 255).astype(np.uint8)
