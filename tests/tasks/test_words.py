"""Which words found one another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from texts import SMALL, write_pairs
from twinlens.bundle import Bundle
from twinlens.cli import main
from twinlens.config import load_config
from twinlens.errors import ConfigError
from twinlens.fit import fit
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
    partners = {word.piece: word.partner for word in found.left}
    assert partners["fish"] == "Fish"
    assert partners["how"] == "how"
    assert partners["cook"] is None
    assert {word.piece: word.partner for word in found.right}["paint"] is None
    for words in (found.left, found.right):
        assert sum(word.share for word in words) == pytest.approx(1)
    shares = {word.piece: word.share for word in found.left}
    assert shares["fish"] > shares["a"]  # the rarer one counts more
    assert "(no partner)" in str(found)


def test_what_is_beyond_the_steps_is_left_out(model: Path) -> None:
    found = align_words(Bundle.load(model), "fish " * 30, "fish")
    assert (len(found.left), len(found.right)) == (12, 1)


def test_the_command_writes_json(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "words.json"
    texts = ("how do I cook a fish", "cook a fish: how")
    main_result = [str(model), *texts, "--explain", str(out)]
    with pytest.raises(SystemExit) as caught:
        main(["compare", *main_result])
    assert caught.value.code in (0, None)
    assert "which words found one another" in capsys.readouterr().out
    assert json.loads(out.read_text())["left"][-1]["partner"] == "fish"


def test_a_model_that_compares_whole_texts_is_refused(tmp_path: Path) -> None:
    fit(write_pairs(tmp_path), tmp_path / "model", config=load_config(None, SMALL))
    with pytest.raises(ConfigError, match="encoder=stepwise"):
        align_words(Bundle.load(tmp_path / "model"), "fish", "a fish")
