"""Values as a file or a command line gives them -> the declared type, or a clear error."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest

from twinlens.errors import ConfigError
from twinlens.settings import coerce, is_plain, require, require_at_least, require_share


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (1, float, 1.0),
        (-2.5, float, -2.5),
        (-3, int, -3),
        (True, bool, True),
        ("", str, ""),
        ("b", Literal["a", "b"], "b"),
        (2, Literal[1, 2], 2),
        ([1, 2], tuple[int, ...], (1, 2)),
        ((), tuple[int, ...], ()),
        ([1, 2.5], tuple[float, ...], (1.0, 2.5)),
        (["x"], tuple[str, ...], ("x",)),
        (3, float | tuple[float, ...], 3.0),
        ([3], float | tuple[float, ...], (3.0,)),
    ],
)
def test_values_of_the_declared_type(value: object, hint: Any, expected: object) -> None:
    found = coerce(value, hint, "loss.x")
    assert found == expected
    assert type(found) is type(expected)
    assert coerce(found, hint, "loss.x") == expected


@pytest.mark.parametrize(
    ("value", "hint", "says"),
    [
        ("true", bool, "must be true or false. Got 'true'"),
        ("True", bool, "must be true or false"),
        (1, bool, "must be true or false. Got 1"),
        (True, int, "must be a whole number. Got True"),
        (3.0, int, "must be a whole number. Got 3.0"),
        ("3", int, "must be a whole number"),
        (True, float, "must be a number, as 0.5. Got True"),
        (".5", float, "must be a number"),
        (math.nan, float, "must be finite. Got nan"),
        (math.inf, float, "must be finite. Got inf"),
        (5, str, "must be text. Got 5"),
        (None, str, "must be text. Got None"),
        (None, float, "Got None"),
        ("1,2", tuple[int, ...], r"must be a list, as [1, 2]. Got '1,2'"),
        ([1, "x"], tuple[int, ...], "must be a whole number. Got 'x'"),
        ([[1]], tuple[int, ...], "must be a whole number. Got [1]"),
        (4, tuple[float, ...], "must be a list, as [0.5, 1.0]. Got 4"),
        (4, tuple[str, ...], 'must be a list, as ["a", "b"]'),
        ("c", Literal["a", "b"], "must be one of a, b. Got 'c'"),
        (True, Literal[1, 2], "must be one of 1, 2. Got True"),
        (1.0, Literal[1, 2], "must be one of 1, 2. Got 1.0"),
        ([1], Literal["a"], "must be one of a. Got [1]"),
        ("x", int | tuple[int, ...], "must be a whole number or a list"),
    ],
)
def test_other_values_are_refused_by_name(value: object, hint: Any, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        coerce(value, hint, "loss.x")
    assert str(error.value).startswith("loss.x ")
    assert says in str(error.value)


@pytest.mark.parametrize(
    "hint", [bool, int, float, str, Literal["a", 1], tuple[int, ...], int | tuple[str, ...]]
)
def test_what_toml_can_hold(hint: Any) -> None:
    assert is_plain(hint)


@pytest.mark.parametrize(
    "hint", [None, float | None, list[int], dict[str, int], tuple[int, int], bytes, tuple, Any]
)
def test_what_toml_cannot_hold(hint: Any) -> None:
    assert not is_plain(hint)


def test_ranges() -> None:
    require_at_least(1, {"a": 1, "b": (2, 3), "c": ()})
    require_share("d", 0.0)
    with pytest.raises(ConfigError, match=r"^b must be at least 1\. Got \(1, 0\)\.$"):
        require_at_least(1, {"a": 1, "b": (1, 0)})
    with pytest.raises(ConfigError, match=r"^a must be at least 0\. Got -0\.5\.$"):
        require_at_least(0, {"a": -0.5})
    for share in (-0.1, 1.0, math.nan):
        with pytest.raises(ConfigError, match="^d must be at least 0 and less than 1"):
            require_share("d", share)
    with pytest.raises(ConfigError, match=r"^e must be odd\. Got 2\.$"):
        require(False, "e", "odd", 2)
