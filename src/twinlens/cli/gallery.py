"""`twinlens gallery`: enrol, remove, look after and move what a gallery holds."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from twinlens.bundle import Bundle
from twinlens.cli.gallery_texts import told_enrolled, told_item, told_stats, warn_read_only
from twinlens.cli.inputs import some_of
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
from twinlens.data.cache import Progress
from twinlens.errors import ConfigError, GalleryError
from twinlens.gallery import (
    AnyGallery,
    Gallery,
    MilvusGallery,
    MilvusPlace,
    export_gallery,
    import_gallery,
    open_any,
    require_in_folder,
    write_key,
)
from twinlens.plain import to_plain
from twinlens.tasks.gallery import BATCH, create_gallery, enrol, open_gallery
from twinlens.tasks.migrate import migrate
from twinlens.tasks.workers import Workers, embed_on_workers

FELL_SHORT = 1

gallery_app = typer.Typer(
    help="Enrol, remove and look after what is searched.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@gallery_app.command("key")
def key_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="New file to write it to.")],
) -> None:
    """Make a key for encrypted galleries. Whoever loses it loses their templates."""
    write_key(file)
    typer.echo(f"{file}: a new key, which only you can read. Keep it apart from the gallery.")


@gallery_app.command("create")
def create(
    gallery: Annotated[Path, typer.Argument(metavar="GALLERY", help="Folder to make.")],
    model: Model,
    *,
    log_searches: Annotated[
        bool, typer.Option(help="Log each search too, not only what is added and removed.")
    ] = True,
    store: Annotated[
        str | None,
        typer.Option(
            help="Keep it in a Milvus that several machines share: milvus:http://host:19530."
        ),
    ] = None,
    plugin: Plugins = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Make an empty gallery for a model; with a key, its templates are encrypted."""
    load_plugins(plugin)
    bundle, cipher = Bundle.load(model), cipher_of(key)
    place = None if store is None else MilvusPlace.new(store, gallery)
    with create_gallery(
        gallery, bundle, log_searches=log_searches, cipher=cipher, place=place
    ) as made:
        facts = {"gallery": str(gallery), **to_plain(made.space), "log_searches": log_searches}
    text = f"{gallery}: an empty gallery for the model {facts['fingerprint']}"
    if place is not None:
        facts |= {"store": to_plain(place)}
        text += f", kept in the collection {place.collection} of {place.uri}"
    _tell(facts, f"{text}.", as_json)


