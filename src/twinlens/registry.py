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

import hashlib
import importlib.util
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from twinlens.errors import ConfigError, PluginError, nearest
from twinlens.settings import coerce, is_plain

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
        PluginError: the name is taken by another class, a setting lacks a type or default, or has
            one that a configuration file cannot hold.
    """

    def add(cls: type[T]) -> type[T]:
        if name in ("auto", "none"):
            raise PluginError(f'A {kind} must not be named "auto" or "none". Got {name!r}.')
        known = _components[kind].get(name)
        # The same class again is a file that was imported again.
        if known is not None and _origin(known) != _origin(cls):
            raise PluginError(
                f"A {kind} name must be new. Got {name!r}, which is {known.__module__}."
                f"{known.__qualname__}. Register {cls.__qualname__} under another name."
            )
        for setting in _parameters(cls).values():
            _check_setting(kind, cls, setting)
        _components[kind][name] = cls
        return cls

    return add


def source_of(cls: type[object]) -> str:
    """The code of a component that is not twinlens's own, so that its fingerprint follows it.

    What comes with the package is told apart by its version.
    """
    if cls.__module__.startswith("twinlens."):
        return ""
    try:
        return inspect.getsource(cls)
    except (OSError, TypeError):  # typed at a prompt
        return cls.__qualname__


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
    hints = _hints(cls)
    settings: dict[str, Setting] = {key: p.default for key, p in parameters.items()}
    for key, value in component.settings.items():
        if key not in parameters:
            raise ConfigError(
                f"{kind}.{key} must be a setting of {component.name!r}. "
                f"Got an unknown key. {nearest(key, parameters)}"
            )
        settings[key] = coerce(value, hints[key], f"{kind}.{key}")
    return Component(component.name, MappingProxyType(settings))


def build(kind: Kind, component: Component, *given: object, **named: object) -> Any:
    """Instantiate a component; `given` and `named` are what the framework supplies."""
    resolved = resolve(kind, component)
    return lookup(kind, component.name)(*given, **named, **resolved.settings)


def load_plugin(path: Path) -> list[tuple[Kind, str]]:
    """Import a plugin file and return what it registered. The file is the user's own code.

    Raises:
        PluginError: the file is missing, fails to import or registers nothing.
    """
    if not path.is_file():
        raise PluginError(f"A plugin must be a Python file. Got {path}, which is not a file.")
    # Two files of one name are two modules.
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    module_name = f"twinlens_plugin_{path.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"A plugin must be a Python file (.py). Got {path}.")
    module = importlib.util.module_from_spec(spec)
    before: dict[Kind, dict[str, type[Any]]] = {
        kind: dict(known) for kind, known in _components.items()
    }
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        _components.update(before)  # nothing of a plugin that failed stays
        del sys.modules[module_name]
        if isinstance(error, PluginError):
            raise
        raise PluginError(
            f"The plugin {path} must import. Got {type(error).__name__}: {error}. Correct it."
        ) from error
    found: list[tuple[Kind, str]] = [
        (kind, name)
        for kind in KINDS
        for name, cls in _components[kind].items()
        if before[kind].get(name) is not cls or cls.__module__ == module_name
    ]
    if not found:
        raise PluginError(
            f"A plugin must register a component. Got none from {path}. "
            f"Decorate a class with @register(kind, name); kinds: {', '.join(KINDS)}."
        )
    return found


def load_entry_points() -> None:
    """Import every installed plugin (entry points of the group `twinlens.plugins`).

    Raises:
        PluginError: one fails to import; names it.
    """
    for entry in entry_points(group="twinlens.plugins"):
        try:
            entry.load()
        except PluginError:
            raise
        except Exception as error:
            raise PluginError(
                f"The installed plugin {entry.name!r} ({entry.value}) must import. "
                f"Got {type(error).__name__}: {error}. Upgrade or uninstall its package."
            ) from error


def _parameters(cls: type[Any]) -> dict[str, inspect.Parameter]:
    """The keyword-only arguments of a component: its settings."""
    signature = inspect.signature(cls.__init__)
    return {
        key: p
        for key, p in signature.parameters.items()
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    }


def _hints(cls: type[Any]) -> dict[str, Any]:
    """The declared type of each argument of a component."""
    try:
        return typing.get_type_hints(cls.__init__)
    except NameError as error:
        raise PluginError(
            f"The types of {cls.__qualname__}'s arguments must be known when it is defined. "
            f"Got an error: {error}. Import them, also outside of TYPE_CHECKING."
        ) from error


def _origin(cls: type[Any]) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__


def _check_setting(kind: Kind, cls: type[Any], setting: inspect.Parameter) -> None:
    """Raises:
    PluginError: a configuration file could not hold the setting.
    """
    what = f"{setting.name!r} of {cls.__qualname__}"
    if setting.name == "name":
        raise PluginError(f'No setting may be called "name". Got one in {cls.__qualname__}.')
    if setting.default is inspect.Parameter.empty:
        raise PluginError(
            f"Every setting of a {kind} must have a default. Got none for {what}. Give it one."
        )
    hint = _hints(cls).get(setting.name)
    if hint is None or not is_plain(hint):
        raise PluginError(
            f"Every setting of a {kind} must be typed bool, int, float, str, a Literal or a tuple "
            f"of those with ..., which TOML can hold. Got {hint} for {what}. Change its type."
        )
    try:
        coerce(setting.default, hint, setting.name)
    except ConfigError as error:
        raise PluginError(
            f"A default must be of the declared type. Got {what}: {error} Change one of them."
        ) from error
