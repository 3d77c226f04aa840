"""`twinlens check`: does a component of your own keep the contract of its kind?"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from twinlens.cli.options import AsJson
from twinlens.registry import load_plugin
from twinlens.testing import broken, check_component


def check_command(
    file: Annotated[Path, typer.Argument(help="Python file that registers components.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Check every component that a file registers against the contract of its kind.

    Exits 1 when a rule is broken.
    """
    found = load_plugin(file)
    results = [result for kind, name in found for result in check_component(kind, name)]
    wrong = broken(results)
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(result) for result in results], indent=2))
    else:
        for result in results:
            typer.echo(str(result))
        typer.echo(f"{len(results)} rules, {len(wrong)} broken.")
    if wrong:
        raise typer.Exit(1)
