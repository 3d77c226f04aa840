"""All of a network works where its weights are.

Here there need be no GPU: PyTorch's "meta" device has shapes without numbers, and what would mix
them with those of the processor, which a GPU refuses, is refused here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from drawings import write_glyphs
from settings import SMALL
from twinlens.bundle import Bundle, fingerprint
from twinlens.comparators.base import Comparator
from twinlens.config import load_config
from twinlens.encoders.base import Encoder
from twinlens.errors import TrainingError
from twinlens.fit import fit
from twinlens.modalities.base import Modality
from twinlens.registry import Component, Setting, build, lookup, names, resolve
from twinlens.training.optimisation import chosen_device

SIZES = {1: (24,), 2: (24, 17)}
"""Of the input, by number of axes."""
DESCRIBED: list[dict[str, Setting]] = [
    {"described": kind, "dim": 192} for kind in ("places", "strokes", "colours")
]
ENCODERS: list[tuple[str, int, dict[str, Setting]]] = [
    *((name, axes, {}) for name in names("encoder") if name != "pretrained"  # wants a folder
      for axes in lookup("encoder", name).axes),
    *(("convnet", 2, settings) for settings in DESCRIBED),
    ("convcolumns", 2, {"described": "strokes", "box": (16, 32)}),
]  # fmt: skip
UNCHANGED = [
    f"modality.{name}=0"
    for name in ("rotation_deg", "scale", "shear", "shift", "elastic", "stroke_width")
]
"""No picture is augmented."""
BY_VALUES = ("matches", "maxsim")
"""Comparators that sort rows by how long they are, which shapes do not tell."""


class OneDevice(TorchDispatchMode):
    """Refuses what takes tensors of two devices, but for single numbers."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor) and x.ndim]
        devices = {tensor.device.type for tensor in given}
        if len(devices) > 1:
            raise RuntimeError(f"{func} must be given tensors of one device. Got {devices}.")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("name", "axes", "settings"), ENCODERS)
@pytest.mark.parametrize("masked", [False, True])
def test_inputs_are_encoded_there(
    name: str, axes: int, settings: dict[str, Setting], masked: bool
) -> None:
    size = SIZES[axes]
    shape = None if masked else (3, *size)
    encoder: Encoder = build("encoder", Component(name, settings), 3, shape)
    encoder = encoder.train().to("meta")
    values = torch.rand(4, 3, *size, device="meta")
    mask = torch.ones(4, *size, dtype=torch.bool, device="meta") if masked else None
    with OneDevice():
        assert encoder(values, mask).is_meta


@pytest.mark.parametrize("name", [name for name in names("comparator") if name not in BY_VALUES])
def test_embeddings_are_compared_there(name: str) -> None:
    comparator: Comparator = build("comparator", Component(name), 64)
    comparator = comparator.to("meta")
    a, b = (comparator.project(torch.rand(n, 64, device="meta")) for n in (3, 5))
    with OneDevice():
        assert comparator.paired(a, b[:3]).is_meta
        assert comparator.matrix(a, b).shape == (3, 5)


def test_what_forgets_where_it_is_would_be_noticed() -> None:
    there = torch.rand(2, 3, device="meta")
    assert (there @ torch.rand(3, 2)).is_meta  # PyTorch lets this pass
    with OneDevice(), pytest.raises(RuntimeError, match=r"one device"):
        there @ torch.rand(3, 2)


def test_the_device_is_what_is_asked_for_and_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert chosen_device("auto") == chosen_device("cpu") == torch.device("cpu")
    with pytest.raises(TrainingError, match=r"needs a GPU.*Got none.*Set train\.device"):
        chosen_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    assert chosen_device("auto") == chosen_device("cuda") == torch.device("cuda", 1)
    assert chosen_device("cpu") == torch.device("cpu")


def test_the_model_says_where_it_was_trained(tmp_path: Path) -> None:
    bundle = _trained(tmp_path, "cpu")
    assert bundle.evidence["training"]["device"] == "cpu"
    assert "(float32, cpu)" in (tmp_path / "cpu" / "card.md").read_text()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_training_on_a_gpu_is_that_on_the_processor_but_for_rounding(tmp_path: Path) -> None:
    # of pictures as they are: how they are changed is drawn by other numbers there
    here, there = (_trained(tmp_path, device, *UNCHANGED) for device in ("cpu", "cuda"))
    refs = sorted(map(str, (tmp_path / "data").rglob("*.png")))
    found = there.embed(refs)
    np.testing.assert_allclose(here.embed(refs), found, atol=0.05)
    there.siamese.to("cuda")
    np.testing.assert_allclose(there.embed(refs), found, atol=1e-3)
    assert fingerprint(there.siamese, there.config) == there.fingerprint


AUGMENTED: list[tuple[str, dict[str, Setting]]] = [
    ("image", {"background": "photo", "flip": 0.5, "light": 0.9, "blur": 0.5, "compression": 0.5,
               "occlusion": 0.5, "perspective": 0.1, "elastic": 0.02}),
    ("image", {"background": "light", "stroke_width": 0.5}),
    ("image", {"background": "photo", "fit": "native", "flip": 0.5, "light": 0.5}),
    ("strokes", {}),
    ("text", {"typos": 0.3, "token_dropout": 0.3, "crop": 0.3}),
]  # fmt: skip


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize(("name", "changed"), AUGMENTED)
def test_inputs_are_augmented_on_a_gpu(
    tmp_path: Path, name: str, changed: dict[str, Setting]
) -> None:
    cls: type[Modality] = lookup("modality", name)
    refs = cls.samples(tmp_path, np.random.default_rng(0))
    settings = resolve("modality", Component(name, changed)).settings
    modality: Modality = build("modality", Component(name, cls.settle(settings, refs)))
    batch = modality.collate([modality.prepare(modality.load(ref)) for ref in refs])
    values = modality.normalise(torch.from_numpy(batch.values)).cuda()
    mask = None if batch.mask is None else torch.from_numpy(batch.mask).cuda()
    with torch.device("cuda"):
        turned = modality.vary(values, torch.arange(len(values)) % modality.variants)
        made = modality.augment(turned, mask, torch.Generator("cuda").manual_seed(0))
    assert made.is_cuda
    assert torch.isfinite(made).all()
    assert (made != values).any()


def test_that_training_changes_more_than_rounding_does(tmp_path: Path) -> None:
    trained = _trained(tmp_path, "cpu")
    still = _trained(tmp_path, "cpu", "train.learning_rate=1e-9")
    refs = sorted(map(str, (tmp_path / "data").rglob("*.png")))
    assert np.abs(trained.embed(refs) - still.embed(refs)).max() > 0.2


def _trained(folder: Path, device: str, *changes: str) -> Bundle:
    data = folder / "data"
    if not data.exists():
        write_glyphs(data, identities=16, examples=4)
    own = ["train.learning_rate=0.01", "train.ema=0", f"train.device={device}", *changes]
    config = load_config(None, [*SMALL, *own])
    return fit(data, folder / device, config=config, overwrite=True)
