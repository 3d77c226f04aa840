from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from drawings import write_glyphs
from twinlens.errors import ConfigError
from twinlens.modalities import Image
from twinlens.modalities.base import Modality
from twinlens.registry import settings_of
from twinlens.testing import broken, check_modality


def settled(refs: list[Path]) -> dict[str, object]:
    return dict(Image.settle(settings_of("modality", "image"), [str(ref) for ref in refs]))


def test_ink_on_paper_is_grey_light_and_may_be_turned(tmp_path: Path) -> None:
    write_glyphs(tmp_path, 2, 2)
    found = settled(sorted(tmp_path.rglob("*.png")))
    assert (found["colour"], found["background"], found["turned_classes"]) == (
        "grey",
        "light",
        "on",
    )


def test_photos_keep_their_colour_and_are_not_turned(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (12, 12, 3)).astype(np.uint8)
    Pillow.fromarray(noise).save(tmp_path / "a.png")
    found = settled([tmp_path / "a.png"])
    assert (found["colour"], found["background"], found["turned_classes"]) == (
        "rgb",
        "photo",
        "off",
    )


def test_what_was_chosen_is_not_settled_again(tmp_path: Path) -> None:
    write_glyphs(tmp_path, 1, 1)
    settings = {**settings_of("modality", "image"), "colour": "rgb", "background": "dark"}
    refs = [str(path) for path in tmp_path.rglob("*.png")]
    found = Image.settle(settings, refs)
    assert (found["colour"], found["background"]) == ("rgb", "dark")


@pytest.mark.parametrize(("background", "white", "black"), [("light", 0, 1), ("dark", 1, 0)])
def test_the_background_is_zero(background: str, white: float, black: float) -> None:
    modality = Image(background=background)  # type: ignore[arg-type]
    values = modality.normalise(torch.tensor([[[[255, 0]]]], dtype=torch.uint8))
    assert values.flatten().tolist() == [white, black]


def test_photos_are_centred() -> None:
    values = Image(background="photo").normalise(torch.tensor([[[[0, 255]]]], dtype=torch.uint8))
    assert values.flatten().tolist() == [-2, 2]


def test_augmentation_depends_on_the_generator_alone_and_keeps_shapes() -> None:
    modality = Image(flip=0.5, stroke_width=0.5, background="light")
    values = torch.rand(6, 1, 32, 32)
    changed = [
        modality.augment(values.clone(), None, torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    ]
    assert changed[0].shape == values.shape
    assert torch.equal(changed[0], changed[1])
    assert not torch.equal(changed[0], changed[2])


@pytest.mark.parametrize("background", ["light", "photo"])
def test_augmentation_leaves_the_padding_empty(background: str) -> None:
    modality = Image(fit="native", background=background, flip=0.5, stroke_width=0.5)  # type: ignore[arg-type]
    mask = torch.zeros(2, 12, 12, dtype=torch.bool)
    mask[:, :8, :9] = True
    values = torch.rand(2, 1, 12, 12) * mask[:, None]
    changed = modality.augment(values, mask, torch.Generator().manual_seed(0))
    assert changed[~mask[:, None].expand_as(changed)].abs().max() == 0


def test_turned_classes_are_quarter_turns_or_mirrorings_of_frames() -> None:
    assert Image(turned_classes="on").variants == 4
    assert Image(turned_classes="off").variants == 1
    assert Image(turned_classes="on", fit="native").variants == 1
    x = torch.arange(2 * 3 * 4.0).reshape(2, 1, 3, 4)
    wide = Image(turned_classes="on", size=3, width=4)
    assert wide.variants == 4
    for kind, axes in enumerate(((), (3,), (2,), (2, 3))):
        varied = wide.vary(x, torch.tensor([0, kind]))
        assert torch.equal(varied[0], x[0])
        assert torch.equal(varied[1], x.flip(axes)[1])


def test_augmentation_does_not_change_the_fingerprint_but_preparation_does() -> None:
    plain = Image().fingerprint()
    assert Image(rotation_deg=40, flip=0.5).fingerprint() == plain
    assert Image(size=28).fingerprint() != plain
    assert Image(background="light").fingerprint() != Image(background="dark").fingerprint()


def test_collate_pads_at_the_end_and_masks() -> None:
    modality: Modality = Image(fit="native")
    batch = modality.collate([np.full((1, 2, 3), 7, np.uint8), np.full((1, 4, 1), 9, np.uint8)])
    assert batch.values.shape == (2, 1, 4, 3)
    assert batch.mask is not None
    assert batch.mask.sum((1, 2)).tolist() == [6, 4]
    assert (batch.values[:, 0][~batch.mask] == 0).all()
    assert modality.collate([np.zeros((1, 2, 2), np.uint8)] * 2).mask is None


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"fit": "native"},
        {"fit": "native", "background": "photo", "flip": 0.5},
        {"fit": "pad", "background": "dark", "colour": "rgb", "turned_classes": "off"},
        {"fit": "native", "stroke_width": 0.5, "elastic": 0.0},
    ],
)
def test_the_contract(changed: dict[str, Any]) -> None:
    assert [str(result) for result in broken(check_modality("image", changed))] == []


@pytest.mark.parametrize("background", ["light", "dark", "photo"])
def test_floats_are_not_written_to(background: Any) -> None:
    values = torch.full((1, 1, 2, 2), 51.0)
    Image(background=background).normalise(values)
    assert (values == 51).all()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"size": 0}, "modality.size must be at least 1. Got 0"),
        ({"max_side": -1}, "modality.max_side"),
        ({"rotation_deg": -5.0}, "modality.rotation_deg must be at least 0. Got -5.0"),
        ({"flip": 2.0}, "modality.flip must be between 0 and 1. Got 2.0"),
    ],
)
def test_settings_out_of_range_are_refused(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Image(**changed)
