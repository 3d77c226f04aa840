"""Content hashes: which files are byte for byte the same, and which values are one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from twinlens.data.problems import listed
from twinlens.errors import DataError


def content_hash(path: str, *, by_value: bool = False) -> str:
    """BLAKE2b of a file's bytes, 32 hex digits; read in pieces, whatever its size.

    Args:
        path: of the file; or, `by_value`, the input itself.
        by_value: see `Modality`.

    Raises:
        DataError: the file cannot be read.
    """
    if by_value:
        return _blake2b(path.encode()).hexdigest()
    try:
        with open(path, "rb") as file:  # noqa: PTH123 — a Path for each of 100,000 files is slow
            return hashlib.file_digest(file, _blake2b).hexdigest()
    except OSError as error:
        raise DataError(
            f"{path} must be a readable file. Got: {error.strerror}. "
            "Correct the path or its permissions."
        ) from error


def content_hashes(refs: Sequence[str], *, by_value: bool = False) -> list[str]:
    """The content hash of each file or value, in order.

    Raises:
        DataError: files cannot be read; names all of them.
    """
    hashes: list[str] = []
    unreadable: list[str] = []
    for ref in refs:
        try:
            hashes.append(content_hash(ref, by_value=by_value))
        except DataError as error:
            unreadable.append(str(error))
    if unreadable:
        raise DataError(listed(unreadable, "The data"))
    return hashes


def identity_hash(identity: str) -> str:
    """A name for an identity that does not tell who it is, 32 hex digits.

    It keeps names out of a saved model by accident, not from one who guesses them.

    >>> identity_hash("Greek/alpha") == identity_hash("Greek/alpha")
    True
    """
    return _blake2b(identity.encode()).hexdigest()


def _blake2b(data: bytes = b"") -> hashlib.blake2b:
    return hashlib.blake2b(data, digest_size=16)
