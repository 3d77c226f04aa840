"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from twinlens.registry import load_plugin

Model = Annotated[Path, typer.Argument(help="Folder that `twinlens train` wrote.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Seed = Annotated[int, typer.Option(min=0, help="Of all randomness.")]
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", help="Python file with components of your own; may be repeated."),
]

ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting, as a.b=c; overrules --config. May be repeated."),
]


def load_plugins(paths: Sequence[Path] | None) -> None:
    """Import the plugin files that the command line names.

    Raises:
        PluginError: one is missing, fails to import or registers nothing.
    """
    for path in paths or ():
        load_plugin(path)
