"""What an explanation points at is what the score depends on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from twinlens.bundle import Bundle
from twinlens.comparators import Cosine
from twinlens.encoders import Encoder
from twinlens.errors import ConfigError
from twinlens.modalities import Image as Pictures
from twinlens.modalities import Strokes
from twinlens.registry import Component
from twinlens.siamese import Siamese
from twinlens.tasks.explain import CELLS, explain, write_explanation


class Corner(Encoder):
    """Looks at the upper left quarter of a picture and nowhere else."""

    dim = 64

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        quarter = values[:, 0, :16, :16]
        return torch.nn.functional.adaptive_avg_pool2d(quarter[:, None], 8).flatten(1)


@pytest.fixture
def looks_at_a_corner(bundle: Bundle) -> Bundle:
    siamese = Siamese(Corner(), Cosine(64), Pictures(size=32, colour="grey", background="dark"))
    return dataclasses.replace(bundle, siamese=siamese.eval(), calibration=None)


@pytest.fixture
def twins(tmp_path: Path) -> tuple[Path, Path]:
    rng = np.random.default_rng(0)
    page = rng.integers(0, 255, (32, 32)).astype(np.uint8)
    paths = tmp_path / "a.png", tmp_path / "b.png"
    for path in paths:
        page[16:, 16:] = rng.integers(0, 255, (16, 16))  # the far corners differ
        Image.fromarray(page).save(path)
    return paths


def test_only_what_the_network_looks_at_matters(
    looks_at_a_corner: Bundle, twins: tuple[Path, Path]
) -> None:
    found = explain(looks_at_a_corner, *twins)
    assert found.score == pytest.approx(1.0)
    half = CELLS // 2
    for heat in (found.left, found.right):
        assert (heat[: half - 1, : half - 1] > 0.0005).all()
        assert np.abs(heat[half + 1 :, :]).max() < 1e-6
        assert np.abs(heat[:, half + 1 :]).max() < 1e-6
    assert found.trusted
    assert found.deletion > 2 * found.random_deletion


def test_it_is_drawn_over_both_pictures(
    looks_at_a_corner: Bundle, twins: tuple[Path, Path], tmp_path: Path
) -> None:
    found = explain(looks_at_a_corner, *twins)
    write_explanation(tmp_path / "out.png", found, *twins)
    with Image.open(tmp_path / "out.png") as page:
        pixels = np.asarray(page.convert("RGB"), np.int64)
    near, far = pixels[:80, :80].mean((0, 1)), pixels[160:, 160:240].mean((0, 1))
    assert near[0] - near[2] > 20  # red where it looks
    assert abs(far[0] - far[2]) < 2


def test_a_trained_network_is_explained(bundle: Bundle, glyphs: Path) -> None:
    a, b = sorted(next(iter(sorted(glyphs.iterdir()))).iterdir())[:2]
    found = explain(bundle, a, b)
    assert found.score == pytest.approx(bundle.score(a, b), abs=1e-5)
    assert np.isfinite(found.left).all() and np.abs(found.left).max() > 0


def test_other_inputs_have_no_picture_to_explain(bundle: Bundle) -> None:
    siamese = Siamese(Corner(), Cosine(64), Strokes())
    config = dataclasses.replace(bundle.config, modality=Component("strokes"))
    pen = dataclasses.replace(bundle, siamese=siamese, config=config)
    with pytest.raises(ConfigError, match="strokes"):
        explain(pen, "a.txt", "b.txt")
