"""Changed copies of photos among each other and among strangers, by one threshold for all.

500 photos (BSDS500) and 36 copies of each: twelve named changes at three strengths, as JPEG files.
Every pair of pictures that come from one photo is true, every other pair false. The model is the
one that comes with the package: it learned from generated pictures (scripts/train-copies-model)
and saw no photo at all.

* `recall_at_precision_99`: of all true pairs, at the lowest threshold at which 99 % of the pairs
  over it are true; for the hashes likewise, in the same run, as anchors.
* `recall_<change>`: of the pairs of a photo and its own copies by that change, at that threshold.
* `images_per_second_ratio_to_phash`: files a second, decoding included, to embeddings over that to
  perceptual hashes.
* `seconds_per_1000_at_N`, `peak_rss_mb_at_N`: a whole search for copies among N generated pictures,
  each run in a process of its own.

ImageHash's hashes (64 bits) stand for imagededup's too, which are the same functions and whose
package needs one that does not import here. Crops and screenshots are what hashes are not made for.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.data import ROOT
from benchmarks.pictures import write_pictures
from benchmarks.record import Anchor, Metric, Options, Result
from benchmarks.train_memory import peak_rss_mb
from twinlens.bundle import Bundle
from twinlens.duplicates.transforms import TRANSFORMS, altered
from twinlens.modalities.decode import read_image
from twinlens.self_supervised import COPIES_MODEL
from twinlens.tasks.dedupe import find_duplicates
from twinlens.types import FloatArray, IntArray

STRENGTHS = {"mild": 0.33, "moderate": 0.66, "strong": 1.0}
PRECISION = 0.99
QUICK_PHOTOS = 20
TIMED = 2000
"""Files that speed is measured on, in turns of all systems."""
ROUNDS = 3
SIZES = (1_000, 10_000, 100_000)
HASHES = ("phash", "dhash", "average_hash", "whash")
_BINS = 200_000
_BLOCK = 1000
_QUALITY = 92

Read = Callable[[Sequence[Path]], FloatArray]
"""Files -> vectors of length 1, whose inner product says how alike they are. [n, dim]."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Photos and their copies.

    Attributes:
        paths: of all files.
        photo: [n] which photo each comes from.
        made_by: (change, strength) of each copy; None for a photo itself.
    """

    paths: tuple[Path, ...]
    photo: IntArray
    made_by: tuple[tuple[str, str] | None, ...]


def run(options: Options) -> Result:
    """Compare all with all, and measure speed and growth; with --parts, some of it."""
    bundle = Bundle.load(COPIES_MODEL)
    metrics: list[Metric] = []
    details: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        if options.wants("recall") or options.wants("speed"):
            photos = sorted(options.data.unpacked("images/bsds500_photos.zip").rglob("*.jpg"))
            collection = write_collection(photos[: QUICK_PHOTOS if options.quick else None], place)
            readers: dict[str, Read] = {
                "model": bundle.embed,
                **{name: hasher(name) for name in HASHES},
            }
            if options.wants("recall"):
                found = {
                    n: recalls(read(collection.paths), collection) for n, read in readers.items()
                }
                metrics += recall_metrics(found)
                details["recalls"] = found
            if options.wants("speed"):
                metrics += speed(readers, collection)
        if options.wants("growth"):
            sizes = SIZES[:1] if options.quick else SIZES
            metrics += [one for size in sizes for one in growth(place / str(size), size)]
    return Result(tuple(metrics), (0,), details)


def write_collection(photos: Sequence[Path], place: Path) -> Collection:
    """Every photo, and copies by every change at every strength, as files."""
    paths: list[Path] = []
    owner: list[int] = []
    made_by: list[tuple[str, str] | None] = []
    for number, photo in enumerate(photos):
        rng = np.random.default_rng(number)
        picture = read_image(photo).convert("RGB")
        copies: list[tuple[tuple[str, str] | None, Image.Image]] = [(None, picture)]
        for change in TRANSFORMS:
            for name, strength in STRENGTHS.items():
                copies.append(((change, name), altered(picture, change, strength, rng)))
        for copy, (how, changed) in enumerate(copies):
            path = place / f"{number:04}-{copy:02}.jpg"
            changed.save(path, quality=_QUALITY)
            paths.append(path)
            owner.append(number)
            made_by.append(how)
    return Collection(tuple(paths), np.array(owner), tuple(made_by))


def hasher(name: str) -> Read:
    """One of ImageHash's hashes, its bits as signs: equal bits make the inner product larger."""
    compute: Any = getattr(importlib.import_module("imagehash"), name)

    def read(paths: Sequence[Path]) -> FloatArray:
        bits = []
        for path in paths:
            with Image.open(path) as picture:
                bits.append(compute(picture).hash.ravel())
        signs = np.where(np.array(bits), 1.0, -1.0)
        return (signs / np.sqrt(signs.shape[1])).astype(np.float32)

    return read


