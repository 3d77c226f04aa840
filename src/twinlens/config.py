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

from twinlens import presets
from twinlens.errors import ConfigError, nearest
from twinlens.registry import KINDS, Component, Kind, resolve
from twinlens.settings import coerce, require, require_at_least, require_share

Side = Literal["train", "validation", "calibration", "test"]
"""What a part of the data is for."""


@dataclass(frozen=True, slots=True)
class DataConfig:
    """How examples are read and split.

    Attributes:
        group: whether examples have groups (alphabets, sessions), which stay whole in a split:
            "auto" takes the outer folder when every identity lies exactly two levels deep, and
            the group column of a table; "none" ignores both.
        validation_share: share of identities (or groups) that choose when to stop.
        calibration_share: share on which probabilities and thresholds are fitted.
        test_share: share kept unseen by all of these, for the evidence.
        cache: folder of decoded arrays; "" puts it into the user's cache folder.
    """

    group: Literal["auto", "none"] = "auto"
    validation_share: float = 0.1
    calibration_share: float = 0.1
    test_share: float = 0.1
    cache: str = ""

    def __post_init__(self) -> None:
        for name in ("validation_share", "calibration_share", "test_share"):
            require_share(f"data.{name}", getattr(self, name))

    def shares(self, kind: str) -> dict[Side, float]:
        """The share of each side of a split of a data set of this kind.

        Triplets tell which of two is more alike, not what is the same: nothing is calibrated on
        them, and no share is kept for it.
        """
        calibration = 0.0 if kind == "triplets" else self.calibration_share
        return {
            "validation": self.validation_share,
            "calibration": calibration,
            "test": self.test_share,
        }


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """The loop.

    Attributes:
        steps: gradient steps at most.
        max_minutes: stop after this many minutes of training; 0 = no limit. A limit by the
            clock shortens the learning-rate schedule as it nears, so it still ends cooled
            down; but the steps taken then depend on the machine, so no two runs are alike.
        learning_rate: peak of the learning rate.
        warmup_steps: steps in which the learning rate rises to its peak, linearly.
        schedule: of the learning rate after that.
        weight_decay: decoupled, on matrices and kernels only (AdamW).
        ema: decay of the exponential moving average of the weights that is saved; 0 = off.
        device: where it is trained; "auto" = "cuda" where PyTorch finds a GPU, else "cpu". Inputs
            are changed at random (augmentation) there, too, and a GPU draws other numbers than a
            processor. Its sums may come in another order, and convolutions may round to TF32: two
            trainings on it are alike, not equal bit by bit.
        precision: "auto" measures bf16 autocast against float32 and takes the faster.
        validate_every: steps between validations (each also saves a checkpoint).
        patience: validations without improvement before stopping; 0 = never stop early.
        log_every: steps a log line covers.
        gradient_clip: largest norm of the gradient; 0 = any.
        chunk: examples that pass through the encoder at once; 0 = the whole batch. The gradient is
            that of the whole batch all the same, in the memory of a small one, for one more
            forward pass.
    """

    steps: int = 3000
    max_minutes: float = 0.0
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup_steps: int = 100
    schedule: Literal["cosine", "constant"] = "cosine"
    ema: float = 0.995
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    validate_every: int = 250
    patience: int = 0
    log_every: int = 25
    gradient_clip: float = 0.0
    chunk: int = 0

    def __post_init__(self) -> None:
        counts = ("steps", "validate_every", "log_every")
        require_at_least(1, {f"train.{name}": getattr(self, name) for name in counts})
        others = (
            "max_minutes",
            "weight_decay",
            "warmup_steps",
            "patience",
            "gradient_clip",
            "chunk",
        )
        require_at_least(0, {f"train.{name}": getattr(self, name) for name in others})
        require(self.learning_rate > 0, "train.learning_rate", "above 0", self.learning_rate)
        require_share("train.ema", self.ema)


