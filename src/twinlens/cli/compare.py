"""`twinlens compare`: how alike two inputs are, or every pair of a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from twinlens.bundle import Bundle
from twinlens.cli.options import (
    AsJson,
    CostFalseMatch,
    CostFalseNonMatch,
    CostReview,
    Fmr,
    Model,
    Plugins,
    Prior,
    costs_of,
    load_plugins,
)
from twinlens.cli.progress import counting
from twinlens.errors import ConfigError
from twinlens.tasks.compare import Asked, compare, compare_file


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
    prior: Prior = None,
    fmr: Fmr = None,
    cost_false_match: CostFalseMatch = None,
    cost_false_non_match: CostFalseNonMatch = None,
    cost_review: CostReview = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Compare two inputs, or every pair of a table: score, probability and decision.

    A larger score is more alike. A model that is not calibrated gives scores only.
    """
    load_plugins(plugin)
    asked = Asked(prior, fmr, costs_of(cost_false_match, cost_false_non_match, cost_review))
    if pairs is not None and out is not None and a is None:
        bundle = Bundle.load(model)
        with counting("embedding") as progress:
            count = compare_file(bundle, pairs, out, asked=asked, progress=progress)
        facts = {"pairs": count, "out": str(out), "model": bundle.fingerprint}
        typer.echo(json.dumps(facts) if as_json else f"{out}: {count:,} pairs scored.")
    elif pairs is None and out is None and a is not None and b is not None:
        bundle = Bundle.load(model)
        facts = {**compare(bundle, a, b, asked=asked), "left": a, "right": b}
        typer.echo(json.dumps(facts) if as_json else _summary(facts))
    else:
        raise ConfigError(
            "compare must be given two inputs, or --pairs with --out. Got neither, or parts of "
            "both. See twinlens compare --help."
        )


def _summary(facts: Mapping[str, Any]) -> str:
    score = f"score {facts['score']:.4f} (larger = more alike)"
    if "decision" not in facts:
        return f"{score}; not calibrated: {facts['not_calibrated']}. See twinlens calibrate."
    return (
        f"{facts['decision']}: probability {facts['probability']:.4f} (prior {facts['prior']:g}), "
        f"{score}, {facts['why']}; model {facts['model']}."
    )
