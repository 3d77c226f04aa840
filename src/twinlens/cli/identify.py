"""`twinlens identify`: who is this, or nobody?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from twinlens.bundle import Bundle
from twinlens.cli.gallery_texts import warn_read_only
from twinlens.cli.inputs import warn_of_files
from twinlens.cli.options import (
    AsJson,
    GalleryFolder,
    KeyFile,
    Model,
    Plugins,
    WhereTexts,
    cipher_of,
    load_plugins,
    pairs_of,
)
from twinlens.cli.progress import counting
from twinlens.data.manifest import read_inputs
from twinlens.errors import ConfigError
from twinlens.gallery.identification import Identification
from twinlens.tasks.gallery import open_gallery
from twinlens.tasks.identify import FPIR, answer_of, identify

NO = 1


def identify_command(
    model: Model,
    gallery: GalleryFolder,
    probes: Annotated[
        list[str] | None, typer.Argument(metavar="[PROBE...]", help="Pictures, texts.")
    ] = None,
    *,
    listed: Annotated[
        Path | None,
        typer.Option("--probes", help="Probes: a file with one a line, or a table."),
    ] = None,
    fpir: Annotated[
        float, typer.Option(help="Share of strangers that may be taken for somebody, promised.")
    ] = FPIR,
    candidates: Annotated[int, typer.Option(min=1, help="Best identities to tell of.")] = 3,
    where: WhereTexts = None,
    key: KeyFile = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Say who each probe is (exit 0 when all are known), nobody, or unsure (exit 1)."""
    load_plugins(plugin)
    if bool(probes) == (listed is not None):
        raise ConfigError(
            "identify must be given PROBE... or --probes. Got "
            f"{'both' if probes else 'neither'}. Leave one out or add one."
        )
    bundle = Bundle.load(model)
    if listed is None:
        probes = probes or []
        warn_of_files(bundle, probes, instead="Name a file of texts with --probes.")
    else:
        probes = read_inputs(listed, modality=bundle.config.modality.name)
    with (
        counting("indexing") as indexing,
        open_gallery(gallery, bundle, progress=indexing, cipher=cipher_of(key)) as opened,
    ):
        warn_read_only(gallery, opened)
        answers = identify(
            bundle,
            opened,
            probes,
            fpir=fpir,
            candidates=candidates,
            where=pairs_of(where, "--where"),
        )
    if as_json:
        rows = [
            {"probe": probe, **answer_of(answer)}
            for probe, answer in zip(probes, answers, strict=True)
        ]
        typer.echo(json.dumps({"model": bundle.fingerprint, "answers": rows}))
    else:
        for probe, answer in zip(probes, answers, strict=True):
            typer.echo(_told(probe, answer))
    if not all(answer.known for answer in answers):
        raise typer.Exit(NO)


def _told(probe: str, answer: Identification) -> str:
    score = "" if answer.score is None else f" score {answer.score:.4f},"
    lines = [f"{probe}: {answer.word}.{score} {answer.why}"]
    if answer.recognised is not None:
        lines.append(f"  of the enrolled, {answer.recognised} are recognised at this threshold")
    for hit in answer.candidates:
        name = hit.item.entry.identity or f"item {hit.item.id}"
        lines.append(f"  {hit.score:8.4f}  {name}  {hit.item.entry.source}")
    return "\n".join(lines)
