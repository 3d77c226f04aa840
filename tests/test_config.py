"""TOML and --set -> frozen dataclasses -> TOML."""

from __future__ import annotations

import dataclasses
import itertools
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

import twinlens.assemble
import twinlens.data.samplers  # noqa: F401 — all built-in components are known
from twinlens import presets
from twinlens.config import (
    Config,
    DataConfig,
    TrainConfig,
    elsewhere,
    from_table,
    load_config,
    resolved,
    to_table,
)
from twinlens.errors import ConfigError
from twinlens.registry import KINDS, Component, names, settings_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(
        'seed = 3\n[loss]\nname = "contrastive"\nmargin = 0.9\n'
        "[encoder]\ndim = 64\n[train]\nsteps = 10\n",
        encoding="utf-8",
    )
    return path


def load(*overrides: str) -> Config:
    return load_config(None, overrides)


def refusal(*overrides: str) -> str:
    with pytest.raises(ConfigError) as error:
        load(*overrides)
    return str(error.value)


# Files


def test_a_file_lies_over_the_defaults(file: Path) -> None:
    config = load_config(file)
    assert (config.seed, config.train.steps, config.encoder.settings["dim"]) == (3, 10, 64)
    assert config.encoder.name == "convnet"  # a table without a name keeps the default component
    assert config.encoder.settings["grid"] == settings_of("encoder", "convnet")["grid"]
    assert config.train.learning_rate == TrainConfig().learning_rate


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"seed = ", "must be TOML"),
        (b"\xff", "must be TOML"),
        (b"sed = 1", "sed must be a known setting. Did you mean 'seed'?"),
        (b"[train]\nstep = 1", "train.step must be a known setting. Did you mean 'steps'?"),
        (b"[loss]\nmargn = 1.0\nname = 'triplet'", "loss.margn must be a setting of 'triplet'"),
        (b"[loss]\nname = 'tripel'", "Did you mean 'triplet'?"),
        (b"loss = 3", "loss must be a table with a name. Got 3"),
        (b"[loss]\nname = 3", "loss must be a table with a name"),
        (b"train = 3", "train must be a table. Got 3"),
        (b"[[train]]\nsteps = 1", "train must be a table"),
        (b"[train]\nsteps = '5'", "train.steps must be a whole number. Got '5'"),
        (b"[train]\nschedule = 'cosin'", "train.schedule must be one of cosine, constant"),
        (b"[seed]\nx = 1", "seed must be a whole number"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert says in str(error.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ConfigError, match="must be a readable file"):
            load_config(path)


# Overrides


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("seed=7", ("seed",), 7),
        ("seed = 7 ", ("seed",), 7),
        (" train.steps =5", ("train", "steps"), 5),
        ("train.learning_rate=1e-4", ("train", "learning_rate"), 1e-4),
        ("train.gradient_clip=1", ("train", "gradient_clip"), 1.0),
        ("train.schedule=constant", ("train", "schedule"), "constant"),
        ('train.schedule="constant"', ("train", "schedule"), "constant"),
        ("data.cache=/a folder/b#c=d", ("data", "cache"), "/a folder/b#c=d"),
        ("data.cache=", ("data", "cache"), ""),
        ("encoder.widths=[4, 8, 8]", ("encoder", "settings", "widths"), (4, 8, 8)),
        ("modality.turned_classes=on", ("modality", "settings", "turned_classes"), "on"),
        ("sampler.identities=8", ("sampler", "settings", "identities"), 8),
        ("loss=contrastive", ("loss", "name"), "contrastive"),
        ("loss.name=contrastive", ("loss", "name"), "contrastive"),
        ('loss={name = "triplet", margin = 2}', ("loss", "settings", "margin"), 2.0),
    ],
)
def test_overrides(override: str, path: Sequence[str], value: object) -> None:
    found: Any = load(override)
    for key in path:
        found = found[key] if isinstance(found, Mapping) else getattr(found, key)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["seed"], "--set must read a.b=c. Got 'seed'"),
        (["=5"], "--set must read a.b=c"),
        ([".steps=5"], "--set must read a.b=c"),
        (["train..steps=5"], "--set must read a.b=c"),
        (["train.=5"], "--set must read a.b=c"),
        (["sed=5"], "Did you mean 'seed'?"),
        (["train.stepz=5"], "train.stepz must be a known setting. Did you mean 'steps'?"),
        (["trian.steps=5"], "trian must be a known setting. Did you mean 'train'?"),
        (["encoder.dims=5"], "encoder.dims must be a setting of 'convnet'"),
        (["encoder.grid=true"], "encoder.grid must be a whole number. Got True"),
        (["sampler=pairs", "sampler.balanced=True"], "true or false. Got 'True'"),
        (["train.learning_rate=nan"], "train.learning_rate must be finite"),
        (["encoder.widths=4,8"], "encoder.widths must be a list, as [1, 2]"),
        (["train=5"], "train must be a table. Got 5"),
        (["train=5", "train.steps=5"], "but train is 5 already"),
        (["seed=5", "seed.x=5"], "but seed is 5 already"),
        (["seed.x=5"], "seed must be a whole number"),
        (["loss.name.x=5"], "loss must be a table with a name"),
        (["seed=1\ntrain = 2"], "seed must be a whole number. Got '1\\ntrain = 2'"),
        (["seed=2020-01-01"], "seed must be a whole number"),
        (["encoder=auto"], "encoder.name must be a registered encoder"),
        (["encoder=none"], "encoder.name must be a registered encoder"),
        (["sampler=none"], "sampler.name must be a registered sampler"),
    ],
)
def test_wrong_overrides_are_refused(overrides: list[str], says: str) -> None:
    assert says in refusal(*overrides)


