"""Twelve changes that keep what a picture shows."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from twinlens.duplicates.transforms import TRANSFORMS, altered


def photo(seed: int = 0, width: int = 90, height: int = 60) -> Image.Image:
    """A smooth random picture with colours."""
    small = np.random.default_rng(seed).integers(0, 255, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def test_there_are_twelve() -> None:
    assert len(TRANSFORMS) == 12


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_each_changes_the_picture_by_its_generator_alone(name: str, mode: str) -> None:
    picture = photo().convert(mode)
    made = [altered(picture, name, 0.7, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert all(copy.mode == "RGB" for copy in made)
    assert made[0].tobytes() == made[1].tobytes()
    assert made[0].tobytes() != picture.convert("RGB").tobytes()
    if name != "flip":
        assert made[0].tobytes() != made[2].tobytes()


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (5, 7)])
def test_the_smallest_pictures_survive(name: str, size: tuple[int, int]) -> None:
    for strength in (0.01, 1.0):
        copy = altered(photo(0, *size), name, strength, np.random.default_rng(0))
        assert min(copy.size) >= 1


@pytest.mark.parametrize("name", ["jpeg", "blur", "crop", "resize", "border"])
def test_more_strength_changes_more(name: str) -> None:
    def distance(strength: float) -> float:
        copy = altered(photo(), name, strength, np.random.default_rng(3)).resize((90, 60))
        return float(np.abs(np.asarray(copy, float) - np.asarray(photo(), float)).mean())

    assert distance(1.0) > distance(0.2)
