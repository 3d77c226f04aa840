"""The types that a setting may have: what TOML can hold, checked."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from twinlens.errors import ConfigError


def require(holds: bool, setting: str, how: str, got: object) -> None:
    """Check the value of a setting, given by its full name.

    >>> require(2 >= 1, "encoder.dim", "at least 1", 2)

    Raises:
        ConfigError: it does not hold.
    """
    if not holds:
        raise ConfigError(f"{setting} must be {how}. Got {got!r}.")


def require_at_least(least: int, settings: Mapping[str, float | tuple[int, ...]]) -> None:
    """Check that each setting, or each number in it, is this great.

    Args:
        least: allowed value.
        settings: full name -> value.

    Raises:
        ConfigError: one is not; names it.
    """
    for name, value in settings.items():
        numbers = value if isinstance(value, tuple) else (value,)
        require(min(numbers, default=least) >= least, name, f"at least {least}", value)


def require_above_0(settings: Mapping[str, float]) -> None:
    """Check that each setting, given by its full name, is above 0.

    Raises:
        ConfigError: one is not; names it.
    """
    for name, value in settings.items():
        require(value > 0, name, "above 0", value)


def require_share(setting: str, value: float) -> None:
    """Check that a setting is a share of what may not be all of it.

    Raises:
        ConfigError: it is below 0, or 1 and more.
    """
    require(0 <= value < 1, setting, "at least 0 and less than 1", value)


def coerce(value: object, hint: Any, where: str) -> Any:
    """`value` as the type that `hint` declares, or an error that says where it is wrong.

    >>> coerce(1, float, "loss.margin")
    1.0
    """
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        for choice in options:
            if type(value) is type(choice) and value == choice:
                return choice
        raise ConfigError(f"{where} must be one of {', '.join(map(str, options))}. Got {value!r}.")
    if origin in (typing.Union, types.UnionType):
        for option in options:
            try:
                return coerce(value, option, where)
            except ConfigError:
                continue
    elif origin is tuple and isinstance(value, (list, tuple)):
        return tuple(coerce(item, options[0], where) for item in value)
    elif hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ConfigError(f"{where} must be finite. Got {value!r}.")
        return float(value)
    elif hint in (bool, int, str) and type(value) is hint:
        return value
    raise ConfigError(f"{where} must be {_in_words(hint)}. Got {value!r}.")


def is_plain(hint: Any) -> bool:
    """Whether TOML can hold every value of this type; it has no None."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return all(isinstance(choice, (bool, int, str)) for choice in inner)
    if origin in (typing.Union, types.UnionType):
        return all(map(is_plain, inner))
    if origin is tuple:
        return len(inner) == 2 and inner[1] is Ellipsis and is_plain(inner[0])
    return hint in (bool, int, float, str)


def _in_words(hint: Any) -> str:
    """How a value of a type is written.

    >>> _in_words(tuple[int, ...])
    'a list, as [1, 2]'
    """
    inner = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(map(_in_words, inner))
    if typing.get_origin(hint) is tuple:
        return {int: "a list, as [1, 2]", float: "a list, as [0.5, 1.0]"}.get(
            inner[0], 'a list, as ["a", "b"]'
        )
    return {
        bool: "true or false",
        int: "a whole number",
        float: "a number, as 0.5",
        str: "text",
    }.get(hint, str(hint))
