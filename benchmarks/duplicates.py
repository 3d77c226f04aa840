"""Changed copies of photos among each other and among strangers, by one threshold for all.

500 photos (BSDS500) and 36 copies of each: twelve named changes at three strengths, as JPEG files.
Every pair of pictures that come from one photo is true, every other pair false. A pair is told by
what `twinlens dedupe` goes by: the score of the model that comes with the package, or a perceptual
hash, at most 8 of 64 bits apart, whatever the score. All pairs are looked at, without clusters. The
model learned from generated pictures (scripts/train-copies-model) and saw no photo at all; the
distance was chosen on 211 other pictures (docs/benchmarks.md).

* `recall_at_precision_99`: of all true pairs, at the lowest threshold at which 99 % of the pairs
  over it, or near by hash, are true; for the model alone and for hashes alone likewise, in the same
  run, as anchors.
* `recall_<change>`: of the pairs of a photo and its own copies by that change, at that threshold.
* `images_per_second_ratio_to_phash`: files a second, decoding included, to embeddings and their
  perceptual hashes over that to perceptual hashes alone.
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
from twinlens.duplicates.perceptual import Hashes, perceptual_hash
from twinlens.duplicates.transforms import TRANSFORMS, altered
from twinlens.modalities.decode import read_image
from twinlens.self_supervised import COPIES_MODEL
from twinlens.tasks.dedupe import HASH_DISTANCE, find_duplicates
from twinlens.tasks.readable import embed_readable
from twinlens.types import FloatArray, IntArray

STRENGTHS = {"mild": 0.33, "moderate": 0.66, "strong": 1.0}
PRECISION = 0.99
QUICK_PHOTOS = 20
TIMED = 2000
"""Files that speed is measured on, in turns of all systems."""
ROUNDS = 3
SIZES = (1_000, 10_000, 100_000)
HASHES = ("phash", "dhash", "average_hash", "whash")
OURS, ALONE = "model and hash", "the model alone"
_BINS = 200_000
_BLOCK = 1000
_QUALITY = 92

Scores = Callable[[IntArray, IntArray], FloatArray]
"""Positions of rows and of columns -> how alike they are, -1 to 1. [rows, columns]."""


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
            if options.wants("recall"):
                vectors, hashes = looked_at(bundle, collection.paths)
                systems = {OURS: either(vectors, hashes), ALONE: inner(vectors)}
                systems |= {name: inner(hashed(name, collection.paths)) for name in HASHES}
                found = {name: recalls(scores, collection) for name, scores in systems.items()}
                metrics += recall_metrics(found)
                details["recalls"] = found
            if options.wants("speed"):
                metrics += speed(bundle, collection)
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


def looked_at(bundle: Bundle, paths: Sequence[Path]) -> tuple[FloatArray, Hashes]:
    """What a search for copies keeps of files, each read once: vectors of length 1, and hashes."""
    texts: list[str] = []

    def look(_: str, picture: object) -> None:
        assert isinstance(picture, Image.Image)
        texts.append(perceptual_hash(picture))

    parts = list(embed_readable(bundle, [str(path) for path in paths], look=look))
    return np.concatenate([part.vectors for part in parts]), Hashes(texts, HASH_DISTANCE)


def hashed(name: str, paths: Sequence[Path]) -> FloatArray:
    """By one of ImageHash's hashes, its bits as signs: equal bits make the inner product larger."""
    compute: Any = getattr(importlib.import_module("imagehash"), name)
    bits = []
    for path in paths:
        with Image.open(path) as picture:
            bits.append(compute(picture).hash.ravel())
    signs = np.where(np.array(bits), 1.0, -1.0)
    return (signs / np.sqrt(signs.shape[1])).astype(np.float32)


def inner(vectors: FloatArray) -> Scores:
    """Of vectors of length 1. [n, dim]."""
    return lambda rows, columns: vectors[rows] @ vectors[columns].T


def either(vectors: FloatArray, hashes: Hashes) -> Scores:
    """The inner product, or 1 where hashes are near: over any threshold, as dedupe has it."""

    def scores(rows: IntArray, columns: IntArray) -> FloatArray:
        near = hashes.close(rows, columns)
        return np.where(near, np.float32(1), vectors[rows] @ vectors[columns].T)

    return scores


def recalls(scores_of: Scores, collection: Collection) -> dict[str, Any]:
    """Recall of all true pairs at the precision, and by change and strength of photo and copy."""
    true, false = np.zeros(_BINS, np.int64), np.zeros(_BINS, np.int64)
    photo = collection.photo
    for start in range(0, len(photo), _BLOCK):
        columns = np.arange(start, len(photo))
        rows = columns[:_BLOCK]
        scores = scores_of(rows, columns)
        later = columns[None] > rows[:, None]  # each pair once
        same = photo[rows][:, None] == photo[columns][None]
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
        "by_change": by_change(scores_of, collection, threshold),
    }


def by_change(scores_of: Scores, collection: Collection, threshold: float) -> dict[str, Any]:
    """Share of the copies by each change that their photo finds, by strength."""
    found: dict[tuple[str, str] | None, list[bool]] = {}
    for original in [place for place, how in enumerate(collection.made_by) if how is None]:
        copies = np.flatnonzero(collection.photo == collection.photo[original])
        score = scores_of(np.array([original]), copies)[0]
        for copy, hit in zip(copies, score >= threshold, strict=True):
            found.setdefault(collection.made_by[copy], []).append(bool(hit))
    return {
        change: {strength: float(np.mean(found[change, strength])) for strength in STRENGTHS}
        for change in TRANSFORMS
    }


def _counted(scores: FloatArray) -> IntArray:
    places = np.clip(((scores + 1) / 2 * _BINS).astype(np.int64), 0, _BINS - 1)
    return np.bincount(places, minlength=_BINS)


def recall_metrics(found: dict[str, dict[str, Any]]) -> list[Metric]:
    """The recalls of model and hash, with those of either alone as anchors."""

    def anchors(of: Callable[[dict[str, Any]], float]) -> tuple[Anchor, ...]:
        return tuple(Anchor(of(found[name]), f"{name}, this run") for name in (ALONE, *HASHES))

    def by(change: str) -> Callable[[dict[str, Any]], float]:
        return lambda one: float(np.mean(list(one["by_change"][change].values())))

    whole = Metric(
        "recall_at_precision_99", found[OURS]["recall"], "rate", goal=0.9, beyond=0.97,
        anchors=anchors(lambda one: one["recall"]),
    )  # fmt: skip
    changes = [
        Metric(f"recall_{name}", by(name)(found[OURS]), "rate", anchors=anchors(by(name)))
        for name in TRANSFORMS
    ]
    return [whole, *changes]


def speed(bundle: Bundle, collection: Collection) -> list[Metric]:
    """Files a second to what is kept of them and to the first hash, in turns; the medians."""
    paths = collection.paths[:TIMED]
    systems: tuple[Callable[[], object], ...] = (
        lambda: looked_at(bundle, paths),
        lambda: hashed(HASHES[0], paths),
    )
    rates: tuple[list[float], ...] = ([], [])
    for _ in range(ROUNDS):
        for read, rate in zip(systems, rates, strict=True):
            started = time.perf_counter()
            read()
            rate.append(len(paths) / (time.perf_counter() - started))
    ours, theirs = (float(np.median(rate)) for rate in rates)
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
