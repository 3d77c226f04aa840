"""Templates that only the holder of a key can read: AES-256 in Galois/counter mode.

A template of a face or a signature says whom it shows to whoever has the model. What is sealed
is bound to its place, so that one template cannot be put in the place of another unnoticed.

Source:
    NIST SP 800-38D, with a random nonce of 96 bits for each message. The extra `privacy` brings the
    package `cryptography`.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any, BinaryIO

from twinlens.errors import ConfigError, GalleryError

KEY_BYTES = 32
_NONCE_BYTES = 12
_CHECK = b"twinlens gallery"
_PART_BYTES = 2**20


class Cipher:
    """Seals and opens with one key.

    Args:
        key: `KEY_BYTES` random bytes.

    Raises:
        ConfigError: the key is of another length, or the package `cryptography` is missing.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ConfigError(
                f"A key must be {KEY_BYTES} bytes. Got {len(key)}. Make one: twinlens gallery key."
            )
        aead, self._invalid = _cryptography()
        self._aead: Any = aead(key)

    @classmethod
    def from_file(cls, path: Path) -> Cipher:
        """The key of a file that `write_key` made.

        Raises:
            ConfigError: it cannot be read, or is something else.
        """
        try:
            text = path.read_text(encoding="ascii").strip()
            return cls(bytes.fromhex(text))
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{path} must be a file that twinlens gallery key made. Got: {error}. Correct the "
                "path."
            ) from error

    def seal(self, data: bytes, label: str) -> bytes:
        """Nonce, what only the key opens, and a tag; it opens with the same label only."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, data, label.encode())

    def open(self, sealed: bytes, label: str) -> bytes | None:
        """What was sealed; None with another key or label, or where a byte has changed."""
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._aead.decrypt(nonce, rest, label.encode())
        except (self._invalid, ValueError):
            return None

    def check(self) -> bytes:
        """What tells this key from another."""
        return self.seal(_CHECK, "check")

    def fits(self, check: bytes) -> bool:
        """Whether this is the key that made a check."""
        return self.open(check, "check") == _CHECK


def write_key(path: Path) -> None:
    """A new key in a new file that only its owner can read.

    Raises:
        ConfigError: something is at `path`, or it cannot be written to.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
    except OSError as error:
        raise ConfigError(
            f"{path} must be the path of a new file. Got: {error}. Choose another."
        ) from error


def require_key(path: Path, cipher: Cipher | None, check: bytes | None) -> None:
    """Refuse a key that is missing, superfluous or of another gallery.

    Raises:
        GalleryError: it is.
    """
    if check is None and cipher is not None:
        raise GalleryError(
            f"{path} must be encrypted to be opened with a key. Got one that is not. Leave the key "
            "out, or export it and import that into one that is made with the key."
        )
    if check is not None and (cipher is None or not cipher.fits(check)):
        raise GalleryError(
            f"{path} must be opened with its key, as it is encrypted. Got "
            f"{'none' if cipher is None else 'another'}. Name the file of its key with --key."
        )


class SealingFile:
    """Seals what is written to a file, part by part; call `close` at the end."""

    def __init__(self, file: BinaryIO, cipher: Cipher, label: str) -> None:
        self._file, self._cipher, self._label = file, cipher, label
        self._waiting = bytearray()
        self._parts = 0

    def write(self, data: bytes) -> int:
        self._waiting += data
        while len(self._waiting) > _PART_BYTES:
            self._put(bytes(self._waiting[:_PART_BYTES]), last=False)
            del self._waiting[:_PART_BYTES]
        return len(data)

    def close(self) -> None:
        """Write what is left, marked as the last."""
        self._put(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _put(self, part: bytes, *, last: bool) -> None:
        sealed = self._cipher.seal(part, f"{self._label} {self._parts} {last}")
        self._file.write(bytes([last]) + len(sealed).to_bytes(4, "little") + sealed)
        self._parts += 1


class OpeningFile:
    """Reads what `SealingFile` wrote.

    `read` raises ValueError where a part is missing, moved or changed, or the key is another.
    """

    def __init__(self, file: BinaryIO, cipher: Cipher, label: str) -> None:
        self._file, self._cipher, self._label = file, cipher, label
        self._ready = bytearray()
        self._parts = 0
        self._ended = False

    def read(self, size: int) -> bytes:
        """As many bytes; fewer at the end."""
        while len(self._ready) < size and not self._ended:
            self._take()
        found = bytes(self._ready[:size])
        del self._ready[:size]
        return found

    def _take(self) -> None:
        head = self._file.read(5)
        last = bool(head[:1] == b"\1")
        sealed = self._file.read(int.from_bytes(head[1:], "little"))
        part = self._cipher.open(sealed, f"{self._label} {self._parts} {last}")
        if part is None:
            raise ValueError("a sealed part that does not open")
        self._ready += part
        self._parts += 1
        self._ended = last


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise ConfigError(
            "An encrypted gallery must have the package cryptography. Got none. Install it: pip "
            "install twinlens[privacy]."
        ) from error
    return AESGCM, InvalidTag
