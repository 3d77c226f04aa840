"""The artifact: round trip, every way of damage, and what goes in and out."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import twinlens
from twinlens.bundle import CONFIG, FILES, MANIFEST, WEIGHTS, Bundle, fingerprint
from twinlens.encoders.convnet import ConvNet
from twinlens.errors import BundleError, DataError


@pytest.fixture
def copy(model: Path, tmp_path: Path) -> Path:
    """A model that may be damaged."""
    return Path(shutil.copytree(model, tmp_path / "copy"))


def pictures(folder: Path, count: int = 4) -> list[Path]:
    return sorted(folder.rglob("*.png"))[:count]


def test_saved_and_loaded_again_it_scores_the_same(
    bundle: Bundle, glyphs: Path, tmp_path: Path
) -> None:
    a, b, *_ = pictures(glyphs)
    saved = Bundle.save(
        tmp_path / "again",
        siamese=bundle.siamese,
        config=bundle.config,
        evidence=bundle.evidence,
    )
    again = Bundle.load(tmp_path / "again")
    assert again.score(a, b) == bundle.score(a, b)
    assert again.fingerprint == saved.fingerprint == bundle.fingerprint
    assert again.config == bundle.config
    assert again.evidence == json.loads(json.dumps(bundle.evidence))
    assert {path.name for path in (tmp_path / "again").iterdir()} == {MANIFEST, *FILES}


def test_a_score_is_the_same_from_both_sides_and_larger_for_a_copy(
    bundle: Bundle, glyphs: Path
) -> None:
    a, b, *_ = pictures(glyphs)
    assert bundle.score(a, b) == pytest.approx(bundle.score(b, a), abs=1e-6)
    assert bundle.score(a, a) >= bundle.score(a, b)


def test_paths_pictures_and_arrays_give_one_embedding(bundle: Bundle, glyphs: Path) -> None:
    path = pictures(glyphs)[0]
    with Image.open(path) as picture:
        picture.load()
    rows = bundle.embed([path, str(path), picture, np.asarray(picture)])
    assert rows.shape == (4, 8)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, rows[:1].repeat(4, 0), atol=1e-6)


def test_batch_size_never_changes_an_embedding(bundle: Bundle, glyphs: Path) -> None:
    inputs = pictures(glyphs, 9)
    seen: list[tuple[int, int]] = []
    small = bundle.embed(inputs, batch_size=2, progress=lambda *done: seen.append(done))
    np.testing.assert_allclose(small, bundle.embed(inputs), atol=1e-5)
    assert seen == [(2, 9), (4, 9), (6, 9), (8, 9), (9, 9)]
    assert bundle.embed([]).shape == (0, 8)


def test_several_threads_get_the_answers_of_one(bundle: Bundle, glyphs: Path) -> None:
    inputs = pictures(glyphs, 16)
    expected = bundle.embed(inputs)
    found: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: found.append(bundle.embed(inputs))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for rows in found:
        np.testing.assert_allclose(rows, expected, atol=1e-6)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_noticed(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{name} must be the file that MANIFEST names"):
        Bundle.load(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BundleError, match=rf"{name} must be readable.*No such file"):
        Bundle.load(copy)


def rewrite_manifest(folder: Path, **changes: object) -> None:
    table = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**table, **changes}))


def rehash(folder: Path) -> None:
    """Make the manifest agree with the files, as one would who changes them on purpose."""
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    rewrite_manifest(folder, files=files)


def test_another_format_is_refused(copy: Path) -> None:
    rewrite_manifest(copy, format=99)
    with pytest.raises(BundleError, match=r"must be of format 1\. Got 99"):
        Bundle.load(copy)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"format": 1}', "\x00\x01"])
def test_a_damaged_manifest_is_refused(copy: Path, text: str) -> None:
    (copy / MANIFEST).write_text(text)
    with pytest.raises(BundleError, match="MANIFEST|format"):
        Bundle.load(copy)


def test_a_folder_without_manifest_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="must hold a MANIFEST"):
        Bundle.load(tmp_path)
    with pytest.raises(BundleError, match="not there"):
        Bundle.load(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(BundleError, match="is a file"):
        Bundle.load(tmp_path / "file")
    (tmp_path / "checkpoint.safetensors").touch()
    with pytest.raises(BundleError, match="--resume"):
        Bundle.load(tmp_path)


def test_weights_of_another_network_are_refused(copy: Path) -> None:
    text = (copy / CONFIG).read_text().replace("dim = 8", "dim = 16")
    (copy / CONFIG).write_text(text)
    rehash(copy)
    with pytest.raises(BundleError, match="tensors of the network"):
        Bundle.load(copy)


def test_another_preparation_is_another_fingerprint(copy: Path) -> None:
    text = (copy / CONFIG).read_text()
    assert 'background = "light"' in text
    (copy / CONFIG).write_text(text.replace('background = "light"', 'background = "dark"'))
    rehash(copy)
    with pytest.raises(BundleError, match="must give the fingerprint"):
        Bundle.load(copy)


def test_an_unknown_component_asks_for_its_plugin(copy: Path) -> None:
    text = (copy / CONFIG).read_text().replace('name = "convnet"', 'name = "stranger"')
    (copy / CONFIG).write_text(text)
    rehash(copy)
    with pytest.raises(BundleError, match="--plugin"):
        Bundle.load(copy)


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\xff" * 64])
def test_truncated_weights_are_refused_though_their_hash_fits(copy: Path, content: bytes) -> None:
    (copy / WEIGHTS).write_bytes(content)
    rehash(copy)
    with pytest.raises(BundleError, match="must hold the tensors"):
        Bundle.load(copy)


def test_nan_weights_are_neither_saved_nor_loaded(model: Path, tmp_path: Path) -> None:
    bundle = Bundle.load(model)  # one's own, to damage
    with torch.no_grad():
        next(bundle.siamese.parameters()).fill_(float("nan"))
    with pytest.raises(BundleError, match=r"must be finite.*encoder"):
        Bundle.save(
            tmp_path / "nan",
            siamese=bundle.siamese,
            config=bundle.config,
            evidence=bundle.evidence,
        )
    assert not (tmp_path / "nan").exists()


def test_the_fingerprint_follows_every_part(model: Path) -> None:
    bundle = Bundle.load(model)
    with torch.no_grad():
        last = [*bundle.siamese.encoder.parameters()][-1]
        last[0] += 1e-6
    assert fingerprint(bundle.siamese, bundle.config) != bundle.fingerprint


def test_a_setting_that_came_later_leaves_older_fingerprints_as_they_were(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = bundle.config.encoder
    standardised = {**encoder.settings, "standardise": True}
    changed = replace(bundle.config, encoder=replace(encoder, settings=standardised))
    assert fingerprint(bundle.siamese, changed) != bundle.fingerprint
    older = {name: value for name, value in encoder.settings.items() if name != "standardise"}
    assert len(older) == len(encoder.settings) - 1
    saved_then = replace(bundle.config, encoder=replace(encoder, settings=older))
    assert fingerprint(bundle.siamese, saved_then) == bundle.fingerprint
    monkeypatch.setattr(ConvNet, "neutral", {})
    assert fingerprint(bundle.siamese, bundle.config) != bundle.fingerprint


def test_only_a_model_is_replaced_by_a_model(bundle: Bundle, copy: Path, tmp_path: Path) -> None:
    def save(path: Path, overwrite: bool) -> None:
        Bundle.save(
            path,
            siamese=bundle.siamese,
            config=bundle.config,
            evidence=bundle.evidence,
            overwrite=overwrite,
        )

    with pytest.raises(BundleError, match="--overwrite"):
        save(copy, False)
    save(copy, True)
    assert Bundle.load(copy).fingerprint == bundle.fingerprint
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    (precious / "MANIFEST").write_text("thesis.txt")
    with pytest.raises(BundleError, match="left alone"):
        save(precious, True)
    assert (precious / "thesis.txt").read_text() == "years of work"
    assert not list(tmp_path.glob(".*"))


def test_an_unreadable_input_is_named(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match=r"torn\.png"):
        bundle.score(tmp_path / "torn.png", tmp_path / "torn.png")
    with pytest.raises(DataError, match="finite"):
        bundle.embed([np.full((9, 9), np.nan)])


def test_the_card_says_what_there_is(model: Path, bundle: Bundle) -> None:
    text = (model / "card.md").read_text()
    assert bundle.fingerprint in text
    assert "| train |" in text
    for name in bundle.evidence["evaluation"]["metrics"]:
        assert f"| {name} |" in text


def test_no_name_of_an_identity_travels_with_the_model(model: Path) -> None:
    for name in FILES:
        assert b"class0" not in (model / name).read_bytes()


def test_what_a_pickle_would_run_is_not_run(copy: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Attack:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {marker}",)

    (copy / WEIGHTS).write_bytes(pickle.dumps(Attack()))
    rehash(copy)
    with pytest.raises(BundleError):
        Bundle.load(copy)
    assert not marker.exists()


def test_the_package_offers_what_users_start_from() -> None:
    assert twinlens.Bundle is Bundle
    assert twinlens.Siamese.__name__ == "Siamese"
    with pytest.raises(AttributeError, match="no attribute 'Triplets'"):
        _ = twinlens.Triplets


def test_a_plugin_of_the_training_is_not_needed_to_answer(copy: Path) -> None:
    text = (copy / CONFIG).read_text().replace('name = "supcon"', 'name = "stranger"')
    (copy / CONFIG).write_text(text)
    rehash(copy)
    assert Bundle.load(copy).config.loss.name == "stranger"