@gallery_app.command("add")
def add(
    gallery: GalleryFolder,
    model: Model,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Files; folders, in which each folder is an identity; or tables.",
        ),
    ],
    *,
    identity: Annotated[
        str | None,
        typer.Option(
            help="Of all of them, whatever their folders say. Without it, what lies at the top of "
            "a PATH has none."
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="Metadata of all of them, as colour=red. May be repeated."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Embed in so many processes, by Ray; else in this one."),
    ] = None,
    ray: Annotated[
        str | None, typer.Option(help="... of a Ray cluster: auto, on a machine of it.")
    ] = None,
    plugin: Plugins = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Enrol inputs. Exits 1 when some cannot be read; the others are enrolled."""
    load_plugins(plugin)
    bundle = Bundle.load(model)
    labels = pairs_of(label, "--label")
    cipher = cipher_of(key)
    embed = None
    if workers is not None:
        who = Workers(workers, ray, tuple(plugin or ()))
        embed = partial(
            embed_on_workers, model, workers=who, fingerprint=bundle.fingerprint, at_once=BATCH
        )
    elif ray is not None:
        raise ConfigError("--ray must come with --workers. Got none. Say how many to use.")
    with (
        open_gallery(gallery, bundle, cipher=cipher) as opened,
        counting("embedding") as progress,
    ):
        done = enrol(
            opened, bundle, paths, identity=identity, labels=labels, embed=embed, progress=progress
        )
    facts = {
        "gallery": str(gallery),
        "added": len(done.added),
        "without_identity": done.without_identity,
        "ids": list(done.added),
        "known": done.known,
        "labels_not_added": done.labels_not_added,
        "problems": list(done.problems),
    }
    _tell(facts, told_enrolled(gallery, done), as_json)
    if done.problems:
        raise typer.Exit(FELL_SHORT)


@gallery_app.command("remove")
def remove(
    gallery: GalleryFolder,
    *,
    id: Annotated[
        list[int] | None, typer.Option("--id", help="Number of an item. May be repeated.")
    ] = None,
    identity: Annotated[str | None, typer.Option(help="All items of this identity.")] = None,
    where: WhereTexts = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Remove items and every trace of them. Exits 1 while another process keeps traces."""
    texts = pairs_of(where, "--where")
    if (id is not None) + (identity is not None) + bool(texts) != 1:
        raise ConfigError(
            "gallery remove must be told what to remove by one of --id, --identity and --where. "
            "Got none or several. Name one."
        )
    with open_any(gallery, cipher=cipher_of(key)) as opened:
        chosen = id or opened.ids(identity=identity, where=texts).tolist()
        if identity is not None and not chosen:
            raise GalleryError(
                f"An identity to be removed must be in {gallery}. Got {identity!r}, of which no "
                "item is. See twinlens gallery list."
            )
        done = opened.remove(chosen) if chosen else None
    removed = list(done.ids) if done else []
    erased = done.erased if done else True
    traces = {
        True: ".",
        False: "; another process still reads an older state and keeps traces.",
        None: "; Milvus keeps traces on its disks until it compacts them.",
    }[erased]
    text = f"{gallery}: {len(removed):,} removed{traces}"
    _tell({"gallery": str(gallery), "removed": removed, "erased": erased}, text, as_json)
    if erased is False:
        raise typer.Exit(FELL_SHORT)


@gallery_app.command("list")
def list_items(
    gallery: GalleryFolder,
    *,
    identity: Annotated[str | None, typer.Option(help="Only items of this identity.")] = None,
    where: WhereTexts = None,
    after: Annotated[int, typer.Option(help="Only items with greater numbers.")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="Items at most.")] = 100,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """List items: number, identity, where each came from, metadata."""
    with _read(gallery, key) as opened:
        ids = opened.ids(identity=identity, where=pairs_of(where, "--where"))
        ids = ids[ids > after]
        items = opened.items(ids[:limit])
    if as_json:
        rows = [{"id": item.id, **to_plain(item.entry), "added": item.added} for item in items]
        typer.echo(json.dumps({"items": rows, "more": max(0, len(ids) - limit)}))
        return
    for item in items:
        typer.echo(told_item(item))
    if len(ids) > limit:
        typer.echo(f"... and {len(ids) - limit:,} more: --after {items[-1].id}.")


@gallery_app.command("log")
def show_log(
    gallery: GalleryFolder,
    *,
    limit: Annotated[int, typer.Option(min=1, help="Newest entries at most.")] = 100,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Who was enrolled, removed and searched, and when: items by number, identities as hashes."""
    with _read(gallery, key) as opened:
        entries = opened.log(newest=limit)
    if as_json:
        typer.echo(json.dumps(to_plain(entries)))
        return
    for entry in entries:
        details = json.dumps(dict(entry.details))
        typer.echo(f"{entry.number:6}  {entry.at}  {entry.by}  {entry.action}  {details}")


@gallery_app.command("stats")
def stats(gallery: GalleryFolder, *, key: KeyFile = None, as_json: AsJson = False) -> None:
    """How much a gallery holds, how it is searched, and how large it is."""
    with (
        counting("indexing") as progress,
        _read(gallery, key, progress) as opened,
    ):
        found = opened.stats()
    _tell(to_plain(found), told_stats(gallery, found), as_json)


@gallery_app.command("verify")
def verify(
    gallery: GalleryFolder,
    *,
    removed: Annotated[
        int | None, typer.Option(help="Check instead that nothing of this removed item is left.")
    ] = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Check store, log and index against one another, and what a search finds. Exits 1 if not well.
    """  # fmt: skip
    facts: dict[str, Any]
    with _read(gallery, key) as opened:
        if removed is not None:
            problems = opened.verify_removed(removed)
            facts = {"removed": removed, "problems": problems}
            text = f"{gallery}: nothing of item {removed} is left."
            if isinstance(opened, MilvusGallery):
                text = f"{gallery}: item {removed} is not found; of Milvus' disks nothing is known."
        else:
            found = opened.verify()
            problems = list(found.problems)
            facts = to_plain(found)
            recall = (
                "every search compares with all"
                if found.recall is None
                else f"{100 * found.recall:.2f} % of the ten most alike are found"
            )
            text = f"{gallery}: {found.items:,} items, store and index agree; {recall}."
    if problems:
        text = "\n".join(f"{gallery}: {problem}." for problem in problems)
    _tell({"gallery": str(gallery), **facts}, text, as_json)
    if problems:
        raise typer.Exit(FELL_SHORT)


@gallery_app.command("rebuild")
def rebuild(
    gallery: GalleryFolder,
    *,
    accept_loss: Annotated[
        bool, typer.Option(help="Go on, and log it, where changes are missing that were reported.")
    ] = False,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Make the index anew from the store."""
    require_in_folder(gallery, "rebuilt")
    cipher = cipher_of(key)
    with (
        counting("indexing") as progress,
        Gallery.open(gallery, progress=progress, cipher=cipher, accept_loss=accept_loss) as opened,
    ):
        count = opened.rebuild()
    _tell(
        {"gallery": str(gallery), "items": count},
        f"{gallery}: the index of {count:,} items was made anew.",
        as_json,
    )


@gallery_app.command("migrate")
def migrate_(
    gallery: GalleryFolder,
    model: Annotated[Path, typer.Argument(metavar="NEW_MODEL", help="Model to follow.")],
    *,
    drop_lost: Annotated[
        bool, typer.Option(help="Remove items whose originals are gone or changed.")
    ] = False,
    plugin: Plugins = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Embed all originals by a new model, and let it follow the old one, at once. Can be cut short
    and gone on with. Exits 1, with the old model, where originals are lost.
    """
    load_plugins(plugin)
    bundle, cipher = Bundle.load(model), cipher_of(key)
    with counting("embedding") as progress:
        done = migrate(gallery, bundle, drop_lost=drop_lost, cipher=cipher, progress=progress)
    lost = [f"item {item}: {why}" for item, why in done.lost.items()]
    lines = (
        [f"{gallery}: of the model {bundle.fingerprint} now."]
        if done.done
        else [f"{gallery}: of the old model still; the originals of {len(lost):,} items are lost. "
              "Put them back, or remove these items with --drop-lost."]
    )  # fmt: skip
    lines += some_of("removed" if done.done else "lost", lost)
    _tell({"gallery": str(gallery), **to_plain(done)}, "\n".join(lines), as_json)
    if not done.done:
        raise typer.Exit(FELL_SHORT)


@gallery_app.command("export")
def export(
    gallery: GalleryFolder,
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    *,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Write vectors.npy and items.jsonl, which other programs read and `import` takes back."""
    with _read(gallery, key) as opened:
        count = export_gallery(opened, out)
    facts = {"gallery": str(gallery), "out": str(out), "items": count}
    _tell(facts, f"{out}: {count:,} items of {gallery}.", as_json)


@gallery_app.command("import")
def import_(
    gallery: GalleryFolder,
    folder: Annotated[Path, typer.Argument(help="Folder that `gallery export` wrote.")],
    *,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Enrol all that was exported from a gallery of the same model, or nothing of it."""
    with open_any(gallery, cipher=cipher_of(key)) as opened:
        done = import_gallery(opened, folder)
        opened.refresh()
    facts = {"gallery": str(gallery), "added": len(done.ids), "known": len(done.known)}
    text = f"{gallery}: {len(done.ids):,} added, {len(done.known):,} there already."
    _tell(facts, text, as_json)


@contextmanager
def _read(
    gallery: Path, key: Path | None, progress: Progress | None = None
) -> Generator[AnyGallery, None, None]:
    """A gallery, for a command that writes nothing."""
    with open_any(gallery, progress=progress, cipher=cipher_of(key)) as opened:
        warn_read_only(gallery, opened)
        yield opened


def _tell(facts: dict[str, Any], text: str, as_json: bool) -> None:
    typer.echo(json.dumps(facts) if as_json else text)
