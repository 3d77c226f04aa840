"""Components by name: what may be registered, what is refused, and plugins."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

import twinlens.assemble
import twinlens.data.samplers  # noqa: F401 — all built-in components are known
from twinlens import registry
from twinlens.errors import ConfigError, PluginError
from twinlens.registry import (
    KINDS,
    Component,
    build,
    load_entry_points,
    load_plugin,
    lookup,
    names,
    register,
    resolve,
    settings_of,
)

if TYPE_CHECKING:
    from decimal import Decimal


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test registers is gone after it."""
    copies = {kind: dict(known) for kind, known in registry._components.items()}
    monkeypatch.setattr(registry, "_components", copies)
    yield


class Mine:
    def __init__(
        self,
        dim: int,
        *,
        margin: float = 0.5,
        widths: tuple[int, ...] = (1, 2),
        mode: Literal["a", "b"] = "a",
        hard: bool = False,
    ) -> None:
        self.seen = (dim, margin, widths, mode, hard)


def plugin(folder: Path, body: str, name: str = "mine.py") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("from twinlens.registry import register\n" + body)
    return path


MINE = """
@register("loss", "mine")
class Mine:
    def __init__(self, *, margin: float = 0.5) -> None:
        self.margin = margin
"""

# Names and settings


def test_a_registered_class_is_built_with_its_settings() -> None:
    register("loss", "mine")(Mine)
    assert "mine" in names("loss") and lookup("loss", "mine") is Mine
    assert settings_of("loss", "mine")["widths"] == (1, 2)
    component = Component("mine", {"margin": 1, "widths": [3], "mode": "b"})  # type: ignore[dict-item]
    assert build("loss", component, 7).seen == (7, 1.0, (3,), "b", False)


def test_resolve_fills_in_and_checks() -> None:
    register("loss", "mine")(Mine)
    resolved = resolve("loss", Component("mine", {"hard": True}))
    assert resolved.settings == {"margin": 0.5, "widths": (1, 2), "mode": "a", "hard": True}
    with pytest.raises(TypeError):
        resolved.settings["hard"] = False  # type: ignore[index]
    with pytest.raises(ConfigError, match=r"loss\.margn must be a setting of 'mine'.*'margin'"):
        resolve("loss", Component("mine", {"margn": 1.0}))
    with pytest.raises(ConfigError, match=r"loss\.hard must be true or false. Got 'false'"):
        resolve("loss", Component("mine", {"hard": "false"}))


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"loss\.name must be a registered loss.*'triplet'"):
        lookup("loss", "tripplet")
    with pytest.raises(ConfigError, match=r"Known: .*supcon"):
        lookup("loss", "zzzz")


@pytest.mark.parametrize("kind", KINDS)
def test_every_built_in_setting_is_what_a_file_can_hold(kind: registry.Kind) -> None:
    assert names(kind)
    for name in names(kind):
        register(kind, name)(lookup(kind, name))  # again: each is checked anew
        assert dict(resolve(kind, Component(name)).settings) == settings_of(kind, name)


# What may be registered


def taken_by(kind: registry.Kind, cls: type[Any], name: str = "mine") -> str:
    with pytest.raises(PluginError) as error:
        register(kind, name)(cls)
    assert name not in names(kind) or lookup(kind, name) is not cls
    return str(error.value)


def test_a_name_is_given_once_but_a_file_may_be_imported_again() -> None:
    register("loss", "mine")(Mine)
    again = type("Mine", (), {"__module__": Mine.__module__, "__qualname__": Mine.__qualname__})
    register("loss", "mine")(again)
    assert lookup("loss", "mine") is again
    other = type("Mine", (), {"__module__": "elsewhere"})
    assert "Register Mine under another name" in taken_by("loss", other)
    triplet = type("Triplet", (), {"__module__": "elsewhere"})
    assert "which is twinlens.losses.triplet.Triplet" in taken_by("loss", triplet, "triplet")


@pytest.mark.parametrize("name", ["auto", "none"])
def test_names_with_a_meaning_are_refused(name: str) -> None:
    assert "must not be named" in taken_by("miner", Mine, name)


class WithoutDefault:
    def __init__(self, *, margin: float) -> None: ...


class WithoutType:
    def __init__(self, *, margin=0.5) -> None: ...  # type: ignore[no-untyped-def]


