"""`twinlens compare`: how alike two inputs are, or every pair of a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from twinlens.bundle import Bundle
from twinlens.cli.options import AsJson, Model, Plugins, load_plugins
from twinlens.cli.progress import counting
from twinlens.errors import ConfigError
from twinlens.tasks.compare import compare_file


def compare_command(
    model: Model,
    a: Annotated[str | None, typer.Argument(help="A picture.")] = None,
    b: Annotated[str | None, typer.Argument(help="Another.")] = None,
    *,
    pairs: Annotated[
        Path | None, typer.Option(help="Table with the columns left and right, instead of A B.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="CSV for the scores of --pairs; replaced if it exists.")
    ] = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Score two inputs, or every pair of a table. A larger score is more alike."""
    load_plugins(plugin)
    if pairs is not None and out is not None and a is None:
        bundle = Bundle.load(model)
        with counting("embedding") as progress:
            count = compare_file(bundle, pairs, out, progress=progress)
        facts = {"pairs": count, "out": str(out), "model": bundle.fingerprint}
        typer.echo(json.dumps(facts) if as_json else f"{out}: {count:,} pairs scored.")
    elif pairs is None and out is None and a is not None and b is not None:
        bundle = Bundle.load(model)
        score = bundle.score(a, b)
        facts = {"score": score, "left": a, "right": b, "model": bundle.fingerprint}
        typer.echo(json.dumps(facts) if as_json else f"{score:.4f}  (larger = more alike)")
    else:
        raise ConfigError(
            "compare must be given two inputs, or --pairs with --out. Got neither, or parts of "
            "both. See twinlens compare --help."
        )
