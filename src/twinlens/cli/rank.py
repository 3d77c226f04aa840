"""`twinlens rank`: which of these candidates goes with the question, if any."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Annotated, Any

import typer

from twinlens.bundle import Bundle
from twinlens.calibration import Question
from twinlens.cli.gallery_texts import warn_read_only
from twinlens.cli.options import (
    AsJson,
    CostFalseMatch,
    CostFalseNonMatch,
    CostReview,
    Fmr,
    Fnmr,
    KeyFile,
    Model,
    Plugins,
    Prior,
    WhereTexts,
    cipher_of,
    load_plugins,
    pairs_of,
    question_of,
)
from twinlens.cli.progress import counting
from twinlens.data.manifest import read_inputs
from twinlens.errors import ConfigError
from twinlens.gallery import Cipher, open_any
from twinlens.tasks.rank import Ranked, Ranking, rank, rank_file
from twinlens.tasks.rank_gallery import RETRIEVE, rank_gallery

NO = 1
TOP = 5
_FORMS = (
    ({"--question", "--answers"}, {"--top"}),
    ({"--question", "--gallery"}, {"--retriever", "--retrieve", "--where", "--top"}),
    ({"--table", "--out"}, {"--seed"}),
)
"""Options that go together, and those that may go with them."""


def rank_command(
    model: Model,
    *,
    question: Annotated[
        str | None, typer.Option("--question", "-q", help="To be answered.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(help="Candidates: a file with one a line, or a table.")
    ] = None,
    gallery: Annotated[
        Path | None,
        typer.Option(help="Gallery to find candidates in, instead of --answers."),
    ] = None,
    retriever: Annotated[
        Path | None, typer.Option(help="Model that the gallery was made with, if another.")
    ] = None,
    retrieve: Annotated[
        int | None,
        typer.Option(min=1, help=f"Items of the gallery to rank (else {RETRIEVE})."),
    ] = None,
    where: WhereTexts = None,
    key: KeyFile = None,
    table: Annotated[
        Path | None,
        typer.Option(help="Table with the columns question and candidate, instead of all these."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="CSV for the ranked rows of --table; replaced if it exists.")
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=1, help=f"Candidates of --question to show (else {TOP}).")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the intervals of --table (else 0).")
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
    """Order candidates by how well they go with a question, or every question of a table.

    Candidates are given, or the best that a retriever finds in a gallery. Exits 1 when none is
    decided to be good enough. With the column right (1 or 0), --table also tells how good the
    rankings are.
    """
    load_plugins(plugin)
    asked = question_of(prior, fmr, fnmr, cost_false_match, cost_false_non_match, cost_review)
    options = {
        "--question": question,
        "--answers": answers,
        "--gallery": gallery,
        "--retriever": retriever,
        "--retrieve": retrieve,
        "--where": where or None,
        "--table": table,
        "--out": out,
        "--top": top,
        "--seed": seed,
    }
    _require_form({name for name, value in options.items() if value is not None})
    bundle = Bundle.load(model)
    if table is not None and out is not None:
        facts = _table_facts(bundle, table, out, asked, seed or 0)
        typer.echo(json.dumps(facts) if as_json else _file_summary(facts))
        return
    assert question is not None  # `_require_form` has seen to it
    if answers is not None:
        candidates = read_inputs(answers, modality=bundle.config.modality.name)
        found = rank(bundle, question, candidates, asked=asked)
    else:
        assert gallery is not None
        found = _found(
            bundle,
            question,
            gallery,
            retriever=None if retriever is None else Bundle.load(retriever),
            retrieve=retrieve or RETRIEVE,
            where=pairs_of(where, "--where"),
            cipher=cipher_of(key),
            asked=asked,
        )
    facts = {**found.to_dict(), "question": question}
    shown = top or TOP
    facts["candidates"] = facts["candidates"][:shown]
    typer.echo(json.dumps(facts) if as_json else _summary(found, shown))
    if bundle.calibration is not None and found.answered is not True:
        raise typer.Exit(NO)


def _require_form(given: Set[str]) -> None:
    """Check that the options that were given go together.

    Raises:
        ConfigError: they do not.
    """
    if not any(needed <= given <= needed | further for needed, further in _FORMS):
        raise ConfigError(
            "rank must be given --question with --answers (and with it --top), --question with "
            "--gallery (and with it --top, --retriever, --retrieve and --where), or --table with "
            "--out (and with it --seed). Got "
            f"{', '.join(sorted(given)) or 'none of them'}. See twinlens rank --help."
        )


def _found(
    bundle: Bundle,
    question: str,
    gallery: Path,
    *,
    retriever: Bundle | None,
    retrieve: int,
    where: Mapping[str, str],
    cipher: Cipher | None,
    asked: Question,
) -> Ranking:
    scorer = (bundle if retriever is None else retriever).siamese
    with (
        counting("indexing") as indexing,
        open_any(gallery, scorer=scorer, progress=indexing, cipher=cipher) as opened,
    ):
        warn_read_only(gallery, opened)
        return rank_gallery(
            bundle,
            question,
            opened,
            retriever=retriever,
            retrieve=retrieve,
            where=where,
            asked=asked,
        )


def _table_facts(
    bundle: Bundle, table: Path, out: Path, asked: Question, seed: int
) -> dict[str, Any]:
    with counting("embedding") as progress:
        count, figures = rank_file(bundle, table, out, asked=asked, seed=seed, progress=progress)
    facts: dict[str, Any] = {"questions": count, "out": str(out), "model": bundle.fingerprint}
    if figures is not None:
        facts |= {"answerable": figures.questions, "unanswered": figures.unanswered}
        facts["metrics"] = {
            name: {"value": m.value, "low": m.low, "high": m.high}
            for name, m in figures.metrics.items()
        }
    return facts


def _summary(found: Ranking, top: int) -> str:
    verdict = {True: "answered", False: "no good answer", None: "unsure"}[found.answered]
    lines = [f"{verdict}: {found.why}; model {found.model}."]
    for position, ranked in enumerate(found.candidates[:top], start=1):
        decision = ranked.decision
        sure = "" if decision is None else f"{decision.probability:8.4f} {decision.word:10}"
        lines.append(f"{position:3} {ranked.score:9.4f}{sure} {_named(ranked)}")
    return "\n".join(lines)


def _named(ranked: Ranked) -> str:
    item = ranked.item
    if item is None:
        return str(ranked.candidate)
    name = f"{item.entry.identity}  " if item.entry.identity else ""
    return f"{item.id:6}  {name}{ranked.candidate}"


def _file_summary(facts: dict[str, Any]) -> str:
    lines = [f"{facts['out']}: {facts['questions']:,} questions ranked."]
    if "metrics" in facts:
        lines[0] += f" {facts['answerable']:,} have a right candidate."
        lines += [
            f"  {name:16} {m['value']:.4f} [{m['low']:.4f}, {m['high']:.4f}]"
            for name, m in facts["metrics"].items()
        ]
    return "\n".join(lines)