@dataclass(frozen=True, slots=True)
class CalibrationConfig:
    """What is fitted on the identities kept for it, once training has ended.

    Attributes:
        fmr: false match rates to promise; a threshold is sought for each.
        fnmr: false non-match rates to promise, if any: "different" is then answered below a
            threshold with such a promise only.
        confidence: of all these promises together.
        prior: share of matches among the comparisons to be made; probabilities depend on it.
        references: numbers of reference examples that an input may be compared with.
        combine: how the scores against several references become one; "relative" is their mean
            less how alike the references are to one another.
        normalise: scores against a cohort of other identities before anything is made of them:
            by the reference's (z), the questioned one's (t), both (s), or both and the most alike
            of the cohort only (adaptive_s). Training takes the cohort from its own identities;
            `twinlens calibrate` from --cohort, or as the model has it.
    """

    fmr: tuple[float, ...] = (0.01,)
    fnmr: tuple[float, ...] = ()
    confidence: float = 0.95
    prior: float = 0.5
    references: tuple[int, ...] = (1,)
    combine: Literal["mean", "max", "median", "relative"] = "mean"
    normalise: Literal["none", "z", "t", "s", "adaptive_s"] = "none"

    def __post_init__(self) -> None:
        require(len(self.fmr) > 0, "calibration.fmr", "at least one rate", self.fmr)
        for name in ("fmr", "fnmr"):
            for rate in getattr(self, name):
                require(0 < rate < 1, f"calibration.{name}", "rates between 0 and 1", rate)
        for name in ("confidence", "prior"):
            value = getattr(self, name)
            require(0 < value < 1, f"calibration.{name}", "between 0 and 1", value)
        require(len(self.references) > 0, "calibration.references", "at least one number", ())
        for count in self.references:
            require(count >= 1, "calibration.references", "numbers of at least 1", count)


@dataclass(frozen=True, slots=True)
class Config:
    """All that decides a training run. See each component for its own settings."""

    seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    modality: Component = field(default_factory=lambda: Component("image"))
    encoder: Component = field(default_factory=lambda: Component("convnet"))
    comparator: Component = field(default_factory=lambda: Component("cosine"))
    loss: Component = field(default_factory=lambda: Component("auto"))
    miner: Component = field(default_factory=lambda: Component("auto"))
    sampler: Component = field(default_factory=lambda: Component("auto"))
    train: TrainConfig = field(default_factory=TrainConfig)
    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)

    def __post_init__(self) -> None:
        require(0 <= self.seed < 2**63, "seed", "between 0 and 2^63 - 1", self.seed)


_LEFT_OPEN = {"loss": ("auto",), "miner": ("auto", "none"), "sampler": ("auto",)}
"""Names that stand for no component yet, by kind."""


