"""`twinlens compare`: how alike two inputs are, or every pair of a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from twinlens.bundle import Bundle
from twinlens.cli.inputs import warn_of_files
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
from twinlens.cli.progress import counting
from twinlens.errors import ConfigError
from twinlens.tasks.compare import compare, compare_file
from twinlens.tasks.explain import explain, write_explanation
from twinlens.tasks.words import align_words, write_words


def compare_command(
    model: Model,
    a: Annotated[str | None, typer.Argument(help="A picture, a text.")] = None,
    b: Annotated[str | None, typer.Argument(help="Another.")] = None,
    *,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="Table with the columns left and right (of records left_NAME and right_NAME), "
            "instead of A B."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="CSV for the scores of --pairs; replaced if it exists.")
    ] = None,
    explain_to: Annotated[
        Path | None,
        typer.Option(
            "--explain",
            help="What makes two alike: of pictures a PNG (red = alike), of texts JSON.",
        ),
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
    """Compare two inputs, or every pair of a table: score, probability and decision.

    A larger score is more alike. A model that is not calibrated gives scores only.
    """
    load_plugins(plugin)
    if explain_to is not None and pairs is not None:
        raise ConfigError(
            "--explain must go with two inputs, which it draws. Got --pairs. Compare the two in "
            "question by themselves."
        )
    question = question_of(prior, fmr, fnmr, cost_false_match, cost_false_non_match, cost_review)
    if pairs is not None and out is not None and a is None:
        bundle = Bundle.load(model)
        with counting("embedding") as progress:
            count = compare_file(bundle, pairs, out, question=question, progress=progress)
        facts = {"pairs": count, "out": str(out), "model": bundle.fingerprint}
        typer.echo(json.dumps(facts) if as_json else f"{out}: {count:,} pairs scored.")
    elif pairs is None and out is None and a is not None and b is not None:
        bundle = Bundle.load(model)
        warn_of_files(bundle, [a, b], instead="Name a table of texts with --pairs.")
        facts = {**compare(bundle, a, b, question=question), "left": a, "right": b}
        shown = ""
        if explain_to is not None:
            explained = _aligned if bundle.siamese.modality.by_value else _drawn
            facts["explanation"], shown = explained(bundle, a, b, explain_to)
        typer.echo(json.dumps(facts) if as_json else _summary(facts) + shown)
    else:
        raise ConfigError(
            "compare must be given two inputs, or --pairs with --out. Got neither, or parts of "
            "both. See twinlens compare --help."
        )


def _drawn(bundle: Bundle, a: str, b: str, out: Path) -> tuple[dict[str, Any], str]:
    """Write the picture; what its test says, as facts and to show."""
    left, right = Path(a), Path(b)
    found = explain(bundle, left, right)
    write_explanation(out, bundle, found, left, right)
    facts = {
        "picture": str(out),
        "deletion": found.deletion,
        "random_deletion": found.random_deletion,
        "trusted": found.trusted,
    }
    verdict = "" if found.trusted else " Do not rely on it."
    return facts, (
        f"\n{out}: taking away what it points at lowers the score by {found.deletion:.4f}, taking "
        f"away as much at random by {found.random_deletion:.4f}.{verdict}"
    )


def _aligned(bundle: Bundle, a: str, b: str, out: Path) -> tuple[dict[str, Any], str]:
    """Write which words found one another; the same as facts and to show."""
    found = align_words(bundle, a, b)
    write_words(out, found)
    words = found.to_dict()
    facts = {"words": str(out), "left": words["left"], "right": words["right"]}
    return facts, f"\n{out}: which words found one another\n{found}"


def _summary(facts: Mapping[str, Any]) -> str:
    score = f"score {facts['score']:.4f} (larger = more alike)"
    if "decision" not in facts:
        return f"{score}. {facts['not_calibrated']}"
    return (
        f"{facts['decision']}: probability {facts['probability']:.4f} (prior "
        f"{facts['prior']:g}), {score}, {facts['why']}; model {facts['model']}."
    )
