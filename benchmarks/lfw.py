"""Labeled Faces in the Wild, as far as it lies in the data folder: 7 folds of official pairs.

Source:
    Huang, Ramesh, Berg, Learned-Miller. Labeled Faces in the Wild. UMass TR 07-49, 2007. View 2.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twinlens.data.dataset import Dataset
from twinlens.types import BoolArray, Example, IntArray


@dataclass(frozen=True, slots=True)
class Lfw:
    """Pictures, and pairs of them.

    Attributes:
        dataset: all pictures; an identity is a person.
        left, right: [n] positions of the pictures of each pair.
        same: [n] whether they are of one person.
        fold: [n] 1 to 7; people of different folds are disjoint.
    """

    dataset: Dataset
    left: IntArray
    right: IntArray
    same: BoolArray
    fold: IntArray

    def folds_of_people(self) -> IntArray:
        """[pictures] fold that its person belongs to; 0 = in none."""
        labels = self.dataset.labels()
        fold_of = np.zeros(len(self.dataset.identities()), np.int64)
        fold_of[labels[self.left]] = self.fold
        fold_of[labels[self.right]] = self.fold
        return fold_of[labels]


def read_lfw(folder: Path) -> Lfw:
    """Read folder/PERSON/PERSON_NNNN.jpg and folder/pairs.csv."""
    paths = sorted(folder.glob("*/*.jpg"))
    examples = tuple(
        Example(path.name, path.parent.name, fields={"image": str(path)}) for path in paths
    )
    place = {example.id: i for i, example in enumerate(examples)}
    with (folder / "pairs.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    def positions(side: str) -> IntArray:
        return np.array(
            [place[f"{row[f'name{side}']}_{int(row[f'n{side}']):04}.jpg"] for row in rows], np.int64
        )

    same = np.array([row["same"] == "1" for row in rows])
    fold = np.array([int(row["fold"]) for row in rows])
    return Lfw(Dataset(folder, examples), positions("1"), positions("2"), same, fold)