def load_config(
    path: Path | None = None, overrides: Sequence[str] = (), *, preset: str | None = None
) -> Config:
    """Lay a TOML file over a preset (or over the defaults), and `a.b=c` overrides over both.

    The order of overrides decides only between two of one key. Whatever names another component
    than was there before (`loss=triplet`) leaves the settings of the old one behind.

    Raises:
        ConfigError: unreadable file, unknown preset or key, or a value of the wrong type.
    """
    table: dict[str, Any] = {} if preset is None else tomllib.loads(presets.text(preset))
    if path is not None:
        try:
            table = _merged(table, tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise ConfigError(
                f"The configuration must be a readable file. Got {path}: {error.strerror}."
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"The configuration must be TOML. Got {path}: {error}.") from error
    return from_table(_overridden(table, overrides))


def changed(config: Config, overrides: Sequence[str]) -> Config:
    """The same configuration but for `a.b=c` overrides, as `load_config` takes them.

    Raises:
        ConfigError: an unknown key or a value of the wrong type.
    """
    return from_table(_overridden(to_table(config), overrides))


def elsewhere(config: Config) -> Config:
    """The configuration of a model, to train by it on a machine that may be another.

    Its device is chosen anew, and whether bf16 is faster there.
    """
    precision = "float32" if config.train.precision == "float32" else "auto"
    train = dataclasses.replace(config.train, device="auto", precision=precision)
    return dataclasses.replace(config, train=train)


def from_table(table: Mapping[str, Any], *, kinds: Sequence[Kind] = KINDS) -> Config:
    """A checked `Config` from plain nested dictionaries; components get all their settings.

    Args:
        table: as TOML has it.
        kinds: whose components must be known; those of other kinds stay as they are given.

    Raises:
        ConfigError: unknown key or a value of the wrong type.
    """
    config = _dataclass(Config, table, "")
    return resolved(config, kinds=kinds)


def resolved(config: Config, *, kinds: Sequence[Kind] = KINDS) -> Config:
    """The same configuration with every setting of every component filled in and checked.

    "auto" for loss, miner and sampler stays: training replaces it once it has seen the data, by a
    component or, where no miner is wanted, by "none".
    """
    changes = {
        kind: resolve(kind, component)
        for kind in kinds
        if (component := getattr(config, kind)).name not in _LEFT_OPEN.get(kind, ())
    }
    return dataclasses.replace(config, **changes)


def to_table(config: Config) -> dict[str, Any]:
    """Plain nested dictionaries, ready for TOML or JSON."""
    return {f.name: _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}


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
        if not isinstance(value, Mapping) or not isinstance(name := _name(where, value), str):
            raise ConfigError(f"{where} must be a table with a name. Got {value!r}.")
        return Component(name, {key: item for key, item in value.items() if key != "name"})
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} must be a table. Got {value!r}.")
        return _dataclass(typing.cast(type[Any], hint), value, f"{where}.")
    return coerce(value, hint, where)


def _overridden(table: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for override in overrides:
        _apply(changes, override)
    return _merged(table, changes)


def _apply(changes: dict[str, Any], override: str) -> None:
    """Set one dotted key: the value is TOML, or a bare string."""
    key, separator, text = override.partition("=")
    *parents, last = path = [part.strip() for part in key.split(".")]
    if not separator or not all(path):
        raise ConfigError(f"--set must read a.b=c. Got {override!r}.")
    place = changes
    for parent in parents:
        place = _inner(place, parent, override)
    value = _parsed(text.strip())
    if not parents and last in KINDS and isinstance(value, str):
        place, last = _inner(place, last, override), "name"  # what was set before stays
    place[last] = value


def _parsed(text: str) -> Any:
    """A TOML value, or the text itself."""
    try:
        table = tomllib.loads(f"v = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return table["v"] if len(table) == 1 else text  # several lines are no value


def _inner(place: dict[str, Any], key: str, override: str) -> dict[str, Any]:
    """The table under a key, made when it is missing."""
    inner: Any = place.setdefault(key, {})
    if not isinstance(inner, dict):
        raise ConfigError(
            f"--set must change one setting. Got {override!r}, but {key} is {inner!r} already."
        )
    return typing.cast(dict[str, Any], inner)


def _merged(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The table with changes laid over it."""
    merged = dict(table)
    for key, change in changes.items():
        held = merged.get(key)
        if not isinstance(change, dict):
            merged[key] = change
            continue
        if key in KINDS and isinstance(held, str):
            held = {"name": held}
        if held is not None and not isinstance(held, dict):
            raise ConfigError(
                f"{key} must be a table, for --set to change settings in it. Got {held!r}."
            )
        kept: dict[str, Any] = {} if held is None else held
        if key in KINDS and "name" in change and change["name"] != _name(key, kept):
            kept = {}
        merged[key] = {**kept, **change}
    return merged


def _name(kind: str, table: Mapping[str, Any]) -> Any:
    """Which component a table is of."""
    return table.get("name", typing.cast(Component, getattr(Config(), kind)).name)
