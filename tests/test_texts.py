"""Texts from a table to a model and back."""

from __future__ import annotations

import itertools
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from texts import SMALL, questions, train_small, write_labels, write_pairs
from twinlens.bundle import Bundle
from twinlens.config import load_config
from twinlens.errors import BundleError, DataError
from twinlens.fit import fit
from twinlens.tasks.compare import compare, compare_file
from twinlens.tasks.evaluate import evaluate
from twinlens.tasks.report import report
from twinlens.training.history import Progress


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("texts"))


@pytest.fixture(scope="module")
def bundle(model: Path) -> Bundle:
    return Bundle.load(model)


def test_a_model_of_texts_is_one_folder(model: Path, bundle: Bundle) -> None:
    names = {path.name for path in model.iterdir()}
    assert "modality.tokenizer.txt" in names
    written = (model / "config.toml").read_text(encoding="utf-8")
    assert tomllib.loads(written)["modality"]["tokenizer"] == "file:modality.tokenizer.txt"
    assert json.loads((model / "modality.tokenizer.txt").read_text(encoding="utf-8"))
    assert bundle.score("how do I cook a fish", "how do I cook a fish") == pytest.approx(1)


def test_a_changed_tokeniser_is_noticed(model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in model.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    Bundle.load(copy)
    document = copy / "modality.tokenizer.txt"
    document.write_bytes(document.read_bytes() + b" ")
    with pytest.raises(BundleError, match=r"modality\.tokenizer\.txt must be the file"):
        Bundle.load(copy)
    document.unlink()
    with pytest.raises(BundleError, match=r"modality\.tokenizer\.txt must be readable"):
        Bundle.load(copy)


def test_padding_and_company_never_change_an_embedding(bundle: Bundle) -> None:
    texts = [text for _, text in questions()[:40]] + ["fish " * 90, "?"]
    together = bundle.embed(texts, batch_size=16)
    alone = np.concatenate([bundle.embed([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize(
    "more",
    [
        ("encoder=recurrent", "encoder.hidden=8", "encoder.rows=1"),
        ("encoder=convseries", "encoder.widths=[8]", "encoder.strides=[1]", "encoder.steps=2"),
        ("encoder=transformer", "encoder.width=8", "encoder.heads=2"),
        ("encoder=stepwise", "encoder.steps=12", "comparator=maxsim", "comparator.steps=12",
         "loss=multi_similarity"),
        ("encoder=weighed", "encoder.steps=6", "encoder.mirrors=true", "comparator=aligned",
         "comparator.steps=6", "comparator.cost=manhattan", "comparator.relative=true"),
    ],
)  # fmt: skip
def test_every_encoder_of_series_takes_texts(more: tuple[str, ...], tmp_path: Path) -> None:
    kept = [setting for setting in SMALL if not setting.startswith("encoder")]
    config = load_config(None, [*kept, *more])
    fitted = fit(write_labels(tmp_path), tmp_path / "model", config=config)
    texts = ["how do I cook a fish", "tips to paint my house, in any colour you like", "fish"]
    embeddings = Bundle.load(tmp_path / "model").embed(texts)
    np.testing.assert_array_equal(embeddings, fitted.embed(texts))
    np.testing.assert_allclose(embeddings[:1], fitted.embed(texts[:1]), atol=1e-5)


def test_resuming_gives_the_same_weights(tmp_path: Path) -> None:
    data = write_pairs(tmp_path)
    whole = fit(data, tmp_path / "whole", config=load_config(None, SMALL))
    again = fit(data, tmp_path / "again", config=load_config(None, SMALL))
    assert whole.fingerprint == again.fingerprint


def test_trained_pieces_of_words_are_kept_in_the_model(tmp_path: Path) -> None:
    config = load_config(None, [*SMALL, "modality.level=wordpiece"])
    data = write_labels(tmp_path)
    fitted = fit(data, tmp_path / "model", config=config)
    assert fit(data, tmp_path / "again", config=config).fingerprint == fitted.fingerprint
    found = Bundle.load(tmp_path / "model")
    document = json.loads((tmp_path / "model" / "modality.tokenizer.txt").read_text("utf-8"))
    assert document["model"]["type"] == "WordPiece"
    texts = ["how do I cook a fish", "recooking fishes", "魚"]
    np.testing.assert_array_equal(found.embed(texts), fitted.embed(texts))


def test_an_encoder_of_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"encoder\.name must fit the inputs"):
        fit(write_pairs(tmp_path), tmp_path / "m", config=load_config(None, ["modality=text"]))


def test_two_texts_are_compared(bundle: Bundle) -> None:
    facts = compare(bundle, "sell a car: how", "how do I sell a car")
    assert {"score", "probability", "decision"} <= facts.keys()
    with pytest.raises(DataError, match="must not be empty"):
        compare(bundle, "", "how do I sell a car")


def test_a_file_of_texts_is_compared(bundle: Bundle, tmp_path: Path) -> None:
    table = tmp_path / "asked.csv"
    table.write_text('left,right\n"sell a car, now",sell a boat\nfix a car,"sell a car, now"\n')
    assert compare_file(bundle, table, tmp_path / "scored.csv") == 2
    lines = (tmp_path / "scored.csv").read_text().splitlines()
    assert lines[0] == "left,right,score,probability,decision"
    assert float(lines[1].split(",")[-3]) == pytest.approx(
        bundle.score("sell a car, now", "sell a boat"), abs=1e-4
    )
    table.write_text("left,right\nsell a car,\nfix\0,a\n")
    with pytest.raises(DataError, match=r"row 2: right must be given(.|\n)*row 3: left.*NUL"):
        compare_file(bundle, table, tmp_path / "scored.csv")


def test_what_training_saw_is_left_out(bundle: Bundle, model: Path) -> None:
    seen = evaluate(bundle, model.parent / "pairs.csv", include_seen=True)
    assert seen.seen_examples > 0


def test_graded_pairs_are_trained_and_measured(tmp_path: Path) -> None:
    rows = [(one, other, 5 * (a == b)) for (a, one), (b, other) in itertools.pairwise(questions())]
    table = tmp_path / "graded.csv"
    lines = [f'"{one} {i}","{other} {i}!",{score}' for i, (one, other, score) in enumerate(rows)]
    table.write_text("\n".join(["left,right,score", *lines]))
    config = load_config(None, [*SMALL, "loss=graded"])
    fitted = fit(table, tmp_path / "model", config=config)
    assert {"pearson", "spearman", "accuracy"} <= fitted.evidence["evaluation"]["metrics"].keys()
    assert fitted.evidence["training"]["best_validation"] is not None


@pytest.mark.parametrize("label", ["same", "score"])
def test_lists_of_candidates_train_by_triplets(label: str, tmp_path: Path) -> None:
    asked = questions()
    lines = [f"left,right,{label}"]
    for first in range(0, len(asked), 8):  # two things asked for, in four ways each
        (_, one), (_, other), (_, third), _, *wrong = asked[first : first + 8]
        grades = (1, 1, 0, 0) if label == "same" else (5, 3, 1, 0)
        found = (other, third, wrong[0][1], wrong[1][1])
        lines += [f"{one},{text},{grade}" for text, grade in zip(found, grades, strict=True)]
    table = tmp_path / "lists.csv"
    table.write_text("\n".join(lines))
    config = load_config(None, [*SMALL, "loss=ranked_triplet", "loss.margin=0.5"])
    fitted = fit(table, tmp_path / "model", config=config)
    assert fitted.config.sampler.name == "lists"
    parts = [line["parts"] for line in fitted.evidence["history"]]
    assert all(part["empty_share"] == 0 for part in parts)
    assert parts[-1]["better_score"] > parts[-1]["worse_score"]


def test_training_says_which_column_it_does_not_read(tmp_path: Path) -> None:
    lines = write_pairs(tmp_path).read_text(encoding="utf-8").splitlines()
    table = tmp_path / "scored.csv"
    table.write_text("\n".join([f"{lines[0]},score", *(f"{line},3" for line in lines[1:])]))
    told: list[str] = []

    class Listening:
        def update(self, event: Progress) -> None:
            told.append(event.message)

    fit(table, tmp_path / "model", config=load_config(None, SMALL), listener=Listening())
    (line,) = (message for message in told if "score" in message)
    assert line == (
        f"{table}: a table must label pairs by one of same and score. Got both. score is not read."
    )


def test_a_report_shows_texts(bundle: Bundle, model: Path, tmp_path: Path) -> None:
    tested = evaluate(bundle, model.parent / "pairs.csv", include_seen=True)
    page = report(bundle, tested, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Where it is most wrong" in page
    worst = tested.evaluation.false_matches[0]
    assert tested.dataset.examples[worst.left].id in page
    assert "no picture" not in page
