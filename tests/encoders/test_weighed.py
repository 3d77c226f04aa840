from __future__ import annotations

import pytest
import torch

from twinlens.encoders import Weighed
from twinlens.errors import ConfigError
from twinlens.testing import broken, check_encoder


def test_the_contract() -> None:
    assert [str(result) for result in broken(check_encoder("weighed", {"steps": 4}))] == []


def test_channels_are_weighed_moment_by_moment() -> None:
    encoder = Weighed(2, (2, 3), steps=3)
    with torch.no_grad():
        encoder.log_weight.copy_(torch.tensor([0.0, 2.0]).log().clamp(min=-30))
    values = torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])
    assert encoder(values)[0].tolist() == pytest.approx([0, 8, 0, 10, 0, 12], abs=1e-6)


def test_no_steps_are_refused() -> None:
    with pytest.raises(ConfigError, match="encoder.steps"):
        Weighed(2, (2, 3), steps=0)
