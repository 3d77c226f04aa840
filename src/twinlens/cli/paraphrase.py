"""`twinlens paraphrase mine`: which texts of a corpus say the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from twinlens.bundle import Bundle
from twinlens.calibration import Question
from twinlens.cli.options import AsJson, Fmr, Model, Plugins, Prior, load_plugins
from twinlens.cli.progress import counting
from twinlens.tasks.mine import mine, read_corpus, write_mined

paraphrase_app = typer.Typer(no_args_is_help=True, help="Texts that say the same.")


@paraphrase_app.command("mine")
def mine_command(
    model: Model,
    corpus: Annotated[Path, typer.Argument(help="File with a text a line, or a table.")],
    *,
    out: Annotated[Path, typer.Option(help="CSV for the pairs; replaced if it exists.")],
    most: Annotated[int, typer.Option(min=1, help="Pairs to keep.")] = 1000,
    prior: Prior = None,
    fmr: Fmr = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Find the pairs of a corpus that say the same, the most alike first, and their groups."""
    load_plugins(plugin)
    bundle = Bundle.load(model)
    read = read_corpus(corpus, modality=bundle.config.modality.name)
    question = Question(prior, fmr)
    with counting("embedding") as progress:
        found = mine(bundle, read.inputs, most=most, question=question, progress=progress)
    write_mined(out, found, read.inputs)
    same = sum(pair.decision is not None and pair.decision.same is True for pair in found)
    groups = len({pair.group for pair in found if pair.group is not None})
    facts = {
        "out": str(out),
        "inputs": len(read.inputs),
        "repeats": read.repeats,
        "pairs": len(found),
        "same": same,
        "groups": groups,
        "model": bundle.fingerprint,
    }
    typer.echo(
        json.dumps(facts)
        if as_json
        else f"{out}: the {len(found):,} most alike pairs of {len(read.inputs):,} inputs; {same:,} "
        f"are decided to be the same, in {groups:,} groups.{_told(read.repeats)}"
    )


def _told(repeats: int) -> str:
    return f" Exact repeats that were left out: {repeats:,}." if repeats else ""


@paraphrase_app.callback()
def _several() -> None:  # pyright: ignore[reportUnusedFunction]
    """Texts that say the same."""  # a group, though it has one command
