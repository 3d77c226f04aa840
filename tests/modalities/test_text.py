"""Texts: what is made of them, what is refused, and what never changes an embedding."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from twinlens.errors import ConfigError, DataError, TwinlensError
from twinlens.modalities import Text
from twinlens.modalities.tokens import MOST_CHARACTERS, Level, Tokeniser, clean, learn
from twinlens.registry import settings_of
from twinlens.testing import broken, check_component

TEXTS = (
    "How do I learn to sing?",
    "What is the best way to learn singing?",
    "Where can I buy a cheap guitar?",
    "Как научиться петь?",
    "怎么学唱歌",
)

LEVELS = ("bpe", "wordpiece", "word")


def text_modality(**settings: object) -> Text:
    """A modality whose tokeniser was trained on `TEXTS`."""
    table = {**settings_of("modality", "text"), "vocabulary": 400, **settings}
    return Text(**Text.settle(table, TEXTS))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"level": "word"},
        {"level": "wordpiece"},
        {"token_dropout": 0.3, "typos": 0.3, "crop": 1.0},
        {"level": "word", "letters": 300},
    ],
)
def test_the_contract(settings: dict[str, str | float]) -> None:
    assert [str(result) for result in broken(check_component("modality", "text", settings))] == []


@pytest.mark.parametrize("level", LEVELS)
def test_many_texts_at_once_are_prepared_as_one_by_one(level: str) -> None:
    modality = text_modality(level=level, max_tokens=5, prompt="query: ")
    texts = [*TEXTS, "a", "x" * 300]
    for found, text in zip(modality.prepare_all(texts), texts, strict=True):
        np.testing.assert_array_equal(found, modality.prepare(text))
    with_letters = text_modality(level=level, max_tokens=5, prompt="query: ", letters=99)
    for found, text in zip(with_letters.prepare_all(texts), texts, strict=True):
        few = modality.prepare(text)
        np.testing.assert_array_equal(found[:, : few.shape[1]], few)
        assert found.shape[1] > few.shape[1]
        np.testing.assert_array_equal(found, with_letters.prepare(text))
    with pytest.raises(DataError, match="must be a str"):
        modality.prepare_all(["a", 3])


def test_the_form_of_unicode_and_white_space_make_no_difference() -> None:
    modality = text_modality()
    plain = modality.prepare("Café au lait")
    for other in (unicodedata.normalize("NFD", "Café au lait"), "  café\u00a0au\n\tlait "):
        np.testing.assert_array_equal(modality.prepare(other), plain)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must not be empty"),
        (" \n\u3000\t", "must not be empty"),
        ("\u200b", r"must not be empty. Got '\\u200b'"),
        ("\ufeff \u200d\u2060\u00ad\u200e\x07", "must not be empty"),
        ("a\0b", "NUL"),
        ("caf\udce9", "not UTF-8"),
        ("x" * (MOST_CHARACTERS + 1), r"at most 1,000,000 characters. Got 1,000,001"),
    ],
)
def test_what_is_no_text_is_refused(text: str, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        text_modality().load(text)
    assert len(str(caught.value)) < 300


def test_a_megabyte_is_cut_to_the_most_tokens() -> None:
    modality = text_modality(max_tokens=16)
    long = "learn to sing " * 70_000
    assert modality.prepare(long).shape == (1, 16)
    assert modality.describe(modality.load("sing")) == {"length": "whole"}
    assert modality.describe(modality.load(long)) == {"length": "cut"}


def test_what_is_not_text_is_refused() -> None:
    with pytest.raises(DataError, match="must be a str. Got bytes"):
        text_modality().prepare(b"sing")


@pytest.mark.parametrize("level", LEVELS)
def test_a_script_that_training_never_saw_still_has_tokens(level: str) -> None:
    modality = text_modality(level=level)
    strange = ["ཀཁག", "🎸🎸", "\u200bཀ", "ไทย"]
    assert modality.vocabulary is not None
    for text in strange:
        array = modality.prepare(text)
        assert array.shape[1] >= 1
        assert array.min() >= 1
        assert array.max() <= modality.vocabulary
    if level == "bpe":
        assert len({modality.prepare(text).tobytes() for text in strange}) == len(strange)


@given(st.text(max_size=60))
def test_every_text_has_tokens_or_an_error(text: str) -> None:
    modality = TRAINED
    try:
        cleaned = clean(text)
    except DataError:
        return
    assert clean(cleaned) == cleaned
    array = modality.prepare(cleaned)
    assert array.dtype == np.int32
    assert 1 <= array.min() <= array.max() <= (modality.vocabulary or 0)


TRAINED = text_modality()


def test_case_counts_where_it_is_asked_for() -> None:
    assert np.array_equal(TRAINED.prepare("SING"), TRAINED.prepare("sing"))
    modality = text_modality(lowercase=False)
    assert not np.array_equal(modality.prepare("SING"), modality.prepare("sing"))


def many_texts() -> list[str]:
    """Texts of made-up words, of which many come equally often: ties that must be settled."""
    rng = np.random.default_rng(0)
    syllables = ["ka", "lo", "mi", "ne", "ta", "ri", "so", "pu", "ver", "st", "ing"]
    words = ["".join(rng.choice(syllables, 1 + i % 4)) for i in range(300)]
    return [" ".join(rng.choice(words, 6)) for _ in range(300)]


@pytest.mark.parametrize("level", LEVELS)
def test_the_same_texts_give_the_same_tokeniser(level: Level) -> None:
    texts = many_texts()
    one, *others = (
        learn(order, level=level, vocabulary=400, lowercase=True)
        for order in (texts, texts, texts[::-1])
    )
    assert others == [one, one]
    assert 200 < len(Tokeniser(one)) <= 400


def tokens(tokeniser: Tokeniser, text: str) -> list[str]:
    named = {number: token for token, number in tokeniser.words().items()}
    return [named[number] for number in tokeniser.numbers(text)]


def test_pieces_of_words_are_trained() -> None:
    texts = ["sing singing singer", "ring ringing ringer", "Sing, bring 学!"] * 20
    found = Tokeniser(learn(texts, level="wordpiece", vocabulary=80, lowercase=True))
    assert tokens(found, "sing SINGING ringer") == ["sing", "singing", "ringer"]
    assert tokens(found, "grins,") == ["g", "##r", "##in", "##s", ","]  # of no text
    assert tokens(found, "学学") == ["学", "学"]  # each character is a word
    assert tokens(found, "##ing") == ["[UNK]", "[UNK]", "i", "##n", "##g"]  # no token of that name
    assert found.words_of("Singing 学!") == [("Singing", 1), ("学", 1), ("!", 1)]


def test_a_word_with_an_unknown_character_is_unknown() -> None:
    texts = ["sing a song ø"] + ["sing a song"] * 30
    found = Tokeniser(learn(texts, level="wordpiece", vocabulary=24, lowercase=True))
    assert tokens(found, "sønger song") == ["[UNK]", "song"]
    assert found.unknown == 1
    assert len(found) <= 24


def test_characters_leave_room_for_pieces() -> None:
    many = "".join(map(chr, range(0x3B1, 0x3C9)))  # a word of 24 letters
    found = Tokeniser(
        learn([many, *["sing a song"] * 30], level="wordpiece", vocabulary=40, lowercase=True)
    )
    assert len(found) <= 40
    assert tokens(found, "song") == ["song"]
    assert tokens(found, many) == ["[UNK]"]


def test_a_tokeniser_file_is_taken_as_it_is(tmp_path: Path) -> None:
    document = learn(["one two two"], level="word", vocabulary=10, lowercase=True)
    path = tmp_path / "tokenizer.json"
    path.write_text(document, encoding="utf-8")
    settled = Text.settle({**settings_of("modality", "text"), "tokenizer": str(path)}, TEXTS)
    assert settled["tokenizer"] == document
    modality = Text(tokenizer=str(path))
    assert modality.prepare("two one three").tolist() == [[2, 3, 1]]
    assert modality.fingerprint() == Text(tokenizer=document).fingerprint()


def test_a_file_that_is_no_tokeniser_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"version": "1.0"}')
    with pytest.raises(ConfigError, match=r"modality\.tokenizer must be the JSON of a tokeniser"):
        Text(tokenizer=str(tmp_path / "a.json"))
    with pytest.raises(ConfigError, match=r"none\.json"):
        Text(tokenizer=str(tmp_path / "none.json"))
    with pytest.raises(ConfigError, match='Got "auto"'):
        Text().prepare("sing")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"vocabulary": 200}, r"modality\.vocabulary must be above 256"),
        ({"max_tokens": 0}, r"modality\.max_tokens"),
        ({"token_dropout": 1.0}, r"modality\.token_dropout"),
        ({"typos": -0.1}, r"modality\.typos"),
        ({"crop": 1.5}, r"modality\.crop"),
        ({"letters": -1}, r"modality\.letters"),
        ({"letters": 9, "typos": 0.1}, r"letters goes with neither .* Got letters=9, crop=0\.0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Text(**settings)  # type: ignore[arg-type]


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(TwinlensError, match=r'pip install "twinlens\[text\]"'):
        Tokeniser("{}")


def augmented(modality: Text, text: str = "learn to sing well with a cheap guitar") -> torch.Tensor:
    values = modality.normalise(torch.from_numpy(np.stack([modality.prepare(text)] * 200)))
    return modality.augment(values, None, torch.Generator().manual_seed(0)), values


def test_token_dropout_makes_its_share_unknown() -> None:
    changed, values = augmented(text_modality(token_dropout=0.25))
    lost = changed != values
    assert (changed[lost] == 1).all()
    assert 0.2 < lost.float().mean() < 0.3


def test_a_crop_leaves_one_span_of_half_or_more() -> None:
    changed, values = augmented(text_modality(token_dropout=0.0, crop=1.0))
    kept = changed > 0
    assert (changed[kept] == values[kept]).all()
    assert (kept.sum(2) * 2 >= values.shape[2]).all()
    assert not kept.all()
    edges = (kept[..., 1:] != kept[..., :-1]).sum(2)
    assert (edges <= 2).all()


def test_typos_are_words_that_are_spelt_nearly_alike() -> None:
    words = ("colour color colours green",)
    table = {**settings_of("modality", "text"), "level": "word", "typos": 0.9, "token_dropout": 0.0}
    modality = Text(**Text.settle(table, words))  # type: ignore[arg-type]
    changed, values = augmented(modality, "colour green")
    assert (changed[:, :, 1] == values[:, :, 1]).all()
    known = modality.tokeniser.words()
    assert set(changed[:, :, 0].unique().long().tolist()) == {
        known["color"], known["colours"], known["colour"],
    }  # fmt: skip


def test_vectors_are_where_training_begins(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("4 3\nsing 1 0 0\nhum 1 0.1 0\nguitar 0 0 1\nlute 0 -1 1\n", encoding="utf-8")
    table = {**settings_of("modality", "text"), "level": "word", "width": 3, "vectors": str(path)}
    modality = Text(**Text.settle(table, ["I sing", "I sing", "we shout"]))  # type: ignore[arg-type]
    known = modality.tokeniser.words()
    assert {"sing", "shout", "hum", "lute"} <= known.keys()
    torch.manual_seed(0)
    lift = modality.lift()
    batch = modality.collate([modality.prepare(text) for text in ("I sing", "I sing", "we shout")])
    values = torch.from_numpy(batch.values).float()
    lift.begin(iter([(values, None)]))
    vectors = lift(torch.tensor([[[known["sing"], known["hum"], known["guitar"]]]]).float())[0].T
    cosine = torch.nn.functional.cosine_similarity(vectors[:1], vectors[1:])
    assert cosine[0] > 0.9 > 0.5 > cosine[1]
    weights = lift.gains.exp()
    assert weights[known["i"]] < weights[known["shout"]] < weights[known["lute"]]


def test_an_unknown_word_counts_next_to_nothing() -> None:
    texts = ["I sing", "I shout", "we shout"]
    modality = Text(**Text.settle({**settings_of("modality", "text"), "level": "word"}, texts))  # type: ignore[arg-type]
    lift = modality.lift()
    batch = modality.collate([modality.prepare(text) for text in texts])
    lift.begin(iter([(torch.from_numpy(batch.values).float(), None)]))
    known, unknown = (
        lift(torch.from_numpy(modality.prepare(text)).float()[None]).norm()
        for text in ("sing", "warble")
    )
    assert unknown < 0.05 < known


def test_an_unknown_word_is_told_by_its_letters() -> None:
    texts = ["I sing", "I shout", "we shout"]
    table = {**settings_of("modality", "text"), "level": "word", "letters": 4000, "width": 256}
    modality = Text(**Text.settle(table, texts))  # type: ignore[arg-type]
    torch.manual_seed(0)
    lift = modality.lift()
    batch = modality.collate([modality.prepare(text) for text in texts])
    lift.begin(iter([(torch.from_numpy(batch.values).float(), None)]))

    def mean(text: str) -> torch.Tensor:
        vectors = lift(torch.from_numpy(modality.prepare(text)).float()[None])
        return torch.nn.functional.normalize(vectors.mean(2), dim=1)[0]

    assert modality.tokeniser.numbers("warble") == modality.tokeniser.numbers("quartz")
    assert mean("warble") @ mean("warbling") > 0.3 > abs(mean("warble") @ mean("quartz"))
    assert mean("Sing") @ mean("sing") > 0.999
    words = " ".join(f"{number:09}" * 3 for number in range(modality.max_tokens))
    assert modality.prepare(words).shape[1] == 21 * modality.max_tokens


def test_letters_are_part_of_what_a_model_is_told_by() -> None:
    without, few, many = (text_modality(letters=count) for count in (0, 50, 60))
    assert "letters" not in without.preparation  # models trained before there were any
    assert len({modality.fingerprint() for modality in (without, few, many)}) == 3
    assert many.vocabulary == len(many.tokeniser) + 60


def test_tokens_of_bytes_that_begin_a_word_take_its_vector(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("sing 1 0\nüben 0 1\n", encoding="utf-8")
    table = {**settings_of("modality", "text"), "width": 2, "vectors": str(path)}
    texts = ["sing sing sing", "üben üben üben"]
    modality = Text(**Text.settle({**table, "spelling": False}, texts))  # type: ignore[arg-type]
    lift = modality.lift()
    lift.begin(iter([(torch.ones(1, 1, 1), None)]))
    starts = modality.tokeniser.starts()
    one, other = (lift.directions[starts[word]] for word in ("sing", "üben"))
    assert torch.nn.functional.cosine_similarity(one, other, dim=0).item() == pytest.approx(-1)


def test_vectors_wider_than_the_layer_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("sing 1 0 0\n", encoding="utf-8")
    table = {**settings_of("modality", "text"), "level": "word", "width": 2, "vectors": str(path)}
    modality = Text(**Text.settle(table, ["sing"]))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"modality\.width must be at least.*\(3\)"):
        modality.lift().begin(iter([(torch.ones(1, 1, 1), None)]))


def test_frozen_vectors_stay_as_they_begin() -> None:
    lift = text_modality(frozen=True).lift()
    assert [name for name, p in lift.named_parameters() if p.requires_grad] == []


def begun(*, spelling: bool, vectors: str = "") -> tuple[torch.Tensor, dict[str, int]]:
    """Directions after the start of a training, and the numbers of words."""
    table = {**settings_of("modality", "text"), "level": "word", "width": 512, "vectors": vectors}
    modality = Text(**Text.settle({**table, "spelling": spelling}, ["learning learned house"]))  # type: ignore[arg-type]
    torch.manual_seed(0)
    lift = modality.lift()
    lift.begin(iter([(torch.ones(1, 1, 1), None)]))
    return lift.directions.detach(), modality.tokeniser.words()


def test_words_that_are_spelt_alike_begin_alike_where_asked_for() -> None:
    for spelling in (True, False):
        directions, known = begun(spelling=spelling)
        torch.testing.assert_close(directions[1:].norm(dim=1), torch.ones(len(directions) - 1))
        cosine = directions @ directions[known["learning"]]
        assert (cosine[known["learned"]] > 0.3) == spelling
        assert abs(cosine[known["house"]]) < 0.2


def test_spelling_fills_what_vectors_leave_free(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("learning 1 0\nhouse 0 1\nbarn 0 2\n", encoding="utf-8")
    directions, known = begun(spelling=True, vectors=str(path))
    assert not directions[known["learned"], :2].any()
    assert directions[known["house"], 2:].norm() > 0.9
    assert directions[known["house"], :2].any()
