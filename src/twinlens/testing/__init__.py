"""Contract suites that every component of a kind must pass, for plugin authors too.

`twinlens check FILE` runs them over a plugin; in a plugin's own tests one line does:
`assert broken(check_encoder("my_encoder")) == []`.
"""

from twinlens.testing.comparators import check_comparator
from twinlens.testing.components import check_component
from twinlens.testing.contract import Broken, CheckResult, broken, check_rules
from twinlens.testing.encoders import check_encoder
from twinlens.testing.losses import check_loss
from twinlens.testing.miners import check_miner
from twinlens.testing.modalities import check_modality
from twinlens.testing.samplers import check_sampler

__all__ = [
    "Broken",
    "CheckResult",
    "broken",
    "check_comparator",
    "check_component",
    "check_encoder",
    "check_loss",
    "check_miner",
    "check_modality",
    "check_rules",
    "check_sampler",
]
