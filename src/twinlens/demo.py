"""The demonstration: from handwritten digits to decisions on numbers of digits never seen.

An identity is a number of four digits, written in two rows of two. Numbers of the digits 0-6 are
trained on. The network never sees those of 7-9: some of them are calibrated on, the others tested.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from twinlens.bundle import Bundle
from twinlens.config import CalibrationConfig, Config, from_table
from twinlens.errors import DataError
from twinlens.evaluation.result import Evaluation
from twinlens.fit import fit
from twinlens.gallery.identification import Identification
from twinlens.tasks.calibrate import calibrate
from twinlens.tasks.evaluate import evaluate
from twinlens.tasks.gallery import create_gallery, enrol
from twinlens.tasks.identify import identify
from twinlens.tasks.report import ScoredPair, report
from twinlens.training.history import Listener

MARK = ".twinlens-demo"
"""Empty file that tells a folder made by the demonstration, which may be replaced, from others."""
FIRST_UNSEEN = 7
TRAINED_ON, CALIBRATED_ON = 400, 40
"""Numbers; of the 81 of unseen digits those that are not calibrated on are tested."""
COPIES = 8
"""Pictures of each number, each of other drawings of its digits."""
PROMISED = CalibrationConfig(fmr=(0.1, 0.01))
ENROLLED, TEMPLATES = 10, 2
"""Numbers in the gallery, and pictures of each; the others are strangers to it."""
FPIR = 0.2
"""Share of strangers who may be taken for somebody: what 40 numbers can promise."""
_SIDE = 32

Number = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Folders of pictures, a folder for each number.

    Attributes:
        known: of the digits 0-6.
        own, unseen: of the digits 7-9; no number is in both.
    """

    known: Path
    own: Path
    unseen: Path


@dataclass(frozen=True, slots=True)
class Probe:
    """A picture, and who it was found to be.

    Attributes:
        picture: of a number.
        enrolled: whether that is in the gallery.
        found: the answer.
    """

    picture: Path
    enrolled: bool
    found: Identification

    @property
    def right(self) -> bool:
        """Whether the answer names the number, or for a stranger nobody."""
        return self.found.who == (self.picture.parent.name if self.enrolled else None)


@dataclass(frozen=True, slots=True)
class Demo:
    """Where everything is, and what was found.

    Attributes:
        numbers: the pictures.
        model: the bundle.
        report: the HTML page.
        evaluation: figures on numbers of unseen digits.
        pairs: one pair of the same number, one of different ones; decided.
        gallery: of some of the unseen numbers.
        probes: all other pictures of the enrolled numbers, and all of strangers; identified.
    """

    numbers: Numbers
    model: Path
    report: Path
    evaluation: Evaluation
    pairs: tuple[ScoredPair, ScoredPair]
    gallery: Path
    probes: tuple[Probe, ...]


def run_demo(out: Path, *, seed: int = 0, listener: Listener | None = None) -> Demo:
    """Write numbers, train, calibrate, evaluate, decide on pairs, report, enrol and identify.

    Args:
        out: folder for everything; an earlier demonstration there is replaced.
        seed: of the training.
        listener: told of progress.

    Raises:
        DataError: `out` holds something else.
    """
    _make_room(out)
    numbers = write_numbers(out / "numbers")
    trained = fit(numbers.known, out / "model", config=demo_config(seed), listener=listener)
    bundle = Bundle.save(
        out / "model",
        siamese=trained.siamese,
        config=trained.config,
        evidence=trained.evidence,
        calibration=calibrate(trained, numbers.own, settings=PROMISED),
        overwrite=True,
    )
    tested = evaluate(bundle, numbers.unseen, seed=seed)
    pairs = _compare(bundle, numbers.unseen)
    page = report(bundle, tested, out / "report.html", pairs=pairs)
    gallery = out / "gallery"
    probes = _identify(bundle, numbers.unseen, gallery)
    return Demo(numbers, out / "model", page, tested.evaluation, pairs, gallery, probes)


