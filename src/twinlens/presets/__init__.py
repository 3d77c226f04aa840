"""Settings that suit a use: one TOML file each, beside this one.

A preset holds only what differs from the defaults; `--config` and `--set` overrule it.
"""

from __future__ import annotations

from importlib.resources import files

from twinlens.errors import ConfigError, nearest


def names() -> list[str]:
    """Of all presets, sorted."""
    found = (item.name for item in files(__name__).iterdir())
    return sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml"))


def text(name: str) -> str:
    """A preset as TOML.

    Raises:
        ConfigError: there is none of this name.
    """
    if name not in names():
        raise ConfigError(f"--preset must be one of the presets. {nearest(name, names())}")
    return files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
