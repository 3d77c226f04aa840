"""Each rule is checked apart, and a broken one says what to change."""

from __future__ import annotations

from twinlens.testing.contract import Broken, broken, check_rules


def holds() -> None:
    return None


def breaks() -> None:
    raise Broken("Got 2. Return 1.")


def fails() -> None:
    raise RuntimeError("shapes differ")


def test_every_rule_is_checked_whatever_became_of_the_others() -> None:
    results = check_rules("miner", "mine", {"a": breaks, "b": fails, "c": holds})
    assert [result.holds for result in results] == [False, False, True]
    assert [result.rule for result in broken(results)] == ["a", "b"]


def test_the_message_tells_what_was_seen() -> None:
    first, second = check_rules("miner", "mine", {"a": breaks, "b": fails})
    assert first.message == "Got 2. Return 1."
    assert "RuntimeError: shapes differ" in second.message
    assert str(first) == "miner 'mine': a: BROKEN: Got 2. Return 1."


def test_a_rule_that_holds_says_so() -> None:
    (result,) = check_rules("loss", "mine", {"a": holds})
    assert result.message == ""
    assert str(result) == "loss 'mine': a: holds"
