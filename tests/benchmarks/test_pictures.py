"""The generated folder of pictures."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.pictures import pages, write_class


def test_a_class_is_a_folder_of_distinct_colour_pictures(tmp_path: Path) -> None:
    write_class(tmp_path, 7, examples=4, side=16)
    files = sorted((tmp_path / "class00007").iterdir())
    assert len(files) == len({file.read_bytes() for file in files}) == 4
    with Image.open(files[0]) as picture:
        assert (picture.size, picture.mode) == ((16, 16), "RGB")


def test_the_same_number_gives_the_same_pictures() -> None:
    np.testing.assert_array_equal(pages(3, examples=2, side=16), pages(3, examples=2, side=16))


def test_classes_differ_more_than_their_examples() -> None:
    """So that there is something to learn."""
    means = [
        pages(n, examples=16, side=32).mean(axis=0, dtype=np.float64).ravel() for n in range(4)
    ]
    within = np.corrcoef(means[0], pages(0, examples=8, side=32)[:8].mean(axis=0).ravel())[0, 1]
    across = max(np.corrcoef(a, b)[0, 1] for a, b in combinations(means, 2))
    assert within > 0.8 > across
