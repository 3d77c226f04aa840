"""`twinlens components`: every part that can be configured, with its settings."""

from __future__ import annotations

import inspect
import json
from typing import Annotated, Any

import typer

from twinlens.cli.options import AsJson, Plugins, load_plugins
from twinlens.registry import KINDS, Kind, lookup, names, settings_of


def components_command(
    kind: Annotated[Kind | None, typer.Argument(help="Only this kind.")] = None,
    *,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """List encoders, comparators, losses, miners, samplers and modalities with all settings."""
    load_plugins(plugin)
    found = describe(KINDS if kind is None else (kind,))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for of, components in found.items():
        typer.echo(f"{of}:")
        for name, about in components.items():
            settings = ", ".join(f"{k}={v}" for k, v in about["settings"].items())
            typer.echo(f"  {name:18} {about['summary']}\n{'':21}{settings or 'no settings'}")


def describe(kinds: tuple[Kind, ...]) -> dict[Kind, dict[str, Any]]:
    """Kind -> name -> first line of its documentation, and its settings with their defaults."""
    return {
        kind: {
            name: {
                "summary": (inspect.getdoc(lookup(kind, name)) or "").partition("\n")[0],
                "settings": settings_of(kind, name),
            }
            for name in names(kind)
        }
        for kind in kinds
    }
