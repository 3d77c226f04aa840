"""A tiny random transformer that is made here, saved to a folder, and trained on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from texts import SMALL, write_pairs
from twinlens.bundle import Bundle
from twinlens.config import Config, load_config
from twinlens.data.manifest import read_dataset
from twinlens.data.splits import split
from twinlens.encoders import Pretrained
from twinlens.errors import ConfigError, DataError, TrainingError, TwinlensError
from twinlens.fit import fit
from twinlens.modalities.tokens import Tokeniser
from twinlens.registry import settings_of
from twinlens.testing import broken, check_encoder

pytest.importorskip("transformers")

SIZES: dict[str, Any] = {
    "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
    "max_position_embeddings": 64, "vocab_size": 60,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT with random weights and a WordPiece tokeniser that marks start and end."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertModel

    place = tmp_path_factory.mktemp("tiny-bert")
    torch.manual_seed(0)
    BertModel(BertConfig(**SIZES)).save_pretrained(place)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz", ":"]
    words += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    tokeniser = Tokenizer(WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokeniser.pre_tokenizer = Whitespace()
    marks = [("[CLS]", 2), ("[SEP]", 3)]
    tokeniser.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=marks)
    tokeniser.save(str(place / "tokenizer.json"))
    return place


def config_of(folder: Path, *more: str) -> Config:
    kept = [s for s in SMALL if not s.startswith(("encoder", "modality.vocabulary"))]
    return load_config(
        None,
        [*kept, "encoder=pretrained", f'encoder.folder="{folder}"',
         f'modality.tokenizer="{folder / "tokenizer.json"}"', *more],
    )  # fmt: skip


@pytest.mark.parametrize("more", [{}, {"pooling": "first", "dim": 5}])
def test_the_contract(folder: Path, more: dict[str, Any]) -> None:
    document = (folder / "config.json").read_text()
    results = check_encoder("pretrained", {"architecture": document, **more})
    assert [str(result) for result in broken(results)] == []


def test_its_weights_are_where_training_begins(folder: Path) -> None:
    from transformers import BertModel

    settings = Pretrained.settle({**settings_of("encoder", "pretrained"), "folder": str(folder)})
    encoder = Pretrained(1, None, **settings).eval()  # type: ignore[arg-type]
    encoder.begin(iter([]), torch.zeros(0), torch.zeros(0))
    numbers = torch.tensor([[2, 5, 9, 3]])
    with torch.no_grad():
        expected = BertModel.from_pretrained(folder)(numbers).last_hidden_state.mean(1)
        found = encoder((numbers + 1)[:, None].float())
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("frozen", [False, True])
def test_it_is_fine_tuned_or_held_still_and_needs_no_folder_again(
    frozen: bool, folder: Path, tmp_path: Path
) -> None:
    more = (f"encoder.frozen={str(frozen).lower()}", "encoder.dim=6", "modality.prompt=q: ")
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    fitted = fit(write_pairs(tmp_path), tmp_path / "m", config=config_of(copy, *more))
    from safetensors.torch import load_file

    before = load_file(copy / "model.safetensors")["embeddings.word_embeddings.weight"]
    after = fitted.siamese.encoder.get_parameter("model.embeddings.word_embeddings.weight")
    assert torch.equal(before, after) == frozen
    for path in copy.iterdir():
        path.unlink()
    texts = ["how do i cook a fish", "fish"]
    np.testing.assert_array_equal(Bundle.load(tmp_path / "m").embed(texts), fitted.embed(texts))


def test_an_encoder_that_is_held_still_needs_something_to_train(
    folder: Path, tmp_path: Path
) -> None:
    data, still = write_pairs(tmp_path), ("encoder.frozen=true", "train.precision=auto")
    with pytest.raises(TrainingError, match="weights to change"):
        fit(data, tmp_path / "m", config=config_of(folder, *still))
    learned = (*still, "comparator=learned", "loss=cross_entropy")
    fitted = fit(data, tmp_path / "m", config=config_of(folder, *learned), overwrite=True)
    assert fitted.evidence["training"]["precision"] == "float32"


def test_a_cut_text_keeps_its_end_mark(folder: Path) -> None:
    tokeniser = Tokeniser((folder / "tokenizer.json").read_text())
    assert tokeniser.numbers("abc", 4) == [3, 5, 33, 4]
    assert tokeniser.numbers("abc") == [3, 5, 33, 34, 4]


@pytest.mark.parametrize(
    ("remove", "change", "says"),
    [
        ("config.json", {}, "must hold a readable config.json"),
        ("model.safetensors", {}, "must hold model.safetensors. Got config.json"),
        ("", {"auto_map": {"AutoModel": "evil.Model"}}, "must not want code of its own"),
        ("", {"model_type": None}, "must name a model_type"),
    ],
)
def test_a_folder_that_misses_files_or_wants_code_is_refused(
    remove: str, change: dict[str, Any], says: str, folder: Path, tmp_path: Path
) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    table = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**table, **change}))
    if remove:
        (tmp_path / remove).unlink()
    settings = {**settings_of("encoder", "pretrained"), "folder": str(tmp_path)}
    with pytest.raises(ConfigError, match=says):
        Pretrained.settle(settings)


def test_a_pickle_is_not_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04")
    settings = {**settings_of("encoder", "pretrained"), "folder": str(tmp_path)}
    with pytest.raises(ConfigError, match="may run code when they are read"):
        Pretrained.settle(settings)


def test_weights_of_another_architecture_are_refused(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    settings = Pretrained.settle({**settings_of("encoder", "pretrained"), "folder": str(tmp_path)})
    encoder = Pretrained(1, None, **settings)  # type: ignore[arg-type]
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ConfigError, match="must hold the weights"):
        encoder.begin(iter([]), torch.zeros(0), torch.zeros(0))


def copied(folder: Path, place: Path) -> Path:
    for path in folder.iterdir():
        (place / path.name).write_bytes(path.read_bytes())
    return place


def began(folder: Path) -> Pretrained:
    settings = Pretrained.settle({**settings_of("encoder", "pretrained"), "folder": str(folder)})
    encoder = Pretrained(1, None, **settings)  # type: ignore[arg-type]
    encoder.begin(iter([]), torch.zeros(0), torch.zeros(0))
    return encoder


@pytest.mark.parametrize(
    ("kept", "says"),
    [
        (lambda name: "layer.0.output" not in name, "without encoder.layer.0.output.LayerNorm.bia"),
        (lambda name: False, r"without embeddings.* and \d+ more. Copy it anew"),
    ],
)
def test_weights_that_are_missing_are_refused_and_not_made_up(
    kept: Callable[[str], bool], says: str, folder: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    weights = copied(folder, tmp_path) / "model.safetensors"
    some = {name: tensor for name, tensor in load_file(weights).items() if kept(name)}
    save_file({**some, "unrelated": torch.zeros(2)}, weights, metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=f"must hold every weight.*{says}"):
        began(tmp_path)


def test_a_pooler_is_not_used_and_may_be_missing(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = copied(folder, tmp_path) / "model.safetensors"
    some = {n: tensor for n, tensor in load_file(weights).items() if "pooler" not in n}
    save_file(some, weights, metadata={"format": "pt"})
    torch.testing.assert_close(began(tmp_path).state_dict(), began(folder).state_dict())


def test_texts_above_the_positions_are_refused_before_training(
    folder: Path, tmp_path: Path
) -> None:
    data, prompt = write_pairs(tmp_path), f"modality.prompt={'q ' * 60}"
    says = r"modality.max_tokens must be at most 64, .* Got a text of \d+ tokens.*max_tokens=64"
    with pytest.raises(ConfigError, match=says):
        fit(data, tmp_path / "m", config=config_of(folder, prompt))
    fit(data, tmp_path / "n", config=config_of(folder, prompt, "modality.max_tokens=64"))


@pytest.mark.parametrize("side", ["train", "validation", "calibration", "test"])
def test_texts_above_the_positions_are_refused_on_every_side(
    folder: Path, tmp_path: Path, side: str
) -> None:
    config = config_of(folder)
    data = read_dataset(write_pairs(tmp_path), modality="text")
    sides = split(data, shares=config.data.shares(data.kind), seed=config.seed)
    one = getattr(sides, side).examples[0].id
    lengthened = tuple(
        dataclasses.replace(e, fields={"text": "a b c d " * 20}) if e.id == one else e
        for e in data.examples
    )
    with pytest.raises(ConfigError, match=rf"at most 64.*of 82 tokens.*on the side {side} of"):
        fit(dataclasses.replace(data, examples=lengthened), tmp_path / "m", config=config)
    assert not (tmp_path / "m").exists()


def test_going_on_from_a_model_counts_positions_too(folder: Path, tmp_path: Path) -> None:
    data, config = write_pairs(tmp_path), config_of(folder)
    start = fit(data, tmp_path / "m", config=config)
    longer = config_of(folder, f"modality.prompt={'q ' * 60}")
    with pytest.raises(ConfigError, match="at most 64"):
        fit(data, tmp_path / "n", config=longer, start=start)


def test_later_texts_are_cut_at_the_positions_as_the_tokeniser_cuts(
    folder: Path, tmp_path: Path
) -> None:
    fitted = fit(write_pairs(tmp_path), tmp_path / "m", config=config_of(folder))
    long = "a b c d " * 40
    tokeniser = Tokeniser((folder / "tokenizer.json").read_text())
    cut = torch.tensor([[tokeniser.numbers(long, 64)]])
    short = torch.nn.functional.pad(torch.tensor([[tokeniser.numbers("fish")]]), (0, 58))
    with torch.no_grad():
        encoder = fitted.siamese.encoder.eval()
        expected = torch.cat([encoder(cut.float()), encoder(short[..., :6].float())])
    expected = torch.nn.functional.normalize(expected)
    found = torch.from_numpy(fitted.embed([long, "fish"]))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "most"),
    [("bert", 64), ("roberta", 62), ("bart", 64), ("gpt2", 64), ("nystromformer", 64)],
)
def test_a_model_takes_as_many_tokens_as_it_has_positions(kind: str, most: int) -> None:
    sizes = {**SIZES, "d_model": 8, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
             "encoder_layers": 1, "decoder_layers": 1, "pad_token_id": 1}  # fmt: skip
    if kind == "gpt2":
        sizes = {"n_embd": 8, "n_head": 2, "n_layer": 1, "n_positions": 64, "vocab_size": 60}
    encoder = Pretrained(1, None, architecture=json.dumps({"model_type": kind, **sizes}))
    assert encoder.positions == most
    texts = torch.arange(2 * 90).reshape(2, 1, 90).float() % 50 + 3
    assert encoder.eval()(texts).shape == (2, 8)


def test_rotary_positions_have_no_end() -> None:
    sizes = json.dumps({"model_type": "modernbert", **SIZES, "pad_token_id": 0})
    encoder = Pretrained(1, None, architecture=sizes).eval()
    assert encoder.positions is None
    texts = torch.arange(90).reshape(1, 1, 90).float() % 50 + 3
    assert not torch.equal(encoder(texts), encoder(texts[..., :64]))


def test_a_folder_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"encoder\.folder must be the folder"):
        Pretrained.settle(settings_of("encoder", "pretrained"))
    with pytest.raises(ConfigError, match=r"encoder\.architecture must be settled"):
        Pretrained(1, None)
    with pytest.raises(ConfigError, match="must be one that transformers knows. Got 'none'"):
        Pretrained(1, None, architecture='{"model_type": "none"}')


def test_the_tokeniser_of_another_model_is_refused(folder: Path) -> None:
    encoder = Pretrained(1, None, architecture=(folder / "config.json").read_text())
    with pytest.raises(DataError, match="the tokeniser is another model's"):
        encoder(torch.full((1, 1, 3), 61.0))


def test_an_encoder_of_tokens_is_refused_for_pictures(folder: Path, glyphs: Path) -> None:
    config = load_config(None, ["encoder=pretrained", f'encoder.folder="{folder}"'])
    with pytest.raises(ConfigError, match="reads tokens, but inputs that are none"):
        fit(glyphs, folder.parent / "m", config=config)


def test_without_the_package_the_error_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(TwinlensError, match=r'pip install "twinlens\[pretrained\]"'):
        Pretrained(1, None, architecture=(folder / "config.json").read_text())
