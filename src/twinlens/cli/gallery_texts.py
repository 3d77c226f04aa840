"""What the commands of `twinlens gallery` tell people."""

from __future__ import annotations

from pathlib import Path

import typer

from twinlens.cli.inputs import some_of
from twinlens.gallery import AnyGallery, Item, Stats
from twinlens.tasks.gallery import Enrolled


def told_enrolled(gallery: Path, done: Enrolled) -> str:
    """What became of inputs that were to be enrolled."""
    bare = f" ({done.without_identity:,} without an identity)" if done.without_identity else ""
    lines = [f"{gallery}: {len(done.added):,} added{bare}, {done.known:,} there already."]
    if done.labels_not_added:
        lines.append(
            f"labels of {done.labels_not_added:,} that were there already were not changed; to "
            "change them, remove these and add them again."
        )
    return "\n".join([*lines, *some_of("left out", done.problems)])


def told_item(item: Item) -> str:
    """Number, identity, where it came from, metadata."""
    entry = item.entry
    labels = " ".join(f"{key}={value}" for key, value in entry.metadata.items())
    return f"{item.id:8}  {entry.identity or '-'}  {entry.source}  {labels}".rstrip()


def told_stats(gallery: Path, found: Stats) -> str:
    """How much there is, how it is searched, and how large it is."""
    templates = ", ".join(f"{count:,} with {number}" for number, count in found.templates)
    lines = [
        f"{gallery}: {found.items:,} items of {found.identities:,} identities"
        f"{f' ({templates} each)' if templates else ''}, {found.without_identity:,} without one.",
        f"model {found.space.fingerprint}, {found.space.dim} numbers a template, compared by "
        f"{found.space.similarity}; search: {found.index}.",
        f"{_size(found)}; {found.changes:,} entries in the log"
        f"{'; encrypted' if found.encrypted else ''}.",
    ]
    if found.waiting is not None:
        lines.append(
            f"a migration is under way: {found.waiting:,} items have yet to be embedded. Go on "
            "with twinlens gallery migrate."
        )
    return "\n".join(lines)


def warn_read_only(gallery: Path, opened: AnyGallery) -> None:
    """Say on standard error that nothing is written, where nothing can be."""
    if opened.read_only is not None:
        typer.echo(
            f"{gallery}: read only, as {opened.read_only}; nothing is written, not even an index.",
            err=True,
        )


def _size(found: Stats) -> str:
    if found.store_bytes is None or found.index_bytes is None:
        return "its size is known to Milvus only"
    return f"store {found.store_bytes:,} bytes, index {found.index_bytes:,} bytes"
