"""Candidates in order, and the answer that none is good enough."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from texts import train_small
from twinlens.bundle import Bundle
from twinlens.cli import main
from twinlens.data.manifest import read_dataset
from twinlens.errors import DataError
from twinlens.tasks.compare import compare_file
from twinlens.tasks.evaluate import evaluate, seen_examples
from twinlens.tasks.rank import rank, rank_file
from twinlens.tasks.report import report

ANSWERS = ("tips to sell my boat", "how do I cook a fish", "paint a house: how")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("ranks"))


@pytest.fixture(scope="module")
def bundle(model: Path) -> Bundle:
    return Bundle.load(model)


def test_the_best_comes_first_and_is_decided_on(bundle: Bundle) -> None:
    found = rank(bundle, "how do I cook a fish", ANSWERS)
    assert found.candidates[0].candidate == "how do I cook a fish"
    scores = [ranked.score for ranked in found.candidates]
    assert scores == sorted(scores, reverse=True)
    assert sorted(ranked.place for ranked in found.candidates) == [0, 1, 2]
    for ranked in found.candidates:
        assert ranked.score == pytest.approx(
            bundle.score("how do I cook a fish", ANSWERS[ranked.place]), abs=1e-5
        )
    best = found.candidates[0].decision
    assert best is not None
    assert found.answered == best.same


def test_equal_candidates_keep_their_order(bundle: Bundle) -> None:
    found = rank(bundle, "fix a car: how", ["fish", "fish", "fish"])
    assert [ranked.place for ranked in found.candidates] == [0, 1, 2]


def test_no_candidate_is_refused(bundle: Bundle) -> None:
    with pytest.raises(DataError, match="must have a candidate"):
        rank(bundle, "how", [])


def test_an_uncalibrated_model_ranks_but_does_not_answer(bundle: Bundle) -> None:
    found = rank(dataclasses.replace(bundle, calibration=None), "fish", ANSWERS)
    assert found.answered is None
    assert "not calibrated" in found.why
    assert "probability" not in found.to_dict()["candidates"][0]


def write(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_a_table_of_questions(bundle: Bundle, tmp_path: Path) -> None:
    rows = ["question,candidate,right,note"]
    rows += [f"how do I cook a fish,{a},{int('cook' in a)},x" for a in ANSWERS]
    rows += [f"move a table: how,{a},0,y" for a in ANSWERS]
    table = write(tmp_path / "asked.csv", rows)
    count, figures = rank_file(bundle, table, tmp_path / "out.csv")
    assert count == 2
    assert figures is not None
    assert (figures.questions, figures.unanswered) == (1, 1)
    assert figures.metrics["map"].value == 1
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    assert [row["rank"] for row in written] == ["1", "2", "3"] * 2
    assert written[0]["candidate"] == "how do I cook a fish"
    assert written[0]["note"] == "x"
    scores = [float(row["score"]) for row in written[:3]]
    assert scores == sorted(scores, reverse=True)


def test_an_evaluation_ranks_as_well(bundle: Bundle, tmp_path: Path) -> None:
    asked = {"how to cook fish": "cook", "sell a boat now": "sell", "who sings": "sing"}
    rows = [
        f"{question},{answer},{int(verb in answer)}"
        for question, verb in asked.items()
        for answer in (*ANSWERS, "sell that car")
    ]
    pairs = write(tmp_path / "pairs.csv", ["left,right,same", *rows])
    table = write(tmp_path / "asked.csv", ["question,candidate,right", *rows])
    _, figures = rank_file(bundle, table, tmp_path / "out.csv")
    tested = evaluate(bundle, pairs, include_seen=True)
    found = tested.evaluation
    assert figures is not None
    for name, figure in figures.metrics.items():
        assert found.metrics[name].value == pytest.approx(figure.value)
        assert "question" in found.metrics[name].method
    assert "questions that are ranked: 2; others, without a right candidate: 1" in found.limits
    page = report(bundle, tested, tmp_path / "page.html")
    assert "Mean average precision" in page.read_text(encoding="utf-8")


def test_an_evaluation_says_which_lists_are_shorter(
    bundle: Bundle, model: Path, tmp_path: Path
) -> None:
    trained = read_dataset(model.with_name("pairs.csv"), modality="text")
    seen = seen_examples(trained, bundle, calibrated=True)
    known = trained.examples[int(np.flatnonzero(seen)[0])].id
    rows = [
        f"question {number},{answer},{right}"
        for number in range(3)
        for answer, right in (("fish", 1), ("boat", 0), ("house", 0), ("car", 0))
    ]
    rows.append(f"question 0,{known},0")
    pairs = write(tmp_path / "pairs.csv", ["left,right,same", *rows])
    found = evaluate(bundle, pairs)
    assert found.seen_examples == 1
    assert (
        "questions that are ranked without candidates that training saw: 1"
        in found.evaluation.limits
    )


def test_a_table_of_records(bundle: Bundle, tmp_path: Path) -> None:
    rows = [
        "question_verb,question_noun,candidate_how,candidate_what",
        "cook,fish,how do I cook,a fish",
    ]
    table = write(tmp_path / "asked.csv", rows)
    rank_file(bundle, table, tmp_path / "out.csv")
    (row,) = csv.DictReader((tmp_path / "out.csv").read_text("utf-8").splitlines())
    assert (row["question"], row["candidate"]) == ("cook fish", "how do I cook a fish")
    score = bundle.score("cook fish", "how do I cook a fish")
    assert float(row["score"]) == pytest.approx(score, abs=1e-5)
    nested = write(tmp_path / "asked.jsonl", ['{"question": "a", "candidate": {"b": [1]}}'])
    with pytest.raises(DataError, match="b of candidate must be a text, a number or null"):
        rank_file(bundle, nested, tmp_path / "out.csv")


def test_pairs_of_records_are_compared(bundle: Bundle, tmp_path: Path) -> None:
    rows = [{"left": {"verb": "cook", "noun": "fish"}, "right_a": "fish", "right_b": None}]
    pairs = write(tmp_path / "pairs.jsonl", list(map(json.dumps, rows)))
    assert compare_file(bundle, pairs, tmp_path / "scored.csv") == 1
    (row,) = csv.DictReader((tmp_path / "scored.csv").read_text("utf-8").splitlines())
    assert (row["left"], row["right"], row["right_b"]) == ("cook fish", "fish", "")
    assert float(row["score"]) == pytest.approx(bundle.score("cook fish", "fish"), abs=1e-5)
    nested = write(tmp_path / "nested.jsonl", ['{"left": {"a": {}}, "right": "b"}'])
    with pytest.raises(DataError, match="row 1: a of left must be a text, a number or null"):
        compare_file(bundle, nested, tmp_path / "scored.csv")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["question,answer", "a,b"], "Add candidate"),
        (["question,candidate"], "Add rows"),
        (["question,candidate", "a,"], "row 2: candidate must be given"),
        (["question,candidate", "a,b\0"], "row 2: candidate: A text must not hold"),
        (["question,candidate,right", "a,b,2"], "row 2: right must be one of"),
        (["question,candidate,right", "a,b,0.5"], "row 2: right must be one of"),
        (["question,candidate", "a,\u200b"], "row 2: candidate: A text must not be empty"),
        (
            ["question,candidate,right", "a,b,1", "a,c,0", "a, b,0", "a,c,1", "d,b,0"],
            r"row 4: the candidate 'b' of the question 'a' must have one label. Got not right, "
            r"but right in row 2(.|\n)*row 5: the candidate 'c' .* right, but not right in row 3",
        ),
        (["question,candidate,score", "a,b,2"], "must not have the columns"),
    ],
)
def test_a_bad_table_is_refused(rows: list[str], says: str, bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says):
        rank_file(bundle, write(tmp_path / "a.csv", rows), tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_what_is_right_may_be_written_with_decimals(bundle: Bundle, tmp_path: Path) -> None:
    rows = ["question,candidate,right", "a,fish,1.0", "a,boat,0.00", "a,fish,1"]
    count, figures = rank_file(bundle, write(tmp_path / "a.csv", rows), tmp_path / "out.csv")
    assert count == 1
    assert figures is not None and figures.questions == 1


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


def test_the_command(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = write(tmp_path / "answers.txt", list(ANSWERS))
    ask = ("rank", model, "-q", "how do I cook a fish", "--answers", answers)
    code = run(*ask, "--top", 2, "--json")
    facts = json.loads(capsys.readouterr().out)
    assert len(facts["candidates"]) == 2
    assert code == (0 if facts["answered"] else 1)
    assert run(*ask) == code
    assert "how do I cook a fish" in capsys.readouterr().out
    table = write(tmp_path / "a.csv", ["question,candidate,right", "fish,cook a fish,1"])
    assert run("rank", model, "--table", table, "--out", tmp_path / "o.csv") == 0
    assert "map" in capsys.readouterr().out
    assert run("rank", model, "--table", table, "--out", tmp_path / "o.csv", "--seed", 3) == 0
    capsys.readouterr()
    for wrong in (
        ("--table", table, "--out", tmp_path / "p.csv", "--top", 2),
        (*ask[2:], "--seed", 1),
    ):
        assert run("rank", model, *wrong) == 2
        assert f"{wrong[-2]}" in capsys.readouterr().err.partition("Got ")[2]
    assert not (tmp_path / "p.csv").exists()
    assert run("rank", model, "-q", "fish") == 2
    assert "--question with --answers" in capsys.readouterr().err
