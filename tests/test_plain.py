"""Dataclasses go to plain data and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from twinlens.plain import from_plain, to_plain


@dataclass(frozen=True)
class Inner:
    name: str
    value: float | None = None


@dataclass(frozen=True)
class Outer:
    first: Inner
    more: tuple[Inner, ...]
    named: Mapping[str, Inner]
    numbers: tuple[float, ...]
    maybe: Inner | None = None


def test_all_that_is_nested_comes_back() -> None:
    made = Outer(Inner("a", 1.0), (Inner("b"), Inner("c", 2.0)), {"d": Inner("d")}, (1.0, 2.0))
    assert from_plain(Outer, json.loads(json.dumps(to_plain(made)))) == made
    other = Outer(Inner("a"), (), {}, (), Inner("e"))
    assert from_plain(Outer, json.loads(json.dumps(to_plain(other)))) == other


@pytest.mark.parametrize(
    "table",
    [
        3,
        {"first": {"name": "a"}},
        {"first": 1, "more": [], "named": {}, "numbers": []},
        {"first": {"name": "a", "wrong": 1}, "more": [], "named": {}, "numbers": []},
        {"first": {"name": "a"}, "more": 7, "named": {}, "numbers": []},
    ],
)
def test_what_is_of_another_form_is_refused(table: object) -> None:
    with pytest.raises(TypeError):
        from_plain(Outer, table)
