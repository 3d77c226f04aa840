from __future__ import annotations

import pytest
import torch

from twinlens.comparators import Aligned
from twinlens.encoders import Weighed
from twinlens.errors import ConfigError
from twinlens.testing import broken, check_encoder


@pytest.mark.parametrize("mirrors", [False, True])
def test_the_contract(mirrors: bool) -> None:
    settings = {"steps": 4, "mirrors": mirrors}
    assert [str(result) for result in broken(check_encoder("weighed", settings))] == []


def test_channels_are_weighed_moment_by_moment() -> None:
    encoder = Weighed(2, (2, 3), steps=3)
    with torch.no_grad():
        encoder.log_weight.copy_(torch.tensor([0.0, 2.0]).log().clamp(min=-30))
    values = torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])
    assert encoder(values)[0].tolist() == pytest.approx([0, 8, 0, 10, 0, 12], abs=1e-6)


def test_no_steps_are_refused() -> None:
    with pytest.raises(ConfigError, match="encoder.steps"):
        Weighed(2, (2, 3), steps=0)


def test_a_level_is_what_aligning_with_mirror_images_costs() -> None:
    """Told outside of training only; small where a series is flat."""
    encoder = Weighed(2, (2, 12), steps=6, mirrors=True).eval()
    torch.manual_seed(0)
    values = torch.randn(3, 2, 12)
    values[2] *= 0.01
    made, plain = encoder(values), Weighed(2, (2, 12), steps=6)(values)
    assert encoder.level == "manhattan"
    assert made.shape == (3, encoder.dim) == (3, 6 * 2 + 1)
    torch.testing.assert_close(made[:, encoder.learned], plain)
    aligned = Aligned(12, steps=6, cost="manhattan")
    mirrored = [plain.view(3, 6, 2).flip(1).flatten(1), -plain]
    mirrored.append(-mirrored[0])
    costs = -torch.stack([aligned.paired(plain, one) for one in mirrored])
    torch.testing.assert_close(made[:, 12], costs.mean(0))
    assert made[2, 12] < 0.1 * made[:2, 12].min()
    assert torch.equal(encoder.train()(values)[:, 12], torch.ones(3))
