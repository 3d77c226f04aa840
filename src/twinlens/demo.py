"""The demonstration: from pictures of handwritten digits to a report on digits never seen."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from twinlens.bundle import Bundle
from twinlens.config import Config, from_table
from twinlens.errors import DataError
from twinlens.evaluation.result import Evaluation
from twinlens.fit import fit
from twinlens.tasks.evaluate import evaluate
from twinlens.tasks.report import ScoredPair, report
from twinlens.training.history import Listener

MARK = ".twinlens-demo"
"""Empty file that tells a folder made by the demonstration, which may be replaced, from others."""
FIRST_UNSEEN = 7
_SIDE, _MARGIN = 32, 4


@dataclass(frozen=True, slots=True)
class Demo:
    """Where everything is, and what was found.

    Attributes:
        known: folder of digits 0-6, trained on and chosen by.
        unseen: folder of digits 7-9.
        model: the bundle.
        report: the HTML page.
        evaluation: figures on the unseen digits.
        pairs: one pair of the same unseen digit, one of different ones.
    """

    known: Path
    unseen: Path
    model: Path
    report: Path
    evaluation: Evaluation
    pairs: tuple[ScoredPair, ScoredPair]


def run_demo(out: Path, *, seed: int = 0, listener: Listener | None = None) -> Demo:
    """Write digits, train on 0-6, evaluate on 7-9, compare two pairs and write the report.

    Args:
        out: folder for everything; an earlier demonstration there is replaced.
        seed: of the training.
        listener: told of progress.

    Raises:
        DataError: `out` holds something else.
    """
    _make_room(out)
    known, unseen = write_digits(out / "digits")
    bundle = fit(known, out / "model", config=demo_config(seed), listener=listener)
    tested = evaluate(bundle, unseen, seed=seed)
    pairs = _compare(bundle, unseen)
    page = report(bundle, tested, out / "report.html", pairs=pairs)
    return Demo(known, unseen, out / "model", page, tested.evaluation, pairs)


def write_digits(folder: Path) -> tuple[Path, Path]:
    """scikit-learn's digits as PNG files, dark ink on white: folders "known" and "unseen".

    Source:
        Alpaydin, Kaynak. Optical recognition of handwritten digits. UCI repository, 1998.
    """
    digits = cast(Any, load_digits())
    known, unseen = folder / "known", folder / "unseen"
    inner = _SIDE - 2 * _MARGIN
    for number, (ink, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        place = (known if digit < FIRST_UNSEEN else unseen) / str(digit)
        place.mkdir(parents=True, exist_ok=True)
        drawn = Image.fromarray(np.uint8(255 - ink * 255 / 16))  # [8, 8]
        page = Image.new("L", (_SIDE, _SIDE), 255)
        page.paste(drawn.resize((inner, inner), Image.Resampling.BILINEAR), (_MARGIN, _MARGIN))
        page.save(place / f"{number:04d}.png")
    return known, unseen


def demo_config(seed: int) -> Config:
    """A small network and a short training, for a minute on two cores.

    Seven digits are few to learn a similarity from. Turned ones are further classes (a 6 on its
    side is none of the others), and none is held back to choose by: the number of steps is given.
    """
    return from_table(
        {
            "seed": seed,
            "data": {"validation_share": 0.0, "calibration_share": 0.3, "test_share": 0.0},
            "modality": {"turned_classes": "on"},
            "encoder": {"widths": [16, 32, 48], "dim": 32},
            "sampler": {"examples": 16, "derived_share": 0.75},
            "train": {"steps": 300, "validate_every": 50, "log_every": 10},
        }
    )


def _compare(bundle: Bundle, unseen: Path) -> tuple[ScoredPair, ScoredPair]:
    """The first picture of the lowest unseen digit, beside another of it and one of the next."""
    lowest, following, *_ = sorted(unseen.iterdir())
    first, second, *_ = sorted(lowest.iterdir())
    other = min(following.iterdir())
    return (
        ScoredPair(first, second, same=True, score=bundle.score(first, second)),
        ScoredPair(first, other, same=False, score=bundle.score(first, other)),
    )


def _make_room(out: Path) -> None:
    """An empty marked folder; only an earlier demonstration is removed for it."""
    if out.exists() and not (out.is_dir() and ((out / MARK).exists() or not any(out.iterdir()))):
        raise DataError(
            f"{out} must be empty or an earlier demonstration. Got something else, which is left "
            "alone. Choose another --out."
        )
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / MARK).touch()