def recalls(vectors: FloatArray, collection: Collection) -> dict[str, Any]:
    """Recall of all true pairs at the precision, and by change and strength of photo and copy."""
    true, false = np.zeros(_BINS, np.int64), np.zeros(_BINS, np.int64)
    photo = collection.photo
    for start in range(0, len(vectors), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(vectors)))
        scores = vectors[rows] @ vectors[start:].T
        later = np.arange(start, len(vectors))[None] > rows[:, None]  # each pair once
        same = photo[rows][:, None] == photo[None, start:]
        true += _counted(scores[later & same])
        false += _counted(scores[later & ~same])
    over_true, over_false = true[::-1].cumsum()[::-1], false[::-1].cumsum()[::-1]
    precise = over_true >= PRECISION * (over_true + over_false)
    lowest = (
        int(np.argmax(precise & (over_true > 0))) if (precise & (over_true > 0)).any() else _BINS
    )
    threshold = 2 * lowest / _BINS - 1
    total = int(true.sum())
    return {
        "recall": float(over_true[lowest] / total) if lowest < _BINS else 0.0,
        "threshold": threshold,
        "true_pairs": total,
        "false_pairs": int(false.sum()),
        "by_change": by_change(vectors, collection, threshold),
    }


def by_change(vectors: FloatArray, collection: Collection, threshold: float) -> dict[str, Any]:
    """Share of the copies by each change that their photo finds, by strength."""
    originals = np.flatnonzero([how is None for how in collection.made_by])
    score = (vectors * vectors[originals][collection.photo]).sum(axis=1)
    found = score >= threshold
    return {
        change: {
            strength: float(np.mean([
                hit for hit, how in zip(found, collection.made_by, strict=True)
                if how == (change, strength)
            ]))
            for strength in STRENGTHS
        }
        for change in TRANSFORMS
    }  # fmt: skip


def _counted(scores: FloatArray) -> IntArray:
    places = np.clip(((scores + 1) / 2 * _BINS).astype(np.int64), 0, _BINS - 1)
    return np.bincount(places, minlength=_BINS)


def recall_metrics(found: dict[str, dict[str, Any]]) -> list[Metric]:
    """The model's recalls, with those of the hashes as anchors."""

    def anchors(of: Callable[[dict[str, Any]], float]) -> tuple[Anchor, ...]:
        return tuple(Anchor(of(found[name]), f"{name}, this run") for name in HASHES)

    def by(change: str) -> Callable[[dict[str, Any]], float]:
        return lambda one: float(np.mean(list(one["by_change"][change].values())))

    whole = Metric(
        "recall_at_precision_99", found["model"]["recall"], "rate", goal=0.9, beyond=0.97,
        anchors=anchors(lambda one: one["recall"]),
    )  # fmt: skip
    changes = [
        Metric(f"recall_{name}", by(name)(found["model"]), "rate", anchors=anchors(by(name)))
        for name in TRANSFORMS
    ]
    return [whole, *changes]


def speed(readers: dict[str, Read], collection: Collection) -> list[Metric]:
    """Files a second of the model and of the first hash, in turns; the medians."""
    paths = collection.paths[:TIMED]
    systems = ("model", HASHES[0])
    rates: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(ROUNDS):
        for name in systems:
            started = time.perf_counter()
            readers[name](paths)
            rates[name].append(len(paths) / (time.perf_counter() - started))
    ours, theirs = (float(np.median(rates[name])) for name in systems)
    return [
        Metric("images_per_second", ours, "images/s"),
        Metric(
            f"images_per_second_ratio_to_{HASHES[0]}", ours / theirs, "ratio", goal=0.5, beyond=1.0,
            anchors=(Anchor(theirs, f"images/s, ImageHash's {HASHES[0]}, same run"),),
        ),
    ]  # fmt: skip


def growth(place: Path, count: int) -> list[Metric]:
    """A whole search for copies among generated pictures."""
    write_pictures(place, classes=max(1, count // 100), examples=min(count, 100))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.duplicates", str(place)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    told = json.loads(done.stdout)
    return [
        Metric(f"seconds_per_1000_at_{count}", 1000 * told["seconds"] / count, "s", "lower"),
        Metric(f"peak_rss_mb_at_{count}", told["peak_rss_mb"], "MB", "lower"),
    ]


if __name__ == "__main__":
    started_at = time.perf_counter()
    with tempfile.TemporaryDirectory() as memory:
        find_duplicates(
            Path(sys.argv[1]), Bundle.load(COPIES_MODEL), Path(memory) / "gallery", threshold=0.9
        )  # fmt: skip
    seconds = time.perf_counter() - started_at
    print(json.dumps({"seconds": seconds, "peak_rss_mb": peak_rss_mb()}))
