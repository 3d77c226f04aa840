"""`twinlens search`: the most alike things that a gallery holds."""

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
from twinlens.tasks.gallery import open_gallery
from twinlens.tasks.search import Found, Together, search
from twinlens.tasks.search_page import write_search_page


def search_command(
    model: Model,
    gallery: GalleryFolder,
    queries: Annotated[
        list[str],
        typer.Argument(metavar="QUERY...", help="Examples of any kind that the model takes."),
    ],
    *,
    k: Annotated[int, typer.Option("-k", "--top", min=1, help="Items for each query.")] = 10,
    page: Annotated[int, typer.Option(min=1, help="1 = the best ones, 2 = the next ...")] = 1,
    where: WhereTexts = None,
    together: Annotated[
        Together,
        typer.Option(help="Several queries: each for itself, their mean, or the best of any."),
    ] = "each",
    like: Annotated[
        list[int] | None, typer.Option(help="Item of an earlier answer to have more of.")
    ] = None,
    unlike: Annotated[
        list[int] | None, typer.Option(help="Item of an earlier answer to have less of.")
    ] = None,
    expand: Annotated[
        int, typer.Option(min=0, help="Best items to join each query for a second search.")
    ] = 0,
    report: Annotated[
        Path | None, typer.Option(help="HTML page with pictures; replaced if it exists.")
    ] = None,
    key: KeyFile = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Find the items of a gallery that are most alike; a larger score is more alike."""
    load_plugins(plugin)
    bundle = Bundle.load(model)
    warn_of_files(bundle, queries, instead="Give the texts themselves.")
    with (
        counting("indexing") as indexing,
        open_gallery(gallery, bundle, progress=indexing, cipher=cipher_of(key)) as opened,
    ):
        warn_read_only(gallery, opened)
        found = search(
            bundle,
            opened,
            queries,
            k=k,
            skip=(page - 1) * k,
            together=together,
            where=pairs_of(where, "--where"),
            like=like or (),
            unlike=unlike or (),
            expand=expand,
        )
    if report is not None:
        write_search_page(report, found, title=f"Search in {gallery.name}")
    if as_json:
        facts = {"model": bundle.fingerprint, "answers": [answer.to_dict() for answer in found]}
        typer.echo(json.dumps(facts))
        return
    for answer in found:
        typer.echo(_told(answer))


def _told(answer: Found) -> str:
    lines = [f"{', '.join(answer.queries)}:"]
    for hit in answer.hits:
        entry = hit.item.entry
        name = f"{entry.identity}  " if entry.identity else ""
        lines.append(f"  {hit.score:8.4f}  {hit.item.id:6}  {name}{entry.source}")
    return "\n".join(lines if answer.hits else [*lines, "  nothing"])
