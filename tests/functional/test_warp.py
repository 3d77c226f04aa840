from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from twinlens.functional import warp


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def still(count: int) -> torch.Tensor:
    return torch.eye(2, 3).repeat(count, 1, 1)


def test_the_identity_map_changes_nothing() -> None:
    x = torch.rand(3, 2, 9, 7)
    torch.testing.assert_close(warp.resample(x, still(3)), x, atol=1e-5, rtol=1e-5)


def test_no_freedom_gives_the_identity() -> None:
    maps = warp.random_affine(
        5, rotation_rad=0, log_scale=0, shear=0, shift=0, generator=generator()
    )
    torch.testing.assert_close(maps, still(5))


def test_a_quarter_turn_by_the_affine_map_is_rot90() -> None:
    x = torch.rand(1, 1, 8, 8)
    angle = math.pi / 2
    turn = torch.tensor(
        [[[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0]]]
    )
    torch.testing.assert_close(warp.resample(x, turn), torch.rot90(x, 1, (2, 3)), atol=1e-5, rtol=0)


def test_a_masked_picture_is_warped_as_if_it_were_alone() -> None:
    x = torch.rand(1, 1, 10, 14)
    canvas = torch.zeros(1, 1, 16, 20)
    canvas[:, :, :10, :14] = x
    mask = torch.zeros(1, 16, 20, dtype=torch.bool)
    mask[:, :10, :14] = True
    maps = warp.random_affine(
        1, rotation_rad=0.4, log_scale=0.2, shear=0.2, shift=0.1, generator=generator()
    )
    alone = warp.resample(x, maps)
    padded = warp.resample(canvas, maps, mask=mask)
    torch.testing.assert_close(padded[:, :, :10, :14], alone, atol=1e-4, rtol=0)
    assert padded[:, :, 10:].abs().max() == 0
    assert padded[:, :, :, 14:].abs().max() == 0


def test_the_same_generator_state_gives_the_same_change() -> None:
    fields = [
        warp.elastic_field(4, (8, 8), strength=0.1, knots=5, generator=generator(seed))
        for seed in (1, 1, 2)
    ]
    assert torch.equal(fields[0], fields[1])
    assert not torch.equal(fields[0], fields[2])
    assert fields[0].shape == (4, 8, 8, 2)


def test_elastic_strength_is_its_deviation_at_a_knot() -> None:
    field = warp.elastic_field(4000, (5, 5), strength=0.2, knots=5, generator=generator())
    assert field.std().item() == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_quarter_turns(turns: int) -> None:
    x = torch.rand(4, 1, 6, 6)
    turned = warp.quarter_turns(x, torch.tensor([0, turns, 0, turns]))
    assert torch.equal(turned[0], x[0])
    assert torch.equal(turned[1], torch.rot90(x[1], turns, (1, 2)))


def test_mirror_stays_within_the_mask() -> None:
    x = torch.zeros(1, 1, 1, 5)
    x[0, 0, 0, :3] = torch.tensor([1.0, 2.0, 3.0])
    mask = torch.tensor([[[True, True, True, False, False]]])
    mirrored = warp.mirror(x, mask, share=1.0, generator=generator())
    assert mirrored.flatten().tolist() == [3, 2, 1, 0, 0]
    assert torch.equal(warp.mirror(x, mask, share=0.0, generator=generator()), x)


def test_stroke_width_moves_between_erosion_and_dilation() -> None:
    x = (torch.rand(64, 1, 12, 12) > 0.7).float()
    changed = warp.change_stroke_width(x, share=1.0, generator=generator())
    thick, thin = F.max_pool2d(x, 3, 1, 1), -F.max_pool2d(-x, 3, 1, 1)
    assert (changed <= thick + 1e-6).all()
    assert (changed >= thin - 1e-6).all()
    thicker = changed.sum((1, 2, 3)) > x.sum((1, 2, 3))
    assert 0.2 < thicker.float().mean() < 0.8
    assert torch.equal(warp.change_stroke_width(x, share=0.0, generator=generator()), x)


def test_light_keeps_the_mean_when_only_contrast_changes() -> None:
    x = torch.rand(5, 3, 6, 6)
    changed = warp.change_light(x, brightness=0.0, contrast=0.5, generator=generator())
    torch.testing.assert_close(changed.mean((1, 2, 3)), x.mean((1, 2, 3)))
    assert not torch.allclose(changed, x)
