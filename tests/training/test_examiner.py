"""What the doctor is shown while training goes on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from drawings import glyph
from twinlens.assemble import build_siamese
from twinlens.config import load_config
from twinlens.siamese import Siamese
from twinlens.testing.datasets import labelled_dataset, paired_dataset
from twinlens.training.examiner import MOST_LIVE, Examiner
from twinlens.types import Batch, Example, IntArray


class Drawings:
    """Identities of four drawings, made when asked for; counts how many were."""

    def __init__(self, count: int = 10_000) -> None:
        self.asked = 0
        self.shapes = [(1, 16, 16)] * count

    def gather(self, positions: IntArray) -> Batch:
        self.asked += len(positions)
        return Batch(np.stack([glyph(int(i) // 4, int(i) % 4, 16)[None] for i in positions]))


def network(*own: str) -> Siamese:
    torch.manual_seed(0)
    settings = ["modality.size=16", "encoder.widths=[4,8]", "encoder.strides=[1,2]",
                "encoder.dim=8"]  # fmt: skip
    return build_siamese(load_config(None, [*settings, *own]))


@pytest.mark.parametrize("own", [(), ("encoder.described=places", "encoder.directions=3")])
def test_a_collapsed_network_is_told_while_there_is_time(own: tuple[str, ...]) -> None:
    train, unseen, store = labelled_dataset([4] * 10), labelled_dataset([4] * 6), Drawings()
    examine = Examiner.of(train, store, unseen, store)
    flat = network(*own)
    flat.begin(Drawings(40), train.labels(), train.claims())
    with torch.no_grad():
        flat.encoder.get_parameter("head.weight").zero_()
    assert "collapse" in {finding.code for finding in examine(flat, [])}
    assert "collapse" not in {finding.code for finding in examine(network(), [])}


def test_a_dominant_class_of_training_is_told() -> None:
    store = Drawings()
    examine = Examiner.of(labelled_dataset([400, 4, 4, 4]), store, labelled_dataset([4] * 6), store)
    assert "dominant_class" in {finding.code for finding in examine(network(), [])}


def test_unseen_examples_are_looked_at_and_few_of_them() -> None:
    seen, unseen = Drawings(), Drawings()
    train, other = labelled_dataset([4] * 10), labelled_dataset([4] * 300)
    Examiner.of(train, seen, other, unseen)(network(), [])
    assert (seen.asked, unseen.asked) == (0, MOST_LIVE)
    Examiner.of(train, seen, labelled_dataset([]), None)(network(), [])
    assert seen.asked == 40


def test_imitations_are_of_no_identity_and_not_looked_at() -> None:
    genuine = labelled_dataset([4] * 6)
    forged = [Example(f"f{i}", None, imitates=genuine.examples[i].identity) for i in range(24)]
    mixed = [example for two in zip(forged, genuine.examples, strict=True) for example in two]
    dataset = dataclasses.replace(genuine, examples=tuple(mixed))
    examine = Examiner.of(dataset, Drawings(), dataset, Drawings())
    assert examine.labels.tolist() == [i // 4 for i in range(24)]
    assert examine.positions.tolist() == list(range(1, 48, 2))


def test_examples_of_pairs_stand_for_themselves() -> None:
    store = Drawings()
    pairs = paired_dataset(8, [(0, 1, True), (2, 3, False)])
    assert Examiner.of(pairs, store, pairs, store).labels.tolist() == list(range(8))