def write_numbers(folder: Path) -> Numbers:
    """Numbers of scikit-learn's digits as PNG files, dark ink on white.

    Source:
        Alpaydin, Kaynak. Optical recognition of handwritten digits. UCI repository, 1998.
    """
    rng = np.random.default_rng(1)
    known = list(itertools.product(range(FIRST_UNSEEN), repeat=4))
    unseen = list(itertools.product(range(FIRST_UNSEEN, 10), repeat=4))
    sides: dict[str, Sequence[Number]] = {
        "known": [known[i] for i in rng.permutation(len(known))[:TRAINED_ON]],
        "own": [],
        "unseen": [],
    }
    order = rng.permutation(len(unseen))
    sides["own"] = [unseen[i] for i in order[:CALIBRATED_ON]]
    sides["unseen"] = [unseen[i] for i in order[CALIBRATED_ON:]]
    digits = cast(Any, load_digits())
    drawings = {digit: digits.images[digits.target == digit] for digit in range(10)}  # [n, 8, 8]
    for side, numbers in sides.items():
        for number in numbers:
            place = folder / side / "".join(map(str, number))
            place.mkdir(parents=True)
            for copy in range(COPIES):
                drawn = [drawings[d][rng.integers(len(drawings[d]))] for d in number]
                ink = np.block([drawn[:2], drawn[2:]])  # [16, 16]
                page = Image.fromarray(np.uint8(255 - ink * 255 / 16))
                page.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR).save(place / f"{copy}.png")
    return Numbers(*(folder / side for side in sides))


def demo_config(seed: int) -> Config:
    """A small network and a short training, for half a minute on two cores.

    All numbers of known digits are trained on: the others are kept for everything else. Seven
    digits are few to learn handwriting from; each turned by quarters is another shape to tell.
    """
    return from_table(
        {
            "seed": seed,
            "data": {"validation_share": 0.0, "calibration_share": 0.0, "test_share": 0.0},
            "modality": {"turned_classes": "on", "rotation_deg": 6.0, "elastic": 0.03},
            "encoder": {"widths": [16, 32, 48], "dim": 64},
            "train": {"steps": 500, "validate_every": 100, "log_every": 20},
        }
    )


def _compare(bundle: Bundle, unseen: Path) -> tuple[ScoredPair, ScoredPair]:
    """The first picture of the number in the middle, beside another of it and one of the lowest."""
    numbers = sorted(unseen.iterdir())
    first, second, *_ = sorted(numbers[len(numbers) // 2].iterdir())
    return (
        _decided(bundle, first, second, same=True),
        _decided(bundle, first, min(numbers[0].iterdir()), same=False),
    )


def _decided(bundle: Bundle, left: Path, right: Path, *, same: bool) -> ScoredPair:
    score = bundle.score(left, right)
    assert bundle.calibration is not None  # `run_demo` has calibrated it
    return ScoredPair(left, right, same, score, bundle.calibration.decide(score))


def _identify(bundle: Bundle, unseen: Path, place: Path) -> tuple[Probe, ...]:
    """Enrol every fourth number; ask who all other pictures are of."""
    numbers = sorted(unseen.iterdir())
    chosen = numbers[:: len(numbers) // ENROLLED][:ENROLLED]
    pictures = {number: sorted(number.iterdir()) for number in numbers}
    own = [picture for number in chosen for picture in pictures[number][TEMPLATES:]]
    strange = [p for number in numbers if number not in chosen for p in pictures[number]]
    with create_gallery(place, bundle) as gallery:
        for number in chosen:
            enrol(gallery, bundle, pictures[number][:TEMPLATES], identity=number.name)
        found = identify(bundle, gallery, [*own, *strange], fpir=FPIR)
    enrolled = [True] * len(own) + [False] * len(strange)
    return tuple(itertools.starmap(Probe, zip([*own, *strange], enrolled, found, strict=True)))


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
