"""Learning what a copy is from the collection itself: a picture and its changes are one thing."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from twinlens.bundle import Bundle
from twinlens.config import load_config
from twinlens.data.cache import Progress
from twinlens.data.manifest import read_dataset, read_inputs
from twinlens.duplicates.perceptual import coarse_hash
from twinlens.duplicates.transforms import TRANSFORMS, altered
from twinlens.errors import DataError
from twinlens.fit import fit
from twinlens.modalities.decode import read_image
from twinlens.tasks.calibrate import calibrate
from twinlens.training.history import Listener

FEWEST = 40
"""Pictures: with fewer there is nothing to train on."""
MOST = 1500
CALIBRATED_ON = 300
"""Pictures, at most, that thresholds are taken from."""
FEWEST_CALIBRATED = 10
"""With fewer, nothing is known of how alike different pictures of a folder are."""
COPIES = 7
"""Changed copies of each picture, besides itself."""
_HARD = {"crop": 4.0, "rotation": 2.0, "text": 2.0}
"""Changes that are learned from more often than the others, which are easier."""
_CHANGES = tuple(TRANSFORMS)
_TOTAL = sum(_HARD.get(name, 1.0) for name in _CHANGES)
_SHARES = [_HARD.get(name, 1.0) / _TOTAL for name in _CHANGES]
_SIDE = 256
_ALIKE_BITS = 10
"""Pictures whose coarse hashes differ in fewer of 64 bits may be copies already."""
PRESET = "copies"
COPIES_MODEL = Path(__file__).parent / "models" / "copies"
"""What comes with the package: trained on generated pictures by scripts/train-copies-model."""


def fit_copies(
    folder: Path,
    out: Path,
    *,
    settings: Sequence[str] = (),
    seed: int = 0,
    overwrite: bool = False,
    listener: Listener | None = None,
) -> Bundle:
    """Train a model that takes a picture for its own copies, and for no other picture.

    Pictures that look like copies of one another already are taken once, by a coarse hash: they
    would be learned as different things.

    Args:
        folder: of pictures, however nested; their folders mean nothing.
        out: folder of the model to be.
        settings: as `--set` takes them; they overrule the preset `copies`.
        seed: of all randomness.
        overwrite: replace a model at `out`.
        listener: told of progress.

    Raises:
        DataError: there are too few pictures.
        TrainingError, BundleError: see `fit`.
    """
    config = load_config(None, [*settings, f"seed={seed}"], preset=PRESET)
    with _room_beside(out) as place:
        write_copies(folder, place, seed=seed)
        return fit(place, out.absolute(), config=config, overwrite=overwrite, listener=listener)


def model_for(
    folder: Path, out: Path, *, seed: int = 0, progress: Progress | None = None
) -> Bundle:
    """The model that comes with the package, with thresholds that hold in a folder; saved.

    What is unlike in one collection may be alike in another: different photos are more alike than
    the generated pictures that the model was trained and calibrated on. So its promises are made
    anew from some pictures of the folder and changed copies of them.

    Args:
        folder: of pictures, however nested.
        out: folder of the model to be, which must be new.
        seed: of all randomness.
        progress: told of (copies embedded, copies).

    Raises:
        DataError: there are too few pictures to take a threshold from.
        BundleError: something is at `out`.
    """
    bundle = Bundle.load(COPIES_MODEL)
    with _room_beside(out) as place:
        write_copies(folder, place, seed=seed, most=CALIBRATED_ON, fewest=FEWEST_CALIBRATED)
        dataset = replace(read_dataset(place), root=folder)
        calibration = calibrate(bundle, dataset, progress=progress)
    return Bundle.save(
        out.absolute(),
        siamese=bundle.siamese,
        config=bundle.config,
        evidence=bundle.evidence,
        calibration=calibration,
    )


@contextmanager
def _room_beside(out: Path) -> Generator[Path]:
    """A folder for copies, on the disk that the model will be on; gone afterwards."""
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{out.name}.copies-", dir=out.parent) as place:
        yield Path(place)


def write_copies(
    folder: Path, out: Path, *, seed: int = 0, most: int = MOST, fewest: int = FEWEST
) -> int:
    """A folder for each picture, with it and changed copies of it. Returns how many pictures.

    It is named by the coarse hash of the picture, by which a model knows what it was trained on.

    Raises:
        DataError: there are too few that can be read.
    """
    rng = np.random.default_rng(seed)
    refs = read_inputs(folder)
    hashes: list[np.ndarray] = []
    for place in rng.permutation(len(refs)):
        picture = _readable(refs[place])
        if picture is None:
            continue
        found = coarse_hash(picture)
        if _is_alike(found, hashes):
            continue
        hashes.append(found)
        _write(picture, out / np.packbits(found).tobytes().hex(), rng)
        if len(hashes) == most:
            break
    if len(hashes) < fewest:
        raise DataError(
            f"{folder} must hold at least {fewest} different pictures to learn from how alike "
            f"they are. Got {len(hashes)}. Add some, name a model with --model, or a score with "
            "--threshold."
        )
    return len(hashes)


def _is_alike(found: np.ndarray, others: list[np.ndarray]) -> bool:
    return bool(others) and bool(((np.array(others) != found).sum(axis=1) < _ALIKE_BITS).any())


def _readable(ref: str) -> Image.Image | None:
    """A picture of bounded size; None for a broken file, which the search for copies tells of."""
    try:
        picture = read_image(Path(ref)).convert("RGB")
    except DataError:
        return None
    picture.thumbnail((_SIDE, _SIDE))
    return picture


def _write(picture: Image.Image, folder: Path, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    picture.save(folder / "0.png")
    for copy in range(1, COPIES + 1):
        changed = picture
        for name in rng.choice(_CHANGES, int(rng.integers(1, 3)), replace=False, p=_SHARES):
            changed = altered(changed, str(name), float(rng.uniform(0.2, 1)), rng)
        changed.save(folder / f"{copy}.png")
