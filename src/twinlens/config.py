"""TOML -> frozen dataclasses -> TOML, with overrides and nearest-name errors.

The resolved configuration holds every value that training used: nothing is read from a global,
an environment variable or a default hidden deep in a function. It is written into the bundle.
"""

from __future__ import annotations

import dataclasses
import tomllib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import tomli_w

from twinlens.errors import ConfigError, nearest
from twinlens.registry import Component, Kind, coerce, resolve


@dataclass(frozen=True, slots=True)
class DataConfig:
    """How examples are read and split.

    Attributes:
        group: which folder level names the group (an alphabet, a session): "auto" takes the
            outer level when every identity lies exactly two levels deep, "none" ignores it,
            "column" takes the manifest's group column. Groups stay whole in a split.
        validation_share: share of identities (or groups) that choose when to stop.
        test_share: share kept unseen by training and choosing, for the evidence.
        cache: folder of decoded arrays; "" puts it into the user's cache folder.
    """

    group: Literal["auto", "none"] = "auto"
    validation_share: float = 0.1
    test_share: float = 0.1
    cache: str = ""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """The loop.

    Attributes:
        steps: gradient steps at most.
        max_minutes: stop after this many minutes of training; 0 = no limit. A limit by the
            clock shortens the learning-rate schedule as it nears, so it still ends cooled
            down; but the steps taken then depend on the machine, so no two runs are alike.
        learning_rate: peak; warmed up linearly over warmup_steps, then `schedule`.
        weight_decay: decoupled, on matrices and kernels only (AdamW).
        ema: decay of the exponential moving average of the weights that is saved; 0 = off.
        precision: "auto" measures bf16 autocast against float32 and takes the faster.
        validate_every: steps between validations (each also saves a checkpoint).
        patience: validations without improvement before stopping; 0 = never stop early.
        log_every: steps a log line covers.
    """

    steps: int = 3000
    max_minutes: float = 0.0
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup_steps: int = 100
    schedule: Literal["cosine", "constant"] = "cosine"
    ema: float = 0.995
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    validate_every: int = 250
    patience: int = 0
    log_every: int = 25
    gradient_clip: float = 0.0


@dataclass(frozen=True, slots=True)
class Config:
    """All that decides a training run. See each component for its own settings."""

    seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    modality: Component = field(default_factory=lambda: Component("image"))
    encoder: Component = field(default_factory=lambda: Component("convnet"))
    comparator: Component = field(default_factory=lambda: Component("cosine"))
    loss: Component = field(default_factory=lambda: Component("supcon"))
    miner: Component = field(default_factory=lambda: Component("auto"))
    sampler: Component = field(default_factory=lambda: Component("auto"))
    train: TrainConfig = field(default_factory=TrainConfig)


_KINDS: tuple[Kind, ...] = ("modality", "encoder", "comparator", "loss", "miner", "sampler")


def load_config(path: Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Read a TOML file (or start from the defaults) and apply `a.b=c` overrides.

    Raises:
        ConfigError: unreadable file, unknown key, or a value of the wrong type.
    """
    table: dict[str, Any] = {}
    if path is not None:
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(
                f"The configuration must be a readable file. Got {path}: {error.strerror}."
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"The configuration must be TOML. Got {path}: {error}.") from error
    for override in overrides:
        _apply(table, override)
    return from_table(table)


def from_table(table: Mapping[str, Any]) -> Config:
    """A checked `Config` from plain nested dictionaries; components get all their settings.

    Raises:
        ConfigError: unknown key or a value of the wrong type.
    """
    config = _dataclass(Config, table, "")
    return resolved(config)


def resolved(config: Config) -> Config:
    """The same configuration with every setting of every component filled in and checked.

    "auto" for miner and sampler stays: training replaces it once it has seen the data, by a
    component or, where no miner is wanted, by "none".
    """
    changes = {
        kind: resolve(kind, component)
        for kind in _KINDS
        if (component := getattr(config, kind)).name not in ("auto", "none")
    }
    return dataclasses.replace(config, **changes)


def to_table(config: Config) -> dict[str, Any]:
    """Plain nested dictionaries, ready for TOML or JSON."""
    return {f.name: _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}


def dump_config(config: Config) -> str:
    """The configuration as TOML.

    >>> from_table(tomllib.loads(dump_config(Config(seed=7)))).seed  # doctest: +SKIP
    7
    """
    return tomli_w.dumps(to_table(config))


def _plain(value: Any) -> Any:
    if isinstance(value, Component):
        return {"name": value.name, **{k: _plain(v) for k, v in value.settings.items()}}
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _dataclass(cls: type[Any], table: Mapping[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(cls)
    known = {f.name for f in dataclasses.fields(cls)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        path = f"{where}{key}"
        if key not in known:
            raise ConfigError(f"{path} must be a known setting. {nearest(key, known)}")
        values[key] = _value(hints[key], value, path)
    return cls(**values)


def _value(hint: Any, value: Any, where: str) -> Any:
    if hint is Component:
        if isinstance(value, str):  # --set loss=triplet
            return Component(value)
        default = typing.cast(Component, getattr(Config(), where)).name
        if not isinstance(value, Mapping) or not isinstance(value.get("name", default), str):
            raise ConfigError(f"{where} must be a table with a name. Got {value!r}.")
        settings = {key: item for key, item in value.items() if key != "name"}
        return Component(value.get("name", default), settings)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} must be a table. Got {value!r}.")
        return _dataclass(typing.cast(type[Any], hint), value, f"{where}.")
    return coerce(value, hint, where)


def _apply(table: dict[str, Any], override: str) -> None:
    """Set one dotted key: the value is TOML, or a bare string."""
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ConfigError(f"--set must read a.b=c. Got {override!r}.")
    try:
        value = tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = key.strip().split(".")
    place = table
    for parent in parents:
        inner = place.setdefault(parent, {})
        if isinstance(inner, str) and parent in _KINDS:
            inner = place[parent] = {"name": inner}
        if not isinstance(inner, dict):
            raise ConfigError(f"{key} must lie in a table, but {parent} is {inner!r}.")
        place = inner
    if last == "name" or not parents:
        held = place.get(last)
        if isinstance(held, dict) and isinstance(value, str):
            held["name"] = value
            return
    place[last] = value
