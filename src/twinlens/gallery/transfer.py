"""A gallery as plain files that other programs read, and back.

vectors.npy   [n, dim] float32
items.jsonl   of each row: identity, content, source, metadata, added
MANIFEST      format, space, and the SHA-256 of both
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator
from contextlib import contextmanager
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
    space = _space(folder)
    if space != gallery.space:
        raise GalleryError(
            f"{folder} must hold embeddings of the model {gallery.space.fingerprint}. Got those "
            f"of {space.fingerprint}. Import it into a gallery of that model."
        )
    with _exported(folder / VECTORS):
        vectors: Any = np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False)
        if not isinstance(vectors, np.ndarray) or vectors.dtype.kind != "f":
            raise TypeError("what is no array of decimal numbers")
    return gallery.add(vectors, _entries(folder / ITEMS))


def _entries(path: Path) -> list[Entry]:
    with _exported(path):
        text = path.read_text(encoding="utf-8").removesuffix("\n")
    entries: list[Entry] = []
    for number, line in enumerate(text.split("\n") if text else [], start=1):
        with _exported(path, number):
            entries.append(_entry(json.loads(line)))
    return entries


def _entry(row: Any) -> Entry:
    del row["added"]
    metadata = row.get("metadata", {})
    identity = row.get("identity")
    texts = [row.get("content"), row.get("source", ""), "" if identity is None else identity]
    for text in (*texts, *metadata, *metadata.values()):
        if not isinstance(text, str):
            raise TypeError(f"{text!r}, which is no text")
        text.encode()  # half of a character is none
    return from_plain(Entry, row)


def _space(folder: Path) -> Space:
    """Of the embeddings, if the files are those of the manifest."""
    with _exported(folder / MANIFEST):
        manifest: Any = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        version = manifest["format"]
    if version != FORMAT:
        raise GalleryError(
            f"{folder} must be of format {FORMAT}. Got {version}. Export again with this version."
        )
    with _exported(folder / MANIFEST):
        space, digests = from_plain(Space, manifest["space"]), manifest["files"]
        same = {name: _sha256(folder / name) == digests[name] for name in (VECTORS, ITEMS)}
    for name, is_same in same.items():
        if not is_same:
            raise GalleryError(
                f"{folder / name} must be as it was exported. Got other bytes. Export again."
            )
    return space


@contextmanager
def _exported(path: Path, row: int | None = None) -> Generator[None, None, None]:
    """A block that reads what an export wrote; anything else becomes one error."""
    try:
        yield
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GalleryError(
            f"{path}{'' if row is None else f', row {row},'} must be what twinlens gallery export "
            f"wrote. Got a problem with {error}. Export again."
        ) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
