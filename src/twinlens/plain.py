"""Frozen dataclasses <-> plain data that JSON can hold, in one place."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Dataclasses become dictionaries, tuples lists; whatever they hold alike."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in typing.cast(Sequence[Any], value)]
    return value


def from_plain(cls: type[T], data: Any) -> T:
    """What `to_plain` gave, as the dataclass that it was.

    Numbers, texts and mappings are taken as they are; what is nested is built by its type hints.

    Raises:
        TypeError: a key is unknown or missing, or something nested is of another form.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Point:
    ...     at: tuple[float, ...]
    >>> from_plain(Point, to_plain(Point((1.0, 2.0))))
    Point(at=(1.0, 2.0))
    """
    if not isinstance(data, Mapping):
        raise TypeError(f"{cls.__name__} must be an object")
    hints = typing.get_type_hints(cls)
    table = typing.cast(Mapping[str, Any], data)
    return cls(**{key: _built(hints.get(key), item) for key, item in table.items()})


def _built(hint: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_plain(hint, value)
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        inner = next((a for a in arguments if a is not type(None)), None)
        return None if value is None else _built(inner, value)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise TypeError("a list must be a list")
        return tuple(_built(arguments[0], item) for item in typing.cast(Sequence[Any], value))
    if typing.get_origin(hint) is not None and len(arguments) == 2 and isinstance(value, Mapping):
        table = typing.cast(Mapping[str, Any], value)
        return {key: _built(arguments[1], item) for key, item in table.items()}
    return value
