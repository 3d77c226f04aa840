"""Made-up galleries, shared by tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from twinlens.gallery import Entry, Gallery, Space
from twinlens.gallery.entries import Vectors

DIM = 8
SPACE = Space("0123456789abcdef", DIM, "inner_product")


def vector(number: int) -> Vectors:
    """The template of a numbered thing, a function of its number alone. [dim]."""
    drawn = np.random.default_rng(number).normal(size=DIM)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def vectors(numbers: Sequence[int]) -> Vectors:
    """Templates of numbered things. [n, dim]."""
    return np.array([vector(number) for number in numbers], np.float32).reshape(-1, DIM)


def entries(numbers: Sequence[int]) -> list[Entry]:
    """Numbered things, three of an identity."""
    return [Entry(str(n), f"identity {n // 3}", f"{n}.png", {"part": str(n % 2)}) for n in numbers]


def filled(path: Path, count: int, *, log_searches: bool = False) -> Gallery:
    """A gallery of the things 0, 1, ...; their items are numbered from 1."""
    gallery = Gallery.create(path, SPACE, log_searches=log_searches)
    gallery.add(vectors(range(count)), entries(range(count)))
    return gallery


def contents(gallery: Gallery) -> set[int]:
    """Numbers of the things that are there."""
    return {int(item.entry.content) for item in gallery.items(gallery.ids())}