def test_what_is_no_table_in_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("seed = 1\ntrain = 2\n")
    for override in ("seed.x=1", "train.steps=1"):
        key = override.partition(".")[0]
        with pytest.raises(ConfigError, match=f"^{key} must be a table"):
            load_config(path, [override])


# Components by override


@pytest.mark.parametrize(
    "overrides", list(itertools.permutations(["loss=triplet", "loss.margin=0.25", "train.steps=7"]))
)
def test_the_order_of_overrides_does_not_matter(overrides: tuple[str, ...], file: Path) -> None:
    for config in (load(*overrides), load_config(file, overrides)):
        assert config.loss.name == "triplet"
        assert config.loss.settings["margin"] == 0.25
        assert config.train.steps == 7


@pytest.mark.parametrize("name", ["loss=triplet", "loss.name=triplet"])
def test_another_component_leaves_the_settings_of_the_files_behind(name: str, file: Path) -> None:
    """Also those of the same name: a margin of one loss is no margin of another."""
    assert load_config(file).loss.settings["margin"] == 0.9
    assert load_config(file, [name]).loss == load(name).loss
    assert load_config(file, ["encoder=mlp"]).encoder == load("encoder=mlp").encoder


def test_the_same_component_keeps_them(file: Path) -> None:
    assert load_config(file, ["loss=contrastive"]).loss.settings["margin"] == 0.9
    assert load_config(file, ["encoder=convnet", "encoder.grid=2"]).encoder.settings["dim"] == 64
    assert load_config(file, ['loss={name="contrastive"}']).loss.settings["margin"] == 0.9


