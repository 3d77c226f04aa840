"""Pairs of a corpus that say the same, found without a matrix of all pairs."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from texts import questions, train_small
from twinlens.bundle import Bundle
from twinlens.cli import main
from twinlens.errors import ConfigError, DataError
from twinlens.registry import Component, build
from twinlens.tasks import mine as mining
from twinlens.tasks.mine import mine, read_corpus
from twinlens.types import Decision

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


@dataclasses.dataclass
class FromOnwards:
    """Decides that scores are the same from one on."""

    threshold: float
    normalisation: None = None

    def decide(self, score: float, question: object) -> Decision:
        same = score >= self.threshold
        return Decision(score, 0.5, 0.5, same, None, self.threshold, "by the threshold")


def test_every_two_of_a_group_are_the_same(bundle: Bundle) -> None:
    embeddings = bundle.embed(TEXTS)
    scores = bundle.siamese.score_matrix(embeddings, embeddings)
    threshold = float(np.quantile(scores[np.triu_indices(len(TEXTS), 1)], 0.9))
    deciding = dataclasses.replace(bundle, calibration=cast(Any, FromOnwards(threshold)))
    found = mine(deciding, TEXTS, most=2000)
    groups: dict[int, set[int]] = {}
    for pair in found:
        assert pair.decision is not None
        assert pair.decision.same == (pair.score >= threshold)
        if pair.group is not None:
            groups.setdefault(pair.group, set()).update((pair.left, pair.right))
    assert len(groups) > 2
    for members in groups.values():
        chosen = sorted(members)
        assert scores[np.ix_(chosen, chosen)].min() >= threshold - 1e-5
    # some are the same, and in different groups: more alike to others
    assert any(pair.decision.same and pair.group is None for pair in found if pair.decision)
    assert sum(map(len, groups.values())) == len(set().union(*groups.values()))


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


def test_a_corpus_of_one_text_says_how_often_it_was_repeated(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("fish\n" * 50)
    with pytest.raises(DataError, match=r"two different inputs or more. Got 1 and 49 exact rep"):
        read_corpus(corpus, modality="text")


def test_the_command(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus, out = tmp_path / "corpus.txt", tmp_path / "pairs.csv"
    corpus.write_text("\n".join([*TEXTS, TEXTS[0], TEXTS[1], TEXTS[0]]), encoding="utf-8")
    asked = ["paraphrase", "mine", str(model), str(corpus), "--out", str(out), "--most", "9"]
    with pytest.raises(SystemExit) as caught:
        main([*asked, "--json"])
    assert caught.value.code in (0, None)
    facts = json.loads(capsys.readouterr().out)
    assert (facts["inputs"], facts["repeats"], facts["pairs"]) == (60, 3, 9)
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    assert {"left", "right", "score", "probability", "decision", "group"} == rows[0].keys()
    with pytest.raises(SystemExit):
        main(asked)
    assert "Exact repeats that were left out: 3." in capsys.readouterr().out
