"""Pairs of a corpus that say the same, found without a matrix of all pairs."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from texts import questions, train_small
from twinlens.bundle import Bundle
from twinlens.cli import main
from twinlens.errors import ConfigError, DataError
from twinlens.registry import Component, build
from twinlens.tasks import mine as mining
from twinlens.tasks.mine import mine

TEXTS = [text for _, text in questions()[:60]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("mine"))


@pytest.fixture(scope="module")
def bundle(model: Path) -> Bundle:
    return Bundle.load(model)


def test_blocks_find_what_the_whole_matrix_shows(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mining, "BLOCK", 7)
    found = mine(bundle, TEXTS, most=50)
    embeddings = bundle.embed(TEXTS)
    scores = bundle.siamese.score_matrix(embeddings, embeddings)
    upper = np.sort(scores[np.triu_indices(len(TEXTS), 1)])[::-1][:50]
    np.testing.assert_allclose([pair.score for pair in found], upper, atol=1e-5)
    assert len({(pair.left, pair.right) for pair in found}) == 50
    assert all(pair.left < pair.right for pair in found)


def test_groups_join_through_pairs() -> None:
    number = mining._groups(np.array([0, 1, 5]), np.array([1, 3, 6]), 8)
    assert number.tolist() == [0, 0, -1, 0, -1, 1, 1, -1]


def test_an_uncalibrated_model_decides_nothing(bundle: Bundle) -> None:
    found = mine(dataclasses.replace(bundle, calibration=None), TEXTS[:4])
    assert len(found) == 6
    assert {(pair.decision, pair.group) for pair in found} == {(None, None)}


def test_what_cannot_be_mined_is_refused(bundle: Bundle) -> None:
    with pytest.raises(DataError, match="two inputs or more. Got 1"):
        mine(bundle, ["fish"])
    other = build("comparator", Component("learned"), bundle.siamese.dim)
    comparator = bundle.siamese.comparator
    bundle.siamese.comparator = other
    try:
        with pytest.raises(ConfigError, match="comparator=cosine"):
            mine(bundle, TEXTS)
    finally:
        bundle.siamese.comparator = comparator


def test_the_command(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus, out = tmp_path / "corpus.txt", tmp_path / "pairs.csv"
    corpus.write_text("\n".join([*TEXTS, TEXTS[0]]), encoding="utf-8")
    asked = ["paraphrase", "mine", str(model), str(corpus), "--out", str(out), "--most", "9"]
    with pytest.raises(SystemExit) as caught:
        main([*asked, "--json"])
    assert caught.value.code in (0, None)
    facts = json.loads(capsys.readouterr().out)
    assert (facts["inputs"], facts["pairs"]) == (60, 9)
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    assert {"left", "right", "score", "probability", "decision", "group"} == rows[0].keys()
