"""Lake's 20 one-shot runs on Omniglot, and the parts of Omniglot that protocols train on.

Source:
    Lake, Salakhutdinov, Tenenbaum. Human-level concept learning through probabilistic program
    induction. Science 2015. Each run shows one drawing of each of 20 characters of one alphabet and
    asks for each of 20 further drawings, by another person, which character it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from twinlens.siamese import Siamese
from twinlens.types import FloatArray

SMALL_1 = ("Balinese", "Early_Aramaic", "Greek", "Korean", "Latin")
SMALL_2 = ("Greek", "Japanese_(katakana)", "Latin", "Sanskrit", "Tagalog")
"""The two "minimal" background sets of five alphabets, from the data's own small archives."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: 20 drawings to know, 20 to recognise; answer[i] is the class of query[i]."""

    known: tuple[Path, ...]
    query: tuple[Path, ...]
    answer: tuple[int, ...]


def read_runs(folder: Path) -> list[Run]:
    """The 20 runs from the unpacked archive, which holds run01 … run20.

    Raises:
        FileNotFoundError: a run is missing.
    """
    runs: list[Run] = []
    for number in range(1, 21):
        rows = (folder / f"run{number:02d}" / "class_labels.txt").read_text().split("\n")
        pairs = [row.split() for row in rows if row.strip()]
        known = sorted({known for _, known in pairs})
        runs.append(
            Run(
                tuple(folder / name for name in known),
                tuple(folder / query for query, _ in pairs),
                tuple(known.index(name) for _, name in pairs),
            )
        )
    return runs


def lake_accuracy(siamese: Siamese, runs: list[Run]) -> float:
    """Share of the 400 queries whose best-scoring known drawing is the right one."""
    right = [
        np.mean(
            siamese.score_matrix(embed(siamese, run.query), embed(siamese, run.known)).argmax(1)
            == np.array(run.answer)
        )
        for run in runs
    ]
    return float(np.mean(right))


def embed(siamese: Siamese, paths: tuple[Path, ...]) -> FloatArray:
    """Embeddings of picture files, [n, dim]."""
    modality = siamese.modality
    arrays = [modality.prepare(modality.load(str(path))) for path in paths]
    return siamese.embed(modality.collate(arrays))


def pixel_accuracy(runs: list[Run], size: int = 32) -> float:
    """The trivial baseline: the nearest known drawing by the cosine of its pixels."""

    def pixels(paths: tuple[Path, ...]) -> FloatArray:
        pages = [
            255.0
            - np.asarray(Image.open(path).convert("L").resize((size, size), Image.Resampling.BOX))
            for path in paths
        ]
        flat = np.stack(pages).reshape(len(pages), -1)
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    right = [
        np.mean((pixels(run.query) @ pixels(run.known).T).argmax(1) == np.array(run.answer))
        for run in runs
    ]
    return float(np.mean(right))