def test_a_name_alone_in_the_file_is_a_component(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('loss = "triplet"\n')
    assert load_config(path, ["loss.margin=0.3"]).loss.settings["margin"] == 0.3
    assert load_config(path, ["loss=supcon"]).loss.name == "supcon"


def test_the_last_of_two_names_counts() -> None:
    assert load("loss=supcon", "loss=triplet").loss.name == "triplet"
    assert load("seed=1", "seed=2").seed == 2
    assert "'supcon'" in refusal("loss=triplet", "loss.margin=0.1", "loss=supcon")


def test_settings_go_with_a_component_that_is_chosen_later() -> None:
    config = load("sampler.identities=8")
    assert config.sampler == Component("auto", {"identities": 8})
    assert from_table(to_table(config)) == config


# Ranges


@pytest.mark.parametrize(
    "override",
    [
        "seed=-1", "train.steps=0", "train.steps=-5", "train.validate_every=0", "train.log_every=0",
        "train.learning_rate=0", "train.learning_rate=-1", "train.ema=1", "train.ema=-0.1",
        "train.patience=-1", "train.warmup_steps=-1", "train.weight_decay=-0.1",
        "train.max_minutes=-1", "train.gradient_clip=-1", "data.test_share=1",
        "data.validation_share=-0.1",
    ],
)  # fmt: skip
def test_a_setting_out_of_range_is_named(override: str) -> None:
    key, _, value = override.partition("=")
    message = refusal(override)
    assert message.startswith(f"{key} must be ")
    assert str(float(value)) in message or value in message


def test_ranges_hold_in_python_too() -> None:
    with pytest.raises(ConfigError, match="train.steps must be at least 1. Got 0"):
        TrainConfig(steps=0)
    with pytest.raises(ConfigError, match="data.test_share"):
        DataConfig(test_share=1.0)


# There and back


@pytest.mark.parametrize("kind", KINDS)
def test_every_component_survives_toml(kind: str) -> None:
    for name in names(kind):  # type: ignore[arg-type]
        config = resolved(Config(**{kind: Component(name)}))  # type: ignore[arg-type]
        again = from_table(tomllib.loads(tomli_w.dumps(to_table(config))))
        assert again == config
        assert getattr(again, kind).settings == settings_of(kind, name)  # type: ignore[arg-type]


def test_the_dump_is_complete() -> None:
    table = tomllib.loads(tomli_w.dumps(to_table(load())))
    assert table == to_table(load())
    assert table.keys() == {f.name for f in dataclasses.fields(Config)}
    assert table["train"].keys() == {f.name for f in dataclasses.fields(TrainConfig)}
    assert table["encoder"].keys() == {"name", *settings_of("encoder", "convnet")}


@given(
    seed=st.integers(0, 2**31),
    rate=st.floats(1e-9, 1e3),
    cache=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    widths=st.lists(st.integers(1, 9), max_size=4),
)
def test_any_values_survive_toml(seed: int, rate: float, cache: str, widths: list[int]) -> None:
    encoder = Component("convnet", {"widths": tuple(widths)})
    config = resolved(
        Config(
            seed=seed,
            data=DataConfig(cache=cache),
            encoder=encoder,
            train=TrainConfig(learning_rate=rate),
        )
    )
    assert from_table(tomllib.loads(tomli_w.dumps(to_table(config)))) == config


def test_nothing_of_it_can_be_changed() -> None:
    config = load()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seed = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.encoder.settings["dim"] = 1  # type: ignore[index]


def test_a_preset_is_overruled_by_the_file_and_both_by_overrides(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[modality]\nwidth = 96\nsize = 48\n")
    config = load_config(path, ["modality.size=40"], preset="signatures")
    settings = config.modality.settings
    assert (settings["crop"], settings["width"], settings["size"]) == ("page", 96, 40)


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_is_a_configuration_that_differs_from_the_defaults(name: str) -> None:
    assert load_config(preset=name) != load_config()


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="--preset must be one of .* Did you mean 'faces'"):
        load_config(preset="face")


def test_a_machine_that_may_be_another_chooses_its_device_anew() -> None:
    found = elsewhere(load("train.device=cuda", "train.precision=bfloat16"))
    assert (found.train.device, found.train.precision) == ("auto", "auto")
    assert elsewhere(load("train.precision=float32")).train.precision == "float32"
    assert elsewhere(load("train.steps=7")).train.steps == 7
