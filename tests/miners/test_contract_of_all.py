"""What every registered miner keeps to."""

from __future__ import annotations

import pytest

from twinlens.miners import default_miner
from twinlens.registry import lookup, names
from twinlens.testing.contract import broken
from twinlens.testing.miners import check_miner


def test_all_of_them_are_known() -> None:
    expected = {"all_pairs", "batch_all", "batch_hard", "hard_pairs", "semi_hard"}
    assert expected <= set(names("miner"))


@pytest.mark.parametrize("name", names("miner"))
def test_the_contract(name: str) -> None:
    assert [str(result) for result in broken(check_miner(name))] == []


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("all_pairs", {"limit": 2}),
        ("batch_all", {"limit": 3}),
        ("hard_pairs", {"negatives": 50}),
        ("semi_hard", {"margin": 1000.0}),
    ],
)
def test_the_contract_under_other_settings(name: str, changed: dict[str, float]) -> None:
    assert [str(result) for result in broken(check_miner(name, changed))] == []


@pytest.mark.parametrize("consumes", ["pairs", "triplets"])
def test_the_default_miner_produces_what_the_loss_takes(consumes: str) -> None:
    assert lookup("miner", default_miner(consumes)).produces == consumes


@pytest.mark.parametrize("name", names("loss"))
def test_the_usual_miner_of_a_loss_produces_what_it_takes(name: str) -> None:
    loss = lookup("loss", name)
    if loss.usual_miner is not None:
        assert lookup("miner", loss.usual_miner).produces == loss.consumes
