"""The other side of the speed benchmark: the same pictures, changed alike, learned from."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_metric_learning.losses import SupConLoss

pytest.importorskip("pytorch_metric_learning")

from benchmarks import peer
from twinlens.assemble import build_siamese
from twinlens.config import TrainConfig, load_config
from twinlens.functional.warp import resample

SIDE = 32
STILL = peer.Augmentation(SIDE, 0.0, 0.0, 0.0, 0.0)
LIVELY = peer.Augmentation(SIDE, 0.3, 0.2, 0.2, 0.1)


@pytest.fixture
def refs(tmp_path: Path) -> list[str]:
    """Six drawings of three identities: dark bars on white paper."""
    paths: list[str] = []
    for number in range(6):
        page = np.full((SIDE, SIDE), 255, np.uint8)
        page[4 + 8 * (number // 2) : 8 + 8 * (number // 2), 4 : 24 + number % 2] = 0
        path = tmp_path / f"{number}.png"
        Image.fromarray(page).save(path)
        paths.append(str(path))
    return paths


def pictures(refs: list[str], augmentation: peer.Augmentation, turns: int = 4) -> peer.Pictures:
    return peer.Pictures(refs, [0, 0, 1, 1, 2, 2], turns=turns, augmentation=augmentation)


def test_no_change_leaves_a_picture_as_it_is(refs: list[str]) -> None:
    value, label = pictures(refs, STILL)[4 * 3]
    with Image.open(refs[3]) as file:
        np.testing.assert_array_equal(value[0].numpy(), np.asarray(file))
    assert label == 4


def test_each_turn_is_a_class_of_its_own(refs: list[str]) -> None:
    every = pictures(refs, STILL)
    assert len(every) == 24
    upright = every[0][0][0].numpy()
    for turn in range(4):
        value, label = every[turn]
        np.testing.assert_array_equal(value[0].numpy(), np.rot90(upright, turn))
        assert label == turn


def test_a_change_is_the_one_that_twinlens_makes(
    refs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow's affine change and twinlens's agree when the same numbers are drawn."""
    monkeypatch.setattr(random, "uniform", lambda low, high: high)  # every draw at its bound
    changed = pictures(refs, LIVELY, turns=1)[0][0].float() / 255  # [1, side, side]
    cos, sin = np.cos(0.3), np.sin(0.3)
    grown = np.exp(0.2)
    affine = torch.tensor(
        [
            [cos * grown, (0.2 * cos - sin) * grown, 2 * 0.1],
            [sin * grown, (cos + 0.2 * sin) * grown, 2 * 0.1],
        ],
        dtype=torch.float32,
    )
    with Image.open(refs[0]) as file:
        ink = 1 - torch.from_numpy(np.array(file)).float()[None, None] / 255
    expected = 1 - resample(ink, affine[None])[0]
    inner = (slice(None), slice(2, -2), slice(2, -2))  # Pillow does not blend into the paper
    assert (changed - expected)[inner].abs().max() < 0.02
    assert (changed - 1 + ink[0])[inner].abs().max() > 0.5  # and it is a change


def test_a_kept_picture_is_decoded_once(refs: list[str]) -> None:
    kept = peer.Pictures(refs, [0, 0, 1, 1, 2, 2], turns=1, augmentation=STILL, keep=True)
    first = kept[0][0]
    Path(refs[0]).unlink()
    assert torch.equal(kept[0][0], first)
    with pytest.raises(FileNotFoundError):
        pictures(refs, STILL)[0]


def test_it_learns(refs: list[str]) -> None:
    torch.manual_seed(0)
    config = load_config(
        None,
        [
            "encoder.widths=[8,8,8]",
            "encoder.dim=8",
            "modality.colour=grey",
            "modality.background=light",
        ],
    )
    network = build_siamese(config)
    before = [weight.clone() for _, weight in network.weights()]
    batches = peer.loader(pictures(refs, LIVELY), identities=6, examples=2, workers=1)
    settings = TrainConfig(steps=5, warmup_steps=1, precision="float32")
    steps = list(peer.train(network, batches, settings, loss_function=SupConLoss(temperature=0.1)))
    assert [step.pictures for step in steps] == [12] * 5
    assert all(step.seconds > 0 for step in steps)
    assert any(not torch.equal(a, b) for a, (_, b) in zip(before, network.weights(), strict=True))
