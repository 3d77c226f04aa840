"""`twinlens evaluate`: how good a model is on identities that training never saw."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from twinlens.bundle import Bundle
from twinlens.cli.options import AsJson, Model, Plugins, Seed, load_plugins
from twinlens.cli.progress import counting
from twinlens.tasks.evaluate import Tested, evaluate
from twinlens.tasks.report import report


def evaluate_command(
    model: Model,
    data: Annotated[
        Path, typer.Argument(help="Folder with a folder for each class, or a CSV or JSONL file.")
    ],
    *,
    page: Annotated[
        Path | None, typer.Option("--report", help="HTML page to write; replaced if it exists.")
    ] = None,
    include_seen: Annotated[
        bool,
        typer.Option(help="Count what training saw, too: that measures memory."),
    ] = False,
    seed: Seed = 0,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a model on unseen identities; every figure has an interval, or says why not."""
    load_plugins(plugin)
    bundle = Bundle.load(model)
    with counting("embedding") as progress:
        tested = evaluate(bundle, data, include_seen=include_seen, seed=seed, progress=progress)
    if page is not None:
        report(bundle, tested, page)
    if as_json:
        facts = {
            "model": bundle.fingerprint,
            "seen_examples": tested.seen_examples,
            "seen_included": tested.seen_included,
            **tested.evaluation.to_dict(),
        }
        typer.echo(json.dumps(facts, indent=2))
    else:
        typer.echo(_summary(tested))
    if page is not None:
        typer.echo(f"report: {page}", err=as_json)


def _summary(tested: Tested) -> str:
    evaluation = tested.evaluation
    lines = [
        f"{tested.dataset.root}: {evaluation.examples:,} examples, "
        f"{evaluation.identities:,} identities."
    ]
    if tested.seen_examples:
        done = "counted all the same" if tested.seen_included else "left out"
        lines.append(f"{tested.seen_examples:,} examples that training saw were {done}.")
    lines += [f"  {name:26} {interval}" for name, interval in evaluation.metrics.items()]
    lines += [f"  {name:26} absent: {why}" for name, why in evaluation.absent.items()]
    return "\n".join(lines)
