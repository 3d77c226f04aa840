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
from twinlens.tasks.explain import explain, write_explanation
from twinlens.tasks.explain_pictures import CELLS
from twinlens.tasks.explain_strokes import SEGMENTS, Segments


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


class Right(Cosine):
    """The brightness of the second picture."""

    symmetric, indexable = False, None

    def paired(self, a: Tensor, b: Tensor) -> Tensor:
        return b.sum(1)


def test_each_input_stays_on_its_side(looks_at_a_corner: Bundle, twins: tuple[Path, Path]) -> None:
    siamese = Siamese(Corner(), Right(64), looks_at_a_corner.siamese.modality)
    found = explain(dataclasses.replace(looks_at_a_corner, siamese=siamese.eval()), *twins)
    assert np.abs(found.left).max() == 0
    assert np.abs(found.right).max() > 0.01


def test_it_is_drawn_over_both_pictures(
    looks_at_a_corner: Bundle, twins: tuple[Path, Path], tmp_path: Path
) -> None:
    found = explain(looks_at_a_corner, *twins)
    write_explanation(tmp_path / "out.png", looks_at_a_corner, found, *twins)
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


class Beginning(Encoder):
    """Looks at the first quarter of the time of a pen path and nowhere else."""

    dim = 16

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        quarter = values[:, :2, : values.shape[2] // 4]
        return torch.nn.functional.adaptive_avg_pool1d(quarter, 8).flatten(1)


@pytest.fixture
def looks_at_the_beginning(bundle: Bundle) -> Bundle:
    siamese = Siamese(Beginning(), Cosine(16), Strokes(points=160, columns=("down",)))
    config = dataclasses.replace(bundle.config, modality=Component("strokes"))
    return dataclasses.replace(bundle, siamese=siamese.eval(), config=config, calibration=None)


@pytest.fixture
def signed(tmp_path: Path) -> tuple[Path, Path]:
    """Two paths that begin alike, with a jump of the lifted pen in the middle."""
    rng = np.random.default_rng(0)
    time = np.arange(160)
    beginning = np.cumsum(rng.normal(size=(40, 2)), axis=0)
    paths = tmp_path / "a.csv", tmp_path / "b.csv"
    for path in paths:
        rest = beginning[-1] + np.cumsum(rng.normal(size=(120, 2)), axis=0)
        place = np.concatenate([beginning, rest])
        down = np.where((time > 100) & (time < 120), 0, 1)
        rows = [f"{x},{y},{t},{d}" for (x, y), t, d in zip(place, time, down, strict=True)]
        path.write_text("\n".join(["x,y,time,down", *rows]))
    return paths


def test_only_the_strokes_that_the_network_looks_at_matter(
    looks_at_the_beginning: Bundle, signed: tuple[Path, Path]
) -> None:
    found = explain(looks_at_the_beginning, *signed)
    assert found.score == pytest.approx(looks_at_the_beginning.score(*signed), abs=1e-5)
    for heat in (found.left, found.right):
        assert heat.shape == (SEGMENTS,)
        assert np.abs(heat[: SEGMENTS // 4]).min() > 1e-4
        assert np.abs(heat[SEGMENTS // 4 + 1 :]).max() < 1e-6  # but for half of a neighbour
    assert found.deletion > found.random_deletion


def test_strokes_are_drawn_in_colour(
    looks_at_the_beginning: Bundle, signed: tuple[Path, Path], tmp_path: Path
) -> None:
    found = explain(looks_at_the_beginning, *signed)
    only = np.zeros(SEGMENTS)
    only[:2], only[-2:] = 1.0, -1.0
    marked = dataclasses.replace(found, left=only, right=np.zeros(SEGMENTS))
    write_explanation(tmp_path / "out.png", looks_at_the_beginning, marked, *signed)
    with Image.open(tmp_path / "out.png") as page:
        pixels = np.asarray(page.convert("RGB"), np.int64)
    left, right = pixels[:, :240], pixels[:, 248:]
    warmth = left[..., 0] - left[..., 2]
    assert (warmth > 100).sum() > 20 and (warmth < -100).sum() > 20
    assert np.abs(right[..., 0] - right[..., 2]).max() == 0  # grey where nothing matters
    assert (right < 200).any()
    assert (pixels[:, 240:248] == 255).all()


def test_paths_of_tablets_are_drawn_upright(looks_at_the_beginning: Bundle, tmp_path: Path) -> None:
    """The same numbers: y grows downward on screens and upward in SVC2004's files."""
    rows = [(10 * i, i * i, 10 * i, 1) for i in range(40)]
    (tmp_path / "a.csv").write_text(
        "\n".join(["x,y,time,down", *(f"{x},{y},{t},{d}" for x, y, t, d in rows)])
    )
    (tmp_path / "a.txt").write_text("\n".join(["40", *(f"{x} {y} {t} {d}" for x, y, t, d in rows)]))
    tiles: list[np.ndarray] = []
    modality = looks_at_the_beginning.siamese.modality
    assert isinstance(modality, Strokes)
    for name in ("a.csv", "a.txt"):
        array = modality.prepare(modality.load(str(tmp_path / name)))
        tile = Segments(modality).drawn(tmp_path / name, array, np.zeros(SEGMENTS))
        tiles.append(np.asarray(tile.convert("L"), np.int64))
    assert (tiles[0][120:, :120] == 255).all()  # falls from the upper left
    assert np.abs(tiles[0] - tiles[1][::-1]).mean() < 3


def test_other_inputs_cannot_be_taken_apart(bundle: Bundle) -> None:
    other = dataclasses.replace(bundle.config, modality=Component("sound"))
    siamese = Siamese(Corner(), Cosine(64), bundle.siamese.modality)
    siamese.modality = object()  # type: ignore[assignment]
    with pytest.raises(ConfigError, match="sound"):
        explain(dataclasses.replace(bundle, siamese=siamese, config=other), "a.wav", "b.wav")
