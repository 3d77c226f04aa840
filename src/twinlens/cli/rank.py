"""`twinlens rank`: which of these candidates goes with the question, if any."""

from __future__ import annotations

import json
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
    Fnmr,
    Model,
    Plugins,
    Prior,
    Seed,
    load_plugins,
    question_of,
)
from twinlens.cli.progress import counting
from twinlens.data.manifest import read_inputs
from twinlens.errors import ConfigError
from twinlens.tasks.rank import Ranking, rank, rank_file

NO = 1


def rank_command(
    model: Model,
    *,
    question: Annotated[
        str | None, typer.Option("--question", "-q", help="To be answered.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(help="Candidates: a file with one a line, or a table.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(help="Table with the columns question and candidate, instead of both."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="CSV for the ranked rows of --table; replaced if it exists.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Candidates to show.")] = 5,
    seed: Seed = 0,
    prior: Prior = None,
    fmr: Fmr = None,
    fnmr: Fnmr = None,
    cost_false_match: CostFalseMatch = None,
    cost_false_non_match: CostFalseNonMatch = None,
    cost_review: CostReview = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Order candidates by how well they go with a question, or every question of a table.

    Exits 1 when no candidate is decided to be good enough. With the column right (1 or 0), --table
    also tells how good the rankings are.
    """
    load_plugins(plugin)
    asked = question_of(prior, fmr, fnmr, cost_false_match, cost_false_non_match, cost_review)
    if table is not None and out is not None and question is None and answers is None:
        bundle = Bundle.load(model)
        with counting("embedding") as progress:
            count, figures = rank_file(
                bundle, table, out, asked=asked, seed=seed, progress=progress
            )
        facts: dict[str, Any] = {"questions": count, "out": str(out), "model": bundle.fingerprint}
        if figures is not None:
            facts |= {"answerable": figures.questions, "unanswered": figures.unanswered}
            facts["metrics"] = {
                name: {"value": m.value, "low": m.low, "high": m.high}
                for name, m in figures.metrics.items()
            }
        typer.echo(json.dumps(facts) if as_json else _file_summary(facts))
    elif table is None and out is None and question is not None and answers is not None:
        bundle = Bundle.load(model)
        found = rank(
            bundle,
            question,
            read_inputs(answers, modality=bundle.config.modality.name),
            asked=asked,
        )
        facts = {**found.to_dict(), "question": question}
        facts["candidates"] = facts["candidates"][:top]
        typer.echo(json.dumps(facts) if as_json else _summary(found, top))
        if bundle.calibration is not None and found.answered is not True:
            raise typer.Exit(NO)
    else:
        raise ConfigError(
            "rank must be given --question with --answers, or --table with --out. Got neither, or "
            "parts of both. See twinlens rank --help."
        )


def _summary(found: Ranking, top: int) -> str:
    verdict = {True: "answered", False: "no good answer", None: "unsure"}[found.answered]
    lines = [f"{verdict}: {found.why}; model {found.model}."]
    for position, ranked in enumerate(found.candidates[:top], start=1):
        decision = ranked.decision
        sure = "" if decision is None else f"{decision.probability:8.4f} {decision.word:10}"
        lines.append(f"{position:3} {ranked.score:9.4f}{sure} {ranked.candidate}")
    return "\n".join(lines)


def _file_summary(facts: dict[str, Any]) -> str:
    lines = [f"{facts['out']}: {facts['questions']:,} questions ranked."]
    if "metrics" in facts:
        lines[0] += f" {facts['answerable']:,} have a right candidate."
        lines += [
            f"  {name:16} {m['value']:.4f} [{m['low']:.4f}, {m['high']:.4f}]"
            for name, m in facts["metrics"].items()
        ]
    return "\n".join(lines)
