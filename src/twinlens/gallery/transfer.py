"""A gallery as plain files that other programs read, and back.

vectors.npy   [n, dim] float32
items.jsonl   of each row: identity, content, source, metadata, added
MANIFEST      format, space, and the SHA-256 of both
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from twinlens.atomic import new_folder
from twinlens.errors import GalleryError
from twinlens.gallery.entries import Added, Entry, Space
from twinlens.gallery.interface import AnyGallery
from twinlens.plain import from_plain, to_plain

FORMAT = 1
VECTORS, ITEMS, MANIFEST = "vectors.npy", "items.jsonl", "MANIFEST"
_AT_ONCE = 4096


def export_gallery(gallery: AnyGallery, out: Path) -> int:
    """Write all items; the folder appears whole or not at all. Returns how many there are.

    The log stays behind, and so does what was removed.

    Raises:
        WriteError: something is at `out`, or the disk is full.
    """
    ids = gallery.ids()
    with new_folder(out) as place:
        np.save(place / VECTORS, gallery.vectors(ids), allow_pickle=False)
        with (place / ITEMS).open("w", encoding="utf-8") as file:
            for start in range(0, len(ids), _AT_ONCE):
                for item in gallery.items(ids[start : start + _AT_ONCE]):
                    row = {**to_plain(item.entry), "added": item.added}
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
        manifest = {
            "format": FORMAT,
            "space": to_plain(gallery.space),
            "files": {name: _sha256(place / name) for name in (VECTORS, ITEMS)},
        }
        (place / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return len(ids)


def import_gallery(gallery: AnyGallery, folder: Path) -> Added:
    """Enrol all that was exported: all of it or nothing. What is there already stays as it is.

    Raises:
        GalleryError: the files are missing, changed, of another version or another model, or one
            content has two identities.
    """
    manifest = _manifest(folder)
    space = from_plain(Space, manifest["space"])
    if space != gallery.space:
        raise GalleryError(
            f"{folder} must hold embeddings of the model {gallery.space.fingerprint}. Got those "
            f"of {space.fingerprint}. Import it into a gallery of that model."
        )
    vectors = np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False)
    return gallery.add(vectors, list(_entries(folder / ITEMS)))


def _entries(path: Path) -> Iterator[Entry]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            row: dict[str, Any] = json.loads(line)
            row.pop("added")
            yield from_plain(Entry, row)


def _manifest(folder: Path) -> dict[str, Any]:
    """The manifest, if the files are those that it names."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        changed = [n for n, digest in manifest["files"].items() if _sha256(folder / n) != digest]
    except (OSError, ValueError, KeyError) as error:
        raise GalleryError(
            f"{folder} must be what twinlens gallery export wrote. Got a problem with {error}. "
            "Export again."
        ) from error
    if manifest["format"] != FORMAT:
        raise GalleryError(
            f"{folder} must be of format {FORMAT}. Got {manifest['format']}. Export again with "
            "this version."
        )
    if changed:
        raise GalleryError(
            f"{folder / changed[0]} must be as it was exported. Got other bytes. Export again."
        )
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
