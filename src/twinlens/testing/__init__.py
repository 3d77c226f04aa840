"""Contract suites that every component of a kind must pass, for plugin authors too.

from twinlens.testing import broken, check_encoder

def test_contract() -> None:
    assert broken(check_encoder("my_encoder")) == []
"""

from twinlens.testing.contract import Broken, CheckResult, broken, check_rules

__all__ = ["Broken", "CheckResult", "broken", "check_rules"]
