"""`twinlens dedupe`: find copies in a folder of pictures, review, move and undo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from twinlens.atomic import require_writable
from twinlens.bundle import Bundle
from twinlens.cli.inputs import some_of
from twinlens.cli.options import AsJson, Plugins, load_plugins
from twinlens.cli.progress import TrainingProgress, counting
from twinlens.duplicates.perceptual import BITS
from twinlens.duplicates.plan import apply_plan, undo, write_plan
from twinlens.errors import ConfigError
from twinlens.plain import to_plain
from twinlens.self_supervised import COPIES_MODEL, fit_copies, model_for
from twinlens.tasks.dedupe import (
    FPIR,
    HASH_DISTANCE,
    NEIGHBOURS,
    Duplicates,
    check_request,
    find_duplicates,
)
from twinlens.tasks.dedupe_page import write_dedupe_page

FELL_SHORT = 1


def dedupe_command(
    folder: Annotated[Path, typer.Argument(help="Folder of pictures, however nested.")],
    *,
    out: Annotated[
        Path | None, typer.Option(help="CSV of the plan; replaced if it exists.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="Model to compare with; else the one that comes with twinlens."),
    ] = None,
    learn: Annotated[
        bool, typer.Option("--learn", help="Train a model on the folder itself first: minutes.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="HTML page of the clusters; replaced if it exists.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Least score of copies; else by the calibration.")
    ] = None,
    fpir: Annotated[
        float, typer.Option(help="Share of pictures without a copy that may be taken for one.")
    ] = FPIR,
    neighbours: Annotated[
        int, typer.Option(min=1, help="Candidates looked at for each picture.")
    ] = NEIGHBOURS,
    hash_distance: Annotated[
        int,
        typer.Option(
            min=-1,
            max=BITS,
            help="Bits of 64 in which perceptual hashes of copies may differ; -1 = not used.",
        ),
    ] = HASH_DISTANCE,
    apply: Annotated[
        Path | None, typer.Option(help="Carry out this plan: move its copies to --to.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Where --apply moves to.")] = None,
    undo_from: Annotated[
        Path | None, typer.Option("--undo", help="Move all back that was moved to this folder.")
    ] = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Find exact and near copies and write a plan; nothing is ever deleted.

    Exits 1 when some files cannot be read; the rest is done.
    """
    load_plugins(plugin)
    if sum(option is not None for option in (out, apply, undo_from)) != 1:
        raise ConfigError(
            "dedupe must be told one of --out (find), --apply (move) and --undo. Got none or "
            "several. Name one."
        )
    if undo_from is not None:
        count = undo(folder, undo_from)
        _tell({"moved_back": count}, f"{folder}: {count:,} files moved back.", as_json)
        return
    if apply is not None:
        if to is None:
            raise ConfigError("--apply must be told where to move to. Got no --to. Name a folder.")
        count = apply_plan(apply, folder, to)
        text = f"{to}: {count:,} files moved there; back with --undo {to}."
        _tell({"moved": count, "to": str(to)}, text, as_json)
        return
    assert out is not None  # one of the three was named
    check_request(folder, threshold)
    require_writable(out.absolute().parent)
    bundle = _model(folder, out, model, learn=learn, given=threshold is not None)
    with counting("embedding") as progress:
        found = find_duplicates(
            folder,
            bundle,
            out.with_name(out.name + ".gallery"),
            threshold=threshold,
            fpir=fpir,
            neighbours=neighbours,
            hash_distance=hash_distance,
            progress=progress,
        )
    write_plan(out, found.steps)
    if report is not None:
        write_dedupe_page(report, found, folder)
    _tell(_facts(found, out), _summary(found, folder, out), as_json)
    if found.problems:
        raise typer.Exit(FELL_SHORT)


def _model(folder: Path, out: Path, model: Path | None, *, learn: bool, given: bool) -> Bundle:
    """The model named; or that of an earlier run; or one made for the folder, which is kept.

    Where the threshold is given, the one that comes along serves any folder as it is.
    """
    own = out.with_name(out.name + ".model")
    if learn and (model is not None or own.exists()):
        raise ConfigError(
            f"--learn makes {own}, so there must be none, and no --model. Got one. Leave out one "
            f"of the two, or remove {own} and {out}.gallery."
        )
    if model is not None:
        return Bundle.load(model)
    if own.exists():
        return Bundle.load(own)
    if learn:
        with TrainingProgress() as progress:
            return fit_copies(folder, own, listener=progress)
    if given:
        return Bundle.load(COPIES_MODEL)
    with counting("calibrating") as count:
        return model_for(folder, own, progress=count)


def _facts(found: Duplicates, out: Path) -> dict[str, Any]:
    return {
        "out": str(out),
        "files": found.files,
        "new": found.new,
        "clusters": found.clusters,
        "moves": sum(step.action == "move" for step in found.steps),
        "rule": to_plain(found.rule),
        "hash_distance": found.hash_distance,
        "told_by_hash": found.told_by_hash,
        "problems": list(found.problems),
    }


def _summary(found: Duplicates, folder: Path, out: Path) -> str:
    facts = _facts(found, out)
    lines = [
        f"{folder}: {found.files:,} pictures, {found.new:,} of them new; {found.clusters:,} "
        f"clusters, {facts['moves']:,} copies to move.",
        f"Near copies: {found.why}.",
        f"Review {out}, then: twinlens dedupe {folder} --apply {out} --to FOLDER.",
    ]
    return "\n".join([*lines, *some_of("left out", found.problems)])


def _tell(facts: dict[str, Any], text: str, as_json: bool) -> None:
    typer.echo(json.dumps(facts) if as_json else text)
