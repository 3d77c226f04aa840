"""The text benchmarks on made tables, in the layout of the real ones."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks import answers, paraphrase
from benchmarks.data import DataFolder
from benchmarks.record import Options
from benchmarks.texts import (
    TextPairs,
    averaged_scores,
    bm25_scores,
    cqa,
    joined,
    mrpc,
    quora,
    sts,
    tfidf_scores,
    wikiqa,
)
from twinlens.modalities.vectors import WordVectors


def pairs(*rows: tuple[str, str, float]) -> TextPairs:
    left, right, grade = zip(*rows, strict=True)
    return TextPairs(left, right, np.array(grade))


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    """Archives with a few rows each."""
    (tmp_path / "other").mkdir()

    def archive(name: str, **tables: list[str]) -> None:
        with zipfile.ZipFile(tmp_path / "other" / f"{name}.zip", "w") as file:
            for table, rows in tables.items():
                text = "\n".join("\t".join(row.split("|")) for row in rows) + "\n"
                file.writestr(f"{name}/{table}.tsv", text)

    head = "id|is_duplicate|question1|question2"
    archive(
        "quora_pairs_sample",
        quora_train=[head, '1|0|how "do" I|why me'],
        quora_train_extra_positive=[head, "2|1|who|whom"],
        quora_dev=[head, "3|1|a|b"],
        quora_test=[head, "4|0|c|d"],
    )
    rows = [f"{i % 2}|1|2|sentence {2 * i}|sentence {2 * i + 1}" for i in range(510)]
    archive("mrpc", mrpc_train=["label|id1|id2|sentence1|sentence2", *rows],
            mrpc_test=["label|id1|id2|sentence1|sentence2", "1|1|2|x|y", "0|1|2|x|z"])  # fmt: skip
    sides = ["genre|file|year|line|score|sentence1|sentence2", "news|f|2012|1|2.5|a b|b c"]
    archive("stsbenchmark", stsb_train=sides, stsb_dev=sides, stsb_test=sides)
    sides = ["qid|aid|question|sentence|label", "0|0|who ?|he .|1", "0|1|who ?|she .|0"]
    archive("wikiqa", wikiqa_train=sides, wikiqa_dev=sides, wikiqa_test=sides)
    head = "question_id|comment_id|label|question_subject|question_body|comment"
    other = "question_id|related_id|label|question_subject|question_body|related_subject"
    archive(
        "semeval_cqa_trainpart2",
        subtaskA_question_comment=[
            head, "Q1|C1|Good|visa|how ?|ask them", "Q1|C2|Bad|visa|how ?|no",
        ],
        subtaskB_question_question=[
            f"{other}|related_body", "Q1|R1|Relevant|visa|how ?|permit|where ?",
            "Q1|R2|Irrelevant|visa|how ?|food|where ?",
        ],
    )  # fmt: skip
    return DataFolder(tmp_path, tmp_path / "cache")


def test_every_set_is_read(data: DataFolder) -> None:
    assert quora(data, "train").left == ('how "do" I', "who")
    assert quora(data, "test").same.tolist() == [False]
    assert [len(mrpc(data, side)) for side in ("train", "dev", "test")] == [10, 500, 2]
    assert sts(data, "train").grade.tolist() == [0.5]
    assert wikiqa(data, "dev").question.tolist() == [0, 0]
    assert cqa(data, "A").same.tolist() == [True, False]
    assert cqa(data, "B").right[0] == "permit where ?"


def test_what_is_trained_on_has_each_pair_once() -> None:
    found = pairs(("a", "b", 1), ("b", "a", 1), ("c", " c", 1), ("a", "b", 0), ("a", "d", 0))
    dataset = found.dataset("made")
    assert [e.id for e in dataset.examples] == ["a", "b", "d"]
    assert dataset.pairs is not None
    assert dataset.pairs.same.tolist() == [True, False]
    graded = found.dataset("made", graded=True).pairs
    assert graded is not None
    assert graded.grade is not None
    assert len(joined(found, found)) == 10


def test_a_pair_is_apart_when_neither_text_is_among_the_others() -> None:
    found = pairs(("A  b", "c", 1), ("d", "e", 0), ("f", "G", 1))
    others = pairs(("a b", "x", 0), ("y", "g", 1))
    assert found.apart_from(others).left == ("d",)
    assert len(found.apart_from(found)) == 0


def test_baselines_prefer_what_shares_rare_words() -> None:
    found = pairs(
        ("where is the castle", "the castle is there", 1), ("where is the castle", "is the dog", 0)
    )
    for scores in (tfidf_scores(found, found), bm25_scores(found, found.right)):
        assert scores[0] > scores[1] > 0
    vectors = WordVectors(("castle", "dog"), np.array([[1.0, 0], [0, 1]], np.float32))
    np.testing.assert_allclose(averaged_scores(found, vectors), [1, 0])


def test_the_threshold_is_the_best_one() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = rng.integers(0, 8, 12).astype(float)
        same = rng.random(12) < 0.5
        threshold = paraphrase.best_threshold(scores, same)
        reached = ((scores >= threshold) == same).mean()
        assert reached == max(((scores >= t) == same).mean() for t in (*scores,))
    figures = paraphrase.decided(scores, same, np.array([9.0, -9]), np.array([True, False]))
    assert (figures["accuracy"], figures["f1"], figures["roc_auc"]) == (1, 1, 1)


def test_every_part_has_its_metrics() -> None:
    run = {"accuracy": 0.8, "f1": 0.8, "roc_auc": 0.9, "pearson": 0.7, "spearman": 0.7}
    for name in paraphrase.CHANGES:
        metrics = paraphrase._metrics(name, [run, run], {"BM25": run})
        assert all(metric.anchors[0].source == "BM25, this run" for metric in metrics)


@pytest.mark.slow
def test_a_quick_run_trains_and_tests(data: DataFolder) -> None:
    """On the made tables, with word vectors beside them."""
    place = data.path / "other" / "glove_twitter_25d_12k.zip"
    with (
        zipfile.ZipFile(place, "w") as archive,
        archive.open("g/glove_twitter_25d.npz", "w") as file,
    ):
        np.savez(file, words=np.array(["sentence", "who"]), vectors=np.eye(2, 25, dtype=np.float32))
    options = Options(data, quick=True, parts=("mrpc",))
    result = paraphrase.run(options)
    assert {metric.key for metric in result.metrics} == {"mrpc_accuracy", "mrpc_f1"}
    assert "mrpc" in result.details
    assert answers.CHANGES
