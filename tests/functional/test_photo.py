"""Changes of photos: what each does, that it stays a picture, and that it leaves others alone."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from twinlens.functional import photo

Change = Callable[..., Tensor]
CHANGES: tuple[tuple[Change, float], ...] = (
    (photo.directional_light, 0.6),
    (photo.cast_shadow, 0.7),
    (photo.blur, 0.04),
    (photo.compress, 4.0),
    (photo.occlude, 0.25),
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 6, side: tuple[int, int] = (20, 27)) -> Tensor:
    smooth = torch.rand(count, 3, 5, 5, generator=generator())
    return torch.nn.functional.interpolate(smooth, size=side, mode="bilinear").clamp(0, 1)


@pytest.mark.parametrize(("change", "strength"), CHANGES)
def test_a_changed_photo_is_a_photo(change: Change, strength: float) -> None:
    values = pictures()
    kept = values.clone()
    found = change(values, strength=strength, generator=generator())
    assert found.shape == values.shape
    assert found.min() >= 0 and found.max() <= 1
    assert torch.equal(values, kept)  # not written to
    assert (found - values).abs().amax((1, 2, 3)).min() > 0.003  # each is changed
    assert torch.equal(found, change(values, strength=strength, generator=generator()))
    other = change(values, strength=strength, generator=generator(1))
    assert not torch.equal(found, other)


def test_only_a_share_is_changed() -> None:
    values = pictures(400)
    turn = functools.partial(torch.mul, other=0.5)
    found = photo.changed(values, 0.25, generator(), turn)
    touched = (found != values).any(dim=3).any(dim=2).any(dim=1)
    assert 60 < touched.sum() < 140
    assert torch.equal(found[touched], values[touched] * 0.5)
    assert photo.changed(values, 0.0, generator(), turn) is values


def test_light_from_one_side_is_brighter_there() -> None:
    grey = torch.full((50, 1, 16, 16), 0.5)
    lit = photo.directional_light(grey, strength=0.6, generator=generator())
    across = torch.maximum(lit[:, 0, :, 0], lit[:, 0, :, -1]).mean(1)
    assert (across - lit.mean((1, 2, 3))).mean() > 0.02


def test_blur_is_scipys() -> None:
    from scipy.ndimage import gaussian_filter

    values = torch.rand(1, 1, 24, 24, generator=generator())
    found = photo.blur(values, strength=0.1, generator=generator(3))[0, 0].numpy()
    sigmas = np.linspace(0.3 * 2.4, 2.4, 200)
    errors = [
        np.abs(found - gaussian_filter(values[0, 0].numpy(), s, mode="nearest", truncate=6)).max()
        for s in sigmas
    ]
    assert min(errors) < 0.02


def test_compression_loses_about_what_jpeg_does() -> None:
    """Quality 50 is the standard's table as it stands: grey pictures through Pillow."""
    values = pictures(8, (32, 32))[:, :1] + 0.1 * torch.rand(8, 1, 32, 32, generator=generator())
    values = values.clamp(0, 1)
    mine = []
    for row in values:
        steps = photo.compress(row[None], strength=1.0, generator=generator())
        mine.append(float((steps - row[None]).square().mean()))
    theirs = []
    for row in values:
        file = io.BytesIO()
        Image.fromarray(np.uint8(row[0].numpy() * 255)).save(file, "JPEG", quality=60)
        back = np.asarray(Image.open(file), np.float64) / 255
        theirs.append(float(np.square(back - row[0].numpy()).mean()))
    assert 0.4 < np.mean(mine) / np.mean(theirs) < 2.0


def test_a_rectangle_of_one_colour_covers_a_bounded_part() -> None:
    values = torch.zeros(200, 1, 40, 40) - 1
    found = photo.occlude(values, strength=0.25, generator=generator())
    covered = (found >= 0).float().mean((1, 2, 3))
    assert covered.max() <= 0.27 and covered.min() > 0.01
    for row in found[:20]:
        assert len(row[row >= 0].unique()) == 1


def test_perspective_keeps_the_middle_and_bends_the_edges() -> None:
    field = photo.perspective_field(30, (21, 21), strength=0.2, generator=generator())
    assert field[:, 10, 10].abs().max() < 1e-6
    assert field[:, 0, 0].abs().amax(1).mean() > 0.02
    assert torch.isfinite(field).all()
