"""Training that goes on from a trained model."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from drawings import write_glyphs
from settings import SMALL
from stopping import StopAt
from twinlens.bundle import Bundle
from twinlens.config import Config, changed, load_config
from twinlens.data.duplicates import identity_hash
from twinlens.data.manifest import read_dataset
from twinlens.errors import DataError, TrainingError
from twinlens.fit import fit
from twinlens.tasks.evaluate import seen_examples


def settings(*more: str) -> Config:
    return load_config(None, [*SMALL, *more])


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bundle]:
    """Data of twelve identities and a model of them."""
    folder = tmp_path_factory.mktemp("first")
    data = write_glyphs(folder / "data", 12, 6)
    return data, fit(data, folder / "model", config=settings())


def names(data: Path) -> set[str]:
    return {place.name for place in data.iterdir()}


def grown(data: Path, place: Path) -> Path:
    """The same identities and eight more."""
    shutil.copytree(data, place)
    return write_glyphs(place, 8, 6, first=12)


def test_the_first_weights_are_those_of_the_model(
    first: tuple[Path, Bundle], tmp_path: Path
) -> None:
    _, model = first
    still = changed(model.config, ["train.steps=1", "train.learning_rate=1e-12", "train.ema=0"])
    bundle = fit(write_glyphs(tmp_path / "new", 12, 6, first=40), tmp_path / "b",
                 config=still, start=model)  # fmt: skip
    a, b = model.siamese.state_dict(), bundle.siamese.state_dict()
    moved = [name for name in a if "running" not in name and "num_batches" not in name]
    assert moved
    for name in moved:
        torch.testing.assert_close(a[name], b[name], atol=1e-6, rtol=0)
    assert bundle.evidence["training"]["start"] == model.fingerprint
    assert model.fingerprint in (tmp_path / "b" / "card.md").read_text()


def test_its_configuration_holds_where_none_is_given(
    first: tuple[Path, Bundle], tmp_path: Path
) -> None:
    _, model = first
    new = write_glyphs(tmp_path / "new", 12, 6, first=40)
    bundle = fit(str(new), str(tmp_path / "b"), start=model)
    assert bundle.config == model.config


def test_whom_the_model_knows_trains_and_counts_as_seen(
    first: tuple[Path, Bundle], tmp_path: Path
) -> None:
    data, model = first
    everyone = grown(data, tmp_path / "grown")
    before = model.evidence["identities"]
    knew = {name for name in names(data) if identity_hash(name) in
            {*before["train"], *before["validation"]}}  # fmt: skip
    assert 0 < len(knew) < 12
    for seed in range(4):  # whatever the split draws
        config = changed(model.config, [f"seed={seed}", "train.steps=2"])
        bundle = fit(everyone, tmp_path / f"b{seed}", config=config, start=model)
        now = bundle.evidence["identities"]
        assert {identity_hash(name) for name in knew} <= set(now["train"])
        assert now["test"]
    # And where it goes on without them, they are still no test for it.
    new = write_glyphs(tmp_path / "new", 12, 6, first=40)
    bundle = fit(new, tmp_path / "without", start=model)
    old = read_dataset(data)
    seen = seen_examples(old, bundle, calibrated=False)
    expected = np.array([example.identity in knew for example in old.examples])
    assert np.array_equal(seen, expected)
    again = fit(write_glyphs(tmp_path / "last", 12, 6, first=70), tmp_path / "twice", start=bundle)
    assert np.array_equal(seen_examples(old, again, calibrated=False), expected)


def test_another_shape_is_refused(first: tuple[Path, Bundle], tmp_path: Path) -> None:
    _, model = first
    new = write_glyphs(tmp_path / "new", 12, 6, first=40)
    with pytest.raises(TrainingError, match="encoder and comparator fit"):
        fit(new, tmp_path / "b", config=settings("encoder.widths=[4,6]"), start=model)
    assert not (tmp_path / "b").exists()


def test_nobody_new_to_test_on_is_told(first: tuple[Path, Bundle], tmp_path: Path) -> None:
    data, model = first
    with pytest.raises(DataError, match=r"does not know\. Got \d new ones"):
        fit(data, tmp_path / "b", start=model)


def test_it_is_resumed_from_the_same_model_only(first: tuple[Path, Bundle], tmp_path: Path) -> None:
    _, model = first
    data, out = write_glyphs(tmp_path / "new", 12, 6, first=40), tmp_path / "b"
    with pytest.raises(KeyboardInterrupt):
        fit(data, out, start=model, listener=StopAt(6))
    with pytest.raises(TrainingError, match=f"Got none in place of {model.fingerprint}"):
        fit(data, out, resume=True)
    resumed = fit(data, out, start=model, resume=True)
    whole = fit(data, tmp_path / "whole", start=model)
    assert resumed.fingerprint == whole.fingerprint
