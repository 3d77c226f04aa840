"""`twinlens verify`: is this input of the same identity as its references?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

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
    load_plugins,
    question_of,
)
from twinlens.tasks.verify import Verification, verify
from twinlens.tasks.verify_report import Case, report_case

NO = 1


def verify_command(
    model: Model,
    *,
    reference: Annotated[
        list[str], typer.Option("--reference", "-r", help="Of the claimed identity; repeatable.")
    ],
    questioned: Annotated[str, typer.Option("--questioned", "-q", help="To be decided on.")],
    page: Annotated[
        Path | None, typer.Option("--report", help="HTML page to write; replaced if it exists.")
    ] = None,
    prior: Prior = None,
    fmr: Fmr = None,
    fnmr: Fnmr = None,
    cost_false_match: CostFalseMatch = None,
    cost_false_non_match: CostFalseNonMatch = None,
    cost_review: CostReview = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Decide: same (exit 0), different or unsure (exit 1)."""
    load_plugins(plugin)
    question = question_of(prior, fmr, fnmr, cost_false_match, cost_false_non_match, cost_review)
    bundle = Bundle.load(model)
    found = verify(bundle, reference, questioned, question=question)
    facts = {**found.to_dict(), "questioned": questioned, "references": reference}
    typer.echo(json.dumps(facts) if as_json else _summary(found, reference))
    if page is not None:
        report_case(bundle, Case(reference, questioned, found), page)
        typer.echo(f"report: {page}", err=as_json)
    if found.decision.same is not True:
        raise typer.Exit(NO)


def _summary(found: Verification, references: list[str]) -> str:
    decision = found.decision
    lines = [
        f"{decision.word}: probability {decision.probability:.4f} (prior {decision.prior:g}), "
        f"score {decision.score:.4f}, {decision.why}.",
        f"model {found.model}; {found.used} of {len(references)} references used:",
    ]
    pairs = zip(references, found.scores, strict=False)
    return "\n".join([*lines, *(f"  {score:8.4f}  {name}" for name, score in pairs)])