class OfNone:
    def __init__(self, *, margin: float | None = None) -> None: ...


class OfAnotherType:
    def __init__(self, *, margin: float = "large") -> None: ...  # type: ignore[assignment]


class OfAList:
    def __init__(self, *, margin: list[int] = [1]) -> None: ...  # noqa: B006


class CalledName:
    def __init__(self, *, name: str = "x") -> None: ...


class OfTypeChecking:
    def __init__(self, *, margin: Decimal = 0) -> None: ...  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("cls", "says"),
    [
        (WithoutDefault, "must have a default. Got none for 'margin' of WithoutDefault"),
        (WithoutType, "Got None for 'margin'"),
        (OfNone, "which TOML can hold. Got float | None for 'margin'"),
        (OfAList, "which TOML can hold"),
        (OfAnotherType, "margin must be a number, as 0.5. Got 'large'"),
        (CalledName, 'may be called "name"'),
        (OfTypeChecking, "also outside of TYPE_CHECKING"),
    ],
)
def test_a_setting_that_no_file_can_hold_is_refused(cls: type[Any], says: str) -> None:
    assert says in taken_by("loss", cls)


# Plugins


def test_a_plugin_says_what_it_registered(tmp_path: Path) -> None:
    body = MINE + MINE.replace('"loss"', '"encoder"').replace("class Mine", "class Other")
    path = plugin(tmp_path, body)
    assert sorted(load_plugin(path)) == [("encoder", "mine"), ("loss", "mine")]
    assert build("loss", Component("mine", {"margin": 2})).margin == 2.0
    assert sorted(load_plugin(path)) == [("encoder", "mine"), ("loss", "mine")]  # once more


def test_two_plugins_of_one_file_name_do_not_replace_each_other(tmp_path: Path) -> None:
    load_plugin(plugin(tmp_path / "a", MINE))
    with pytest.raises(PluginError, match="name must be new. Got 'mine'"):
        load_plugin(plugin(tmp_path / "b", MINE))
    load_plugin(plugin(tmp_path / "c", MINE.replace('"mine"', '"theirs"')))
    assert {"mine", "theirs"} <= set(names("loss"))


def test_a_class_of_another_module_counts(tmp_path: Path) -> None:
    body = 'from collections import Counter\nregister("loss", "count")(Counter)\n'
    assert load_plugin(plugin(tmp_path, body)) == [("loss", "count")]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "must register a component. Got none"),
        ("import nothing_of_that_name", "Got ModuleNotFoundError: No module named"),
        ("1 / 0", "Got ZeroDivisionError: division by zero"),
        ("def", "Got SyntaxError"),
        ("raise SystemExit(3)", "Got SystemExit: 3"),
        (MINE.replace("float = 0.5", "float"), "must have a default"),
    ],
)
def test_a_plugin_that_does_not_import_is_named(body: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(PluginError) as error:
        load_plugin(plugin(tmp_path, body))
    assert says in str(error.value)


def test_nothing_of_a_plugin_that_failed_stays(tmp_path: Path) -> None:
    path = plugin(tmp_path, MINE + "1 / 0\n")
    with pytest.raises(PluginError):
        load_plugin(path)
    assert "mine" not in names("loss")
    assert load_plugin(plugin(tmp_path, MINE)) == [("loss", "mine")]


def test_what_is_no_python_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.py", tmp_path):
        with pytest.raises(PluginError, match="which is not a file"):
            load_plugin(path)
    with pytest.raises(PluginError, match=r"\(\.py\)"):
        load_plugin(plugin(tmp_path, MINE, "mine.txt"))


def installed(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    entry = importlib.metadata.EntryPoint("theirs", value, "twinlens.plugins")

    def found(*, group: str) -> list[importlib.metadata.EntryPoint]:
        return [entry] if group == "twinlens.plugins" else []

    monkeypatch.setattr(registry, "entry_points", found)


def test_installed_plugins_are_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plugin(tmp_path, MINE, "an_installed_plugin.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    installed(monkeypatch, "an_installed_plugin")
    load_entry_points()
    assert "mine" in names("loss")


def test_an_installed_plugin_that_does_not_import_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "nothing_of_that_name")
    with pytest.raises(PluginError, match=r"'theirs' \(nothing_of_that_name\).*uninstall"):
        load_entry_points()
