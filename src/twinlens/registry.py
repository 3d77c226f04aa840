"""Name -> component. One decorator registers; plugins register by being imported.

A component is a class whose keyword-only arguments are its settings. Their names, types and
defaults are read from the signature, so a stranger's class gets configuration, overrides and
checked errors without another line:

    @register("loss", "my_loss")
    class MyLoss(Loss):
        def __init__(self, *, margin: float = 0.5) -> None: ...

Arguments that the framework supplies (the number of classes, the width of the input) are
positional-or-keyword and come first; settings come after the `*`.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from twinlens.errors import ConfigError, PluginError, nearest

Kind = Literal["modality", "encoder", "comparator", "loss", "miner", "sampler"]
KINDS: tuple[Kind, ...] = typing.get_args(Kind)
Setting = bool | int | float | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]

T = TypeVar("T")

_components: dict[Kind, dict[str, type[Any]]] = {kind: {} for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Component:
    """A component by name, with its settings: one table of the configuration.

    >>> Component("supcon", {"temperature": 0.1}).name
    'supcon'
    """

    name: str
    settings: Mapping[str, Setting] = field(default_factory=lambda: MappingProxyType({}))


def register(kind: Kind, name: str) -> Callable[[type[T]], type[T]]:
    """Class decorator that makes a component known under `name`.

    Raises:
        PluginError: the name is taken by another class, or a setting lacks a type or default.
    """

    def add(cls: type[T]) -> type[T]:
        known = _components[kind].get(name)
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise PluginError(
                f"A {kind} name must be new. Got {name!r}, which is {known.__module__}."
                f"{known.__qualname__}. Register {cls.__qualname__} under another name."
            )
        for setting in _parameters(cls).values():
            if setting.default is inspect.Parameter.empty:
                raise PluginError(
                    f"Every setting of a {kind} must have a default. "
                    f"Got none for {setting.name!r} of {cls.__qualname__}. Give it one."
                )
        _components[kind][name] = cls
        return cls

    return add


def names(kind: Kind) -> list[str]:
    """The registered names of a kind, sorted."""
    return sorted(_components[kind])


def lookup(kind: Kind, name: str) -> type[Any]:
    """The class registered under `name`.

    Raises:
        ConfigError: no such component; names the nearest one.
    """
    try:
        return _components[kind][name]
    except KeyError:
        raise ConfigError(
            f"{kind}.name must be a registered {kind}. Got {name!r}. {nearest(name, names(kind))}"
        ) from None


def settings_of(kind: Kind, name: str) -> dict[str, Setting]:
    """Every setting of a component with its default."""
    return {key: p.default for key, p in _parameters(lookup(kind, name)).items()}


def resolve(kind: Kind, component: Component) -> Component:
    """The same component with every setting present, checked and of its declared type.

    Raises:
        ConfigError: unknown component, unknown setting, or a value of the wrong type.
    """
    cls = lookup(kind, component.name)
    parameters = _parameters(cls)
    hints = typing.get_type_hints(cls.__init__)
    settings: dict[str, Setting] = {key: p.default for key, p in parameters.items()}
    for key, value in component.settings.items():
        if key not in parameters:
            raise ConfigError(
                f"{kind}.{key} must be a setting of {component.name!r}. "
                f"Got an unknown key. {nearest(key, parameters)}"
            )
        settings[key] = coerce(value, hints.get(key, str), f"{kind}.{key}")
    return Component(component.name, MappingProxyType(settings))


def build(kind: Kind, component: Component, *given: object, **named: object) -> Any:
    """Instantiate a component; `given` and `named` are what the framework supplies."""
    resolved = resolve(kind, component)
    return lookup(kind, component.name)(*given, **named, **resolved.settings)


def coerce(value: object, hint: Any, where: str) -> Any:
    """`value` as the type that `hint` declares, or an error that says where it is wrong.

    >>> coerce(1, float, "loss.margin")
    1.0
    """
    origin = typing.get_origin(hint)
    if origin is Literal:
        choices = typing.get_args(hint)
        if value in choices:
            return value
        raise ConfigError(f"{where} must be one of {', '.join(map(str, choices))}. Got {value!r}.")
    if origin in (typing.Union, types.UnionType):
        options = typing.get_args(hint)
        if value is None and type(None) in options:
            return None
        for option in (o for o in options if o is not type(None)):
            try:
                return coerce(value, option, where)
            except ConfigError:
                continue
    elif origin is tuple and isinstance(value, (list, tuple)):
        return tuple(coerce(item, typing.get_args(hint)[0], where) for item in value)
    elif hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif hint in (bool, int, str) and type(value) is hint:
        return value
    elif isinstance(hint, type) and isinstance(value, hint):
        return value
    expected = getattr(hint, "__name__", str(hint))
    raise ConfigError(f"{where} must be of type {expected}. Got {value!r}.")


def load_plugin(path: Path) -> list[tuple[Kind, str]]:
    """Import a plugin file and return what it registered. The file is the user's own code.

    Raises:
        PluginError: the file is missing, fails to import or registers nothing.
    """
    if not path.is_file():
        raise PluginError(f"A plugin must be a Python file. Got {path}, which is not a file.")
    module_name = f"twinlens_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"A plugin must be a Python file (.py). Got {path}.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except PluginError:
        raise
    except Exception as error:
        raise PluginError(f"The plugin {path} must import. Got {error!r}.") from error
    found = [
        (kind, name)
        for kind in KINDS
        for name, cls in _components[kind].items()
        if cls.__module__ == module_name
    ]
    if not found:
        raise PluginError(
            f"A plugin must register a component. Got none from {path}. "
            f"Decorate a class with @register(kind, name); kinds: {', '.join(KINDS)}."
        )
    return found


def load_entry_points() -> None:
    """Import every installed plugin (entry points of the group `twinlens.plugins`)."""
    for entry in entry_points(group="twinlens.plugins"):
        entry.load()


def _parameters(cls: type[Any]) -> dict[str, inspect.Parameter]:
    """The keyword-only arguments of a component: its settings."""
    signature = inspect.signature(cls.__init__)
    return {
        key: p
        for key, p in signature.parameters.items()
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    }
