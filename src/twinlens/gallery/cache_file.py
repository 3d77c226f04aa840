"""The index of a gallery on disk, with the state of the store that it belongs to.

magic, length of the header, header (JSON), index, BLAKE2b of all before it. The file appears whole
or not at all, and nothing of it is believed before its hash agrees.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from twinlens.atomic import WriteError, new_file, unfinished_files
from twinlens.errors import GalleryError
from twinlens.gallery.cipher import Cipher, OpeningFile, SealingFile
from twinlens.gallery.entries import Space
from twinlens.gallery.index import Index
from twinlens.gallery.store import Head
from twinlens.plain import to_plain

NAME = "index.cache"
_MAGIC = b"twinlens index 1\n"
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Cached:
    """An index and the state of the items that it holds."""

    index: Index
    head: Head


def save(path: Path, cached: Cached, cipher: Cipher | None = None) -> None:
    """Write the file, sealed but for its header where there is a key.

    Only for who holds off other writers: see `delete_unfinished`.

    Raises:
        GalleryError: a folder lies in its place.
        WriteError: the disk is full, or the folder cannot be written to.
    """
    _require_no_folder(path)
    delete_unfinished(path)
    head = cached.head
    header = json.dumps(
        {
            "space": to_plain(cached.index.space),
            "change": head.change,
            "mark": head.mark.hex(),
        }
    ).encode()
    with new_file(path) as file:
        hashing = _Hashing(file)
        hashing.write(_MAGIC + struct.pack("<I", len(header)) + header)
        if cipher is None:
            cached.index.write(cast(BinaryIO, hashing))
        else:
            sealing = SealingFile(cast(BinaryIO, hashing), cipher, _label(head))
            cached.index.write(cast(BinaryIO, sealing))
            sealing.close()
        file.write(hashing.digest.digest())


def load(path: Path, space: Space, cipher: Cipher | None = None) -> Cached | None:
    """Read the file; None when it is missing, damaged, or of another space, version or key.

    Raises:
        GalleryError: a folder lies in its place.
    """
    _require_no_folder(path)
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        if not _is_whole(file):
            return None
        file.seek(len(_MAGIC))
        (length,) = struct.unpack("<I", file.read(4))
        header = json.loads(file.read(length))
        if header["space"] != to_plain(space):
            return None
        head = Head(header["change"], bytes.fromhex(header["mark"]))
        if cipher is None:
            return Cached(Index.read(file, space), head)
        opening = OpeningFile(file, cipher, _label(head))
        try:
            return Cached(Index.read(cast(BinaryIO, opening), space), head)
        except ValueError:
            return None


def delete(path: Path) -> None:
    """Leave nothing of the file. Only for who holds off other writers: see `delete_unfinished`.

    Raises:
        GalleryError: a folder lies in its place.
        WriteError: what was left under a temporary name cannot be deleted.
    """
    _require_no_folder(path)
    delete_unfinished(path)
    path.unlink(missing_ok=True)


def delete_unfinished(path: Path) -> None:
    """Delete what writers that were killed left under temporary names: it holds templates, too.

    Only for who holds off other writers, as each does that writes the file: then none is in use.

    Raises:
        WriteError: one cannot be deleted.
    """
    for file in unfinished_files(path):
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise WriteError(
                f"{file} must be removable. Got: {error.strerror}. Remove it yourself."
            ) from error


def _require_no_folder(path: Path) -> None:
    if path.is_dir():
        raise GalleryError(
            f"{path} must be a file, which is made whenever it is missing. Got a folder. Remove it."
        )


def _label(head: Head) -> str:
    return f"index {head.change} {head.mark.hex()}"


def _is_whole(file: BinaryIO) -> bool:
    """Whether it is of this version, and the hash at its end is that of the rest."""
    size = file.seek(0, io.SEEK_END) - _DIGEST_BYTES
    file.seek(0)
    if size < len(_MAGIC) or file.read(len(_MAGIC)) != _MAGIC:
        return False
    digest = hashlib.blake2b(_MAGIC, digest_size=_DIGEST_BYTES)
    left = size - len(_MAGIC)
    while left:
        part = file.read(min(left, 2**20))
        digest.update(part)
        left -= len(part)
    return file.read(_DIGEST_BYTES) == digest.digest()


class _Hashing:
    """Writes to a file and hashes what passes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._file.write(data)
