"""Calibration learns what strangers do, as far as the data allows."""

from __future__ import annotations

import numpy as np
import pytest

from blobs import blobs
from twinlens.bundle import Bundle
from twinlens.tasks import strangers
from twinlens.tasks.strangers import open_sets
from twinlens.testing.datasets import labelled_dataset, paired_dataset


def test_as_many_templates_as_most_identities_have_examples_for(bundle: Bundle) -> None:
    embeddings, _ = blobs(12, 6, dim=bundle.siamese.dim)
    found = open_sets(embeddings, labelled_dataset([6] * 12), bundle.siamese)
    assert [known.templates for known in found] == [1, 2, 4]
    assert {known.identities for known in found} == {12}
    some = open_sets(embeddings[:50], labelled_dataset([6] * 3 + [4] * 8), bundle.siamese)
    assert [known.templates for known in some] == [1, 2]


def test_pairs_and_few_identities_give_nothing(bundle: Bundle) -> None:
    embeddings, _ = blobs(9, 3, dim=bundle.siamese.dim)
    assert open_sets(embeddings, labelled_dataset([3] * 9), bundle.siamese) == ()
    pairs = paired_dataset(4, [(0, 1, True), (2, 3, False)])
    assert open_sets(embeddings[:4], pairs, bundle.siamese) == ()


def test_no_more_is_scored_than_a_cap(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "_MOST_SCORES", 800)
    embeddings, _ = blobs(40, 3, dim=bundle.siamese.dim)
    found = open_sets(embeddings, labelled_dataset([3] * 40), bundle.siamese)
    assert [known.identities for known in found] == [20]


def test_scores_of_blocks_are_those_of_the_whole(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings, _ = blobs(15, 4, dim=bundle.siamese.dim)
    data = labelled_dataset([4] * 15)
    whole = open_sets(embeddings, data, bundle.siamese)
    monkeypatch.setattr(strangers, "_BLOCK_SCORES", 40)
    parts = open_sets(embeddings, data, bundle.siamese)
    np.testing.assert_allclose(whole[0].thresholds, parts[0].thresholds, atol=1e-6)
