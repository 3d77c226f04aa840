"""What cannot be calibrated on or compared is one clear error that names what is wrong."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from drawings import write_glyphs
from twinlens.bundle import Bundle
from twinlens.comparators import Cosine
from twinlens.encoders import Encoder
from twinlens.errors import DataError, EvidenceError
from twinlens.modalities import Image as Pictures
from twinlens.modalities import Strokes
from twinlens.registry import Component
from twinlens.siamese import Siamese
from twinlens.tasks.calibrate import calibrate
from twinlens.tasks.compare import compare


class Alike(Encoder):
    """Gives the same embedding for everything."""

    dim = 4

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return torch.ones(len(values), 4) + 0 * values.float().mean()


class Undefined(Cosine):
    """A comparator that has gone wrong."""

    def paired(self, a: Tensor, b: Tensor) -> Tensor:
        return super().paired(a, b) * torch.nan


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_glyphs(tmp_path_factory.mktemp("own"), 12, 3, first=3000)


def test_scores_that_are_all_equal_carry_nothing(bundle: Bundle, own: Path) -> None:
    siamese = Siamese(Alike(), Cosine(4), bundle.siamese.modality).eval()
    with pytest.raises(EvidenceError, match="scores that differ.*tells nothing apart"):
        calibrate(dataclasses.replace(bundle, siamese=siamese), own)


def test_scores_that_are_not_finite_are_refused(bundle: Bundle, own: Path) -> None:
    dim = bundle.siamese.dim
    siamese = Siamese(bundle.siamese.encoder, Undefined(dim), bundle.siamese.modality).eval()
    with pytest.raises(DataError, match="Every score must be finite. Got nan"):
        calibrate(dataclasses.replace(bundle, siamese=siamese), own)


@pytest.mark.parametrize(("same", "counts"), [("1", "3 and 0"), ("0", "0 and 3")])
def test_pairs_of_one_truth_carry_nothing(
    bundle: Bundle, own: Path, tmp_path: Path, same: str, counts: str
) -> None:
    files = sorted(own.rglob("*.png"))
    rows = [f"{a},{b},{same}" for a, b in zip(files[:3], files[3:6], strict=True)]
    table = tmp_path / "pairs.csv"
    table.write_text("\n".join(["left,right,same", *rows]))
    with pytest.raises(EvidenceError, match=f"same and of different identities. Got {counts}"):
        calibrate(bundle, table)


def test_identities_with_one_example_each_have_no_genuine_comparison(
    bundle: Bundle, tmp_path: Path
) -> None:
    with pytest.raises(EvidenceError, match="Got 0 and 66"):
        calibrate(bundle, write_glyphs(tmp_path, 12, 1, first=3000))


def test_files_of_training_under_another_name_are_refused_by_that_name(
    bundle: Bundle, glyphs: Path, own: Path, tmp_path: Path
) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(own, mixed)
    for folder in sorted(glyphs.iterdir()):
        place = mixed / f"renamed-{folder.name}"
        place.mkdir()
        shutil.copy(folder / "00.png", place / "new.png")
    with pytest.raises(EvidenceError, match=r"renamed-class\d\d, .* and \d+ more, by name or by"):
        calibrate(bundle, mixed)


@pytest.fixture
def signing(bundle: Bundle) -> Bundle:
    """A model of signatures that are scanned."""
    siamese = Siamese(Alike(), Cosine(4), Pictures(size=16, crop="ink"))
    return dataclasses.replace(bundle, siamese=siamese.eval(), calibration=None)


def test_a_signature_without_ink_is_named(signing: Bundle, own: Path, tmp_path: Path) -> None:
    Image.new("L", (60, 40), 250).save(tmp_path / "blank.png")
    signed = min(own.rglob("*.png"))
    assert compare(signing, signed, signed)["score"] == pytest.approx(1.0)
    for a, b in ((tmp_path / "blank.png", signed), (signed, tmp_path / "blank.png")):
        with pytest.raises(DataError, match=r"blank\.png: .*ink.*Got a blank one"):
            compare(signing, a, b)
    with pytest.raises(DataError, match="^A page must have ink"):
        compare(signing, Image.new("L", (60, 40), 250), signed)


@pytest.fixture
def writing(bundle: Bundle) -> Bundle:
    """A model of signatures that are written on a tablet with pressure."""
    config = dataclasses.replace(bundle.config, modality=Component("strokes"))
    siamese = Siamese(Alike(), Cosine(4), Strokes(points=32, columns=("pressure",)))
    return dataclasses.replace(bundle, siamese=siamese.eval(), config=config, calibration=None)


Rows = list[tuple[float, ...]]


def rows(count: int, change: Callable[[int], tuple[float, ...]]) -> Rows:
    return [change(i) for i in range(count)]


@pytest.mark.parametrize(
    ("header", "points", "word"),
    [
        ("x,y,time,pressure", rows(1, lambda i: (1, 2, 3, 4)), "at least 3 points. Got 1"),
        ("x,y,time,pressure", rows(9, lambda i: (i, i, -i, 4)), "time must not decrease"),
        ("x,y,time,pressure", rows(9, lambda i: (5, 5, i, 4)), "must move. Got all points in one"),
        ("x,y,time", rows(9, lambda i: (i, i * i, i)), "must have pressure"),
        ("x,y,time,pressure", rows(9, lambda i: (i, i, i, float("nan"))), "pressure must be fini"),
    ],
)
def test_a_path_that_cannot_be_is_named(
    writing: Bundle, tmp_path: Path, header: str, points: Rows, word: str
) -> None:
    bad = write_path(tmp_path / "bad.csv", header, points)
    good = write_path(tmp_path / "good.csv", "x,y,time,pressure", ordinary(9))
    with pytest.raises(DataError, match=rf"bad\.csv: .*{word}"):
        compare(writing, good, bad)


@pytest.mark.parametrize(
    "points",
    [
        rows(9, lambda i: (i, 7, i, 4)),  # no height
        rows(9, lambda i: (7, i, i, 4)),  # no width
        rows(9, lambda i: (i, i * i, 3, 4)),  # one time for all
        rows(30, lambda i: (i, i * i, i - 2 * (i == 20), 4)),  # once a little back
    ],
)
def test_an_odd_path_is_finite_all_the_same(writing: Bundle, tmp_path: Path, points: Rows) -> None:
    odd = write_path(tmp_path / "odd.csv", "x,y,time,pressure", points)
    assert np.isfinite(np.asarray(writing.prepared(odd), np.float64)).all()
    assert np.isfinite(writing.score(odd, odd))


def ordinary(count: int) -> Rows:
    return rows(count, lambda i: (i, i * i % 7, 10 * i, 3 + i % 2))


def write_path(path: Path, header: str, points: Rows) -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, point)) for point in points)]))
    return path
