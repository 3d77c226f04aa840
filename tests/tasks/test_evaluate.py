"""Only what training did not see counts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from drawings import write_glyphs
from twinlens.bundle import Bundle
from twinlens.data.dataset import Dataset
from twinlens.data.manifest import read_dataset
from twinlens.errors import EvidenceError
from twinlens.tasks.evaluate import evaluate, seen_examples
from twinlens.tasks.report import ScoredPair, report


def sides(bundle: Bundle, dataset: Dataset) -> set[str]:
    """The identities that training or validation saw, as their audit has them by hash."""
    seen = seen_examples(dataset, bundle, calibrated=True)
    return {str(e.identity) for e, known in zip(dataset.examples, seen, strict=True) if known}


def test_the_identities_of_training_are_known_again(
    bundle: Bundle, model: Path, glyphs: Path
) -> None:
    audit = json.loads(model.with_name("model.audit.json").read_text())
    known = {*audit["train"]["identities"], *audit["validation"]["identities"]}
    assert sides(bundle, read_dataset(glyphs)) == known
    assert set(audit["test"]["identities"]).isdisjoint(known)


def test_a_seen_file_under_another_name_taints_its_identity(
    bundle: Bundle, model: Path, glyphs: Path, tmp_path: Path
) -> None:
    write_glyphs(tmp_path, 6, 4, first=200)
    assert not seen_examples(read_dataset(tmp_path), bundle, calibrated=True).any()
    known = sorted(sides(bundle, read_dataset(glyphs)))[0]
    shutil.copy(glyphs / known / "00.png", tmp_path / "class200" / "innocent.png")
    assert sides(bundle, read_dataset(tmp_path)) == {"class200"}
    tested = evaluate(bundle, tmp_path)
    assert tested.seen_examples == 5
    assert tested.evaluation.identities == 5
    assert len(tested.embeddings) == len(tested.dataset) == 20
    everything = evaluate(bundle, tmp_path, include_seen=True)
    assert everything.evaluation.identities == 6


def test_when_all_was_seen_there_is_no_figure(bundle: Bundle, glyphs: Path, tmp_path: Path) -> None:
    for name in sides(bundle, read_dataset(glyphs)):
        shutil.copytree(glyphs / name, tmp_path / name)
    with pytest.raises(EvidenceError, match=r"all of them seen.*--include-seen"):
        evaluate(bundle, tmp_path)


def test_pairs_and_triplets_are_evaluated_too(bundle: Bundle, tmp_path: Path) -> None:
    write_glyphs(tmp_path, 12, 4, first=300)
    names = [f"class{i}" for i in range(300, 312)]
    pairs = [f"{n}/00.png,{n}/01.png,1" for n in names]
    pairs += [f"{a}/02.png,{b}/02.png,0" for a, b in zip(names[::2], names[1::2], strict=True)]
    (tmp_path / "p.csv").write_text("left,right,same\n" + "\n".join(pairs))
    tested = evaluate(bundle, tmp_path / "p.csv")
    assert (tested.evaluation.kind, tested.evaluation.genuine_pairs) == ("pairs", 12)
    triplets = [
        f"{a}/00.png,{a}/01.png,{b}/00.png" for a, b in zip(names[::2], names[1::2], strict=True)
    ]
    (tmp_path / "t.csv").write_text("anchor,positive,negative\n" + "\n".join(triplets))
    tested = evaluate(bundle, tmp_path / "t.csv")
    found = tested.evaluation.metrics["triplet_accuracy"]
    expected = np.mean(
        [
            bundle.score(tmp_path / a, tmp_path / p) > bundle.score(tmp_path / a, tmp_path / n)
            for a, p, n in (line.split(",") for line in triplets)
        ]
    )
    assert found.value == pytest.approx(expected)
    assert found.low <= found.value <= found.high


def test_the_report_shows_the_pairs_it_is_given(
    bundle: Bundle, strangers: Path, tmp_path: Path
) -> None:
    tested = evaluate(bundle, strangers)
    a, b = sorted(strangers.rglob("*.png"))[:2]
    pair = ScoredPair(a, b, same=True, score=0.123456)
    text = report(bundle, tested, tmp_path / "page.html", pairs=[pair]).read_text()
    assert "score 0.1235" in text
    assert bundle.fingerprint in text
    assert "none of the examples" in text
