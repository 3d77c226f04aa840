"""Peak memory of a batch that passes through the encoder in parts, and of one that does not.

A transformer learns from Quora's duplicate questions with InfoNCE, a loss that holds each text
against all others of the batch. Each training runs in a process of its own.

* `peak_rss_ratio`: of 2,048 texts a batch, 64 at a time (`train.chunk`), to 64 a batch. The whole
  process counts, interpreter and libraries too.
* `peak_rss_ratio_whole`: the same batch at once, which is what that saves.

The details hold the curve of both over the size of the batch.
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.record import Metric, Options, Result
from benchmarks.texts import quora
from benchmarks.train_memory import measure
from benchmarks.trained import ALL_TO_TRAIN
from twinlens.modalities.tokens import clean

CHUNK = 64
"""Texts that pass through the encoder at once."""
BATCHES, QUICK_BATCHES = (64, 256, 1024, 2048), (64, 128)
STEPS = 3
SETTINGS = (
    "modality=text",
    "modality.vocabulary=4000",
    "modality.max_tokens=64",
    "encoder=transformer",
    "comparator=cosine",
    "loss=infonce",
    *ALL_TO_TRAIN,
)


def run(options: Options) -> Result:
    """Train with every size of batch, in parts and at once."""
    batches = QUICK_BATCHES if options.quick else BATCHES
    with tempfile.TemporaryDirectory() as place:
        pairs = write_duplicates(options, Path(place) / "pairs.csv")
        curves = {
            name: [peak(pairs, batch, chunk) for batch in batches]
            for name, chunk in (("parts", CHUNK), ("whole", 0))
        }
    least = curves["whole"][0]["peak_rss_mb"]
    ratios = {name: curve[-1]["peak_rss_mb"] / least for name, curve in curves.items()}
    metrics = (
        Metric("peak_rss_ratio", ratios["parts"], "ratio", direction="lower", goal=1.5),
        Metric("peak_rss_ratio_whole", ratios["whole"], "ratio", direction="lower"),
    )
    return Result(metrics, details={"chunk": CHUNK, "steps": STEPS, "curves": curves})


def write_duplicates(options: Options, path: Path) -> Path:
    """Quora's duplicate questions of the training side as a table of pairs."""
    found = quora(options.data, "train")
    sides = zip(map(clean, found.left), map(clean, found.right), found.same, strict=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("left", "right", "same"))
        writer.writerows((a, b, 1) for a, b, same in sides if same and a != b)
    return path


def peak(pairs: Path, batch: int, chunk: int) -> dict[str, Any]:
    """Of one training with so many texts a batch."""
    changes = [*SETTINGS, f"sampler.batch={batch // 2}", f"train.chunk={chunk}"]
    found = measure(pairs, STEPS, changes)
    return {"batch": batch, "peak_rss_mb": found["peak_rss_mb"] + found["helpers_peak_rss_mb"]}
