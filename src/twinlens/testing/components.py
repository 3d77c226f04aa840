"""The contract of any component, by its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twinlens.registry import Kind, Setting
from twinlens.testing.comparators import check_comparator
from twinlens.testing.contract import CheckResult
from twinlens.testing.encoders import check_encoder
from twinlens.testing.losses import check_loss
from twinlens.testing.miners import check_miner
from twinlens.testing.modalities import check_modality
from twinlens.testing.samplers import check_sampler

_CHECKS: Mapping[Kind, Callable[[str, Mapping[str, Setting] | None], list[CheckResult]]] = {
    "modality": check_modality,
    "encoder": check_encoder,
    "comparator": check_comparator,
    "loss": check_loss,
    "miner": check_miner,
    "sampler": check_sampler,
}


def check_component(
    kind: Kind, name: str, settings: Mapping[str, Setting] | None = None
) -> list[CheckResult]:
    """Check every rule of a component.

    Args:
        kind: of the component.
        name: under which it is registered.
        settings: to check it under; the rest keep their defaults.

    Raises:
        ConfigError: no such component.
    """
    return _CHECKS[kind](name, settings)
