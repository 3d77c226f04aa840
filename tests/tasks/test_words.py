"""Which words found one another."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

import pytest

from texts import SMALL, write_pairs
from twinlens.bundle import Bundle
from twinlens.cli import main
from twinlens.config import load_config
from twinlens.errors import ConfigError
from twinlens.fit import fit
from twinlens.tasks.evaluate import evaluate
from twinlens.tasks.report import report
from twinlens.tasks.words import align_words

WORDS = ("encoder=stepwise", "encoder.steps=12", "comparator=matches", "comparator.steps=12",
         "loss=cross_entropy", "modality.level=word", "modality.width=32")  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("words")
    kept = [setting for setting in SMALL if not setting.startswith(("encoder", "modality.w"))]
    fit(write_pairs(place), place / "model", config=load_config(None, [*kept, *WORDS]))
    return place / "model"


def test_the_same_word_is_its_own_partner(model: Path) -> None:
    found = align_words(Bundle.load(model), "how do I cook a fish", "paint a Fish: how")
    partners = {word.word: word.partner for word in found.left}
    assert partners["fish"] == "Fish"
    assert partners["how"] == "how"
    assert partners["cook"] is None
    assert {word.word: word.partner for word in found.right}["paint"] is None
    for words in (found.left, found.right):
        assert sum(word.weight for word in words) == pytest.approx(1)
    shares = {word.word: word.weight for word in found.left}
    assert shares["fish"] > shares["a"]  # the rarer one counts more
    assert "(no partner)" in str(found)


def test_what_is_beyond_the_steps_is_left_out(model: Path) -> None:
    found = align_words(Bundle.load(model), "fish " * 30, "fish")
    assert (len(found.left), len(found.right)) == (12, 1)


@pytest.fixture(scope="module")
def of_bytes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose tokens are parts of words."""
    place = tmp_path_factory.mktemp("bytes")
    kept = [setting for setting in SMALL if not setting.startswith(("encoder", "modality.w"))]
    settings = ["modality.vocabulary=270", "encoder=stepwise", "encoder.steps=40",
                "comparator=maxsim", "comparator.steps=40", "loss=infonce"]  # fmt: skip
    fit(write_pairs(place), place / "model", config=load_config(None, [*kept, *settings]))
    return place / "model"


def test_tokens_of_one_word_are_one_word(of_bytes: Path) -> None:
    bundle = Bundle.load(of_bytes)
    found = align_words(bundle, "I speak French, naïve", "speak FRENCH مرحبا بك 我喜欢")
    assert [word.word for word in found.left] == ["I", "speak", "French", ",", "naïve"]
    right = ["speak", "FRENCH", "مرحبا", "بك", "我", "喜", "欢"]
    assert [word.word for word in found.right] == right
    partners = {word.word: (word.partner, word.similarity) for word in found.left}
    assert partners["speak"] == ("speak", pytest.approx(1, abs=1e-5))
    assert partners["French"] == ("FRENCH", pytest.approx(1, abs=1e-5))
    for words in (found.left, found.right):
        assert sum(word.weight for word in words) == pytest.approx(1)
    # a word of which not all tokens are read
    assert len(align_words(bundle, "fish " * 30, "fish").left) < 40


def test_the_command_writes_json(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "words.json"
    texts = ("how do I cook a fish", "cook a fish: how")
    asked = ["compare", str(model), *texts, "--explain", str(out)]
    with pytest.raises(SystemExit) as caught:
        main(asked)
    assert caught.value.code in (0, None)
    assert "which words found one another" in capsys.readouterr().out
    written = json.loads(out.read_text())
    assert written["left"][-1]["partner"] == "fish"
    with pytest.raises(SystemExit):
        main([*asked, "--json"])
    explained = json.loads(capsys.readouterr().out)["explanation"]
    assert set(explained) == {"words", "left", "right"}
    assert explained["words"] == str(out)
    assert explained["left"] == written["left"]
    assert set(explained["left"][0]) == {"word", "partner", "similarity", "weight"}


def test_the_report_of_an_evaluation_shows_them(model: Path, tmp_path: Path) -> None:
    bundle = Bundle.load(model)
    tested = evaluate(bundle, write_pairs(tmp_path), include_seen=True)
    page = report(bundle, tested, tmp_path / "page.html").read_text()
    extreme = tested.evaluation.false_matches[0]
    refs = tested.dataset.refs("text")
    lines = align_words(bundle, refs[extreme.left], refs[extreme.right]).in_short()
    assert any(" → " in line for line in lines)
    for line in lines:
        assert f"<li>{escape(line)}</li>" in page
    assert any("without partner" in line for line in page.splitlines())


def test_a_model_that_compares_whole_texts_is_refused(tmp_path: Path) -> None:
    fit(write_pairs(tmp_path), tmp_path / "model", config=load_config(None, SMALL))
    with pytest.raises(ConfigError, match="encoder=stepwise"):
        align_words(Bundle.load(tmp_path / "model"), "fish", "a fish")
