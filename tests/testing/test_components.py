from __future__ import annotations

import pytest

from twinlens import registry
from twinlens.errors import ConfigError
from twinlens.testing import broken, check_component


def test_any_component_is_checked_by_its_kind() -> None:
    kinds: list[tuple[registry.Kind, str]] = [
        ("modality", "image"),
        ("encoder", "mlp"),
        ("comparator", "cosine"),
        ("loss", "supcon"),
        ("miner", "semi_hard"),
        ("sampler", "pairs"),
    ]
    assert {kind for kind, _ in kinds} == set(registry.KINDS)
    for kind, name in kinds:
        results = check_component(kind, name)
        assert results and {(result.kind, result.name) for result in results} == {(kind, name)}
        assert broken(results) == []
    with pytest.raises(ConfigError):
        check_component("loss", "pairs")
