"""`twinlens evaluate`: how good a model is on identities that training never saw."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from twinlens.bundle import Bundle
from twinlens.cli.options import AsJson, Model, Plugins, Seed, load_plugins
from twinlens.cli.progress import counting
from twinlens.evaluation.result import Decisions, Evaluation
from twinlens.tasks.evaluate import Tested, evaluate
from twinlens.tasks.report import report

_SHORT = {"false match": "fmr", "false non-match": "fnmr"}
_OTHER = {"false match": "false non-match", "false non-match": "false match"}


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
    by: Annotated[
        str | None,
        typer.Option(help="Tell errors apart by a column of the data, or by its group."),
    ] = None,
    new: Annotated[
        Path | None,
        typer.Option(help="Inputs without labels, to be held against DATA for drift."),
    ] = None,
    seed: Seed = 0,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a model on unseen identities; every figure has an interval, or says why not."""
    load_plugins(plugin)
    bundle = Bundle.load(model)
    with counting("embedding") as progress:
        tested = evaluate(
            bundle, data, include_seen=include_seen, by=by, new=new, seed=seed, progress=progress
        )
    typer.echo(json.dumps(_facts(bundle, tested), indent=2) if as_json else _summary(tested))
    if page is not None:
        report(bundle, tested, page)
        typer.echo(f"report: {page}", err=as_json)


def _facts(bundle: Bundle, tested: Tested) -> dict[str, Any]:
    """All figures; the worst comparisons by the ids of their examples."""
    ids = [example.id for example in tested.dataset.examples]
    figures = tested.evaluation.to_dict()
    for worst in ("false_matches", "false_non_matches"):
        for pair in figures[worst]:
            pair.update(left=ids[pair["left"]], right=ids[pair["right"]])
    return {
        "model": bundle.fingerprint,
        "seen_examples": tested.seen_examples,
        "seen_included": tested.seen_included,
        **figures,
        "drift": None if tested.drift is None else dataclasses.asdict(tested.drift),
    }


def _summary(tested: Tested) -> str:
    evaluation = tested.evaluation
    of = f" of {evaluation.identities:,} identities" if evaluation.identities else ""
    lines = [f"{tested.dataset.root}: {evaluation.examples:,} examples{of}."]
    if tested.seen_examples:
        done = "counted all the same" if tested.seen_included else "left out"
        lines.append(f"{tested.seen_examples:,} examples that training saw were {done}.")
    lines += [f"  {line}" for line in figures(evaluation)]
    if evaluation.groups:
        lines.append(f"Errors by {evaluation.grouped_by}, at the first operating point:")
        lines += [f"  {g.value:26} FMR {g.fmr}, FNMR {g.fnmr}" for g in evaluation.groups]
    if tested.drift is not None:
        found = tested.drift
        lines.append(
            f"New inputs: embeddings differ by {found.energy_distance:.4g} (p = "
            f"{found.energy_p:.3g}), the mean score by {found.score_shift:+.4g} (p = "
            f"{found.score_p:.3g})."
        )
    return "\n".join(lines)


def figures(evaluation: Evaluation) -> list[str]:
    """A line for each figure, and for each that is absent."""
    lines = [f"{name:26} {interval}" for name, interval in evaluation.metrics.items()]
    if evaluation.decisions is not None:
        lines += _decisions(evaluation.decisions)
    return lines + [f"{name:26} absent: {why}" for name, why in evaluation.absent.items()]


def _decisions(found: Decisions) -> list[str]:
    """How far the model's calibration holds here."""
    return [
        f"{'cllr':26} {found.cllr:.4f} bits (least possible {found.min_cllr:.4f})",
        f"{'ece':26} {found.ece:.4f} (prior {found.prior:g})",
        *(
            f"{f'{_SHORT[p.error]} promised {p.rate:g}':26} {p.came}, {p.verdict}; "
            f"{_OTHER[p.error]} rate {p.other}"
            for p in found.promises
        ),
    ]
