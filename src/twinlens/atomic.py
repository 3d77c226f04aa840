"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from twinlens.errors import TwinlensError

_TOKEN_BYTES = 6


class WriteError(TwinlensError):
    """Something cannot be written: the disk is full, or the folder may not be written to."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        WriteError: the folder cannot be written to or the disk is full; nothing is left behind.
    """
    with new_file(path) as file:
        file.write(content)


@contextlib.contextmanager
def new_file(path: Path) -> Generator[BinaryIO, None, None]:
    """A file to write to under a temporary name; synced and renamed to `path` at the block's end.

    After a kill at any moment the path holds the old content or the new one. A file that is
    replaced keeps its permissions; a link keeps leading where it led.

    Raises:
        WriteError: the folder cannot be written to or the disk is full; nothing is left behind.
    """
    with _explained(path):
        path = path.resolve()
        if path.exists() and not path.is_file():
            raise WriteError(f"{path} must be a file. Got what is none. Choose another place.")
        temporary = _beside(path)
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        handle = os.open(temporary, flags, 0o666 if mode is None else 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                if mode is not None:
                    os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


@contextlib.contextmanager
def new_folder(path: Path, *, overwrite: bool = False) -> Generator[Path, None, None]:
    """A temporary folder beside `path` to fill; renamed to `path` when the block ends well.

    With `overwrite`, what was at `path` is moved aside first and removed last, so a kill leaves
    the old folder, the new one, or for an instant the old one under a name that tells. The new
    folder has the permissions of the old one.

    Raises:
        WriteError: something is at `path` and may not be replaced, the parent cannot be written
            to, or the disk is full; nothing is left behind.
    """
    with _explained(path):
        path = path.resolve()
        if not overwrite and path.exists() and not _is_empty_folder(path):
            raise WriteError(f"{path} must be new. Got what exists. Choose another place.")
        path.parent.mkdir(parents=True, exist_ok=True)
        place, aside = _beside(path), _beside(path, "replaced")
        place.mkdir()
        try:
            if path.is_dir():
                place.chmod(stat.S_IMODE(path.stat().st_mode))
            yield place
            for file in place.rglob("*"):
                _sync(file)
            sync_folder(place)
            if overwrite and path.exists():
                path.replace(aside)
            try:
                place.replace(path)
            except BaseException:
                if aside.exists():
                    aside.replace(path)
                raise
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        sync_folder(path.parent)
        _remove(aside)


def unfinished_files(path: Path) -> list[Path]:
    """Temporary files of `new_file` for `path`: of writers at work, or that were killed."""
    path = path.resolve()
    hidden = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{{2 * _TOKEN_BYTES}}}")
    if not path.parent.is_dir():
        return []
    return sorted(file for file in path.parent.iterdir() if hidden.fullmatch(file.name))


def _beside(path: Path, what: str = "") -> Path:
    """A hidden name in the same folder that nothing has."""
    return path.with_name(f".{path.name}.{secrets.token_hex(_TOKEN_BYTES)}{what and '.'}{what}")


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _remove(path: Path) -> None:
    """Remove a file or folder, if it is there; what cannot be removed stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def require_writable(folder: Path) -> None:
    """Make a folder, unless it is there, and see whether files can be made in it.

    Raises:
        WriteError: they cannot.
    """
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync(path: Path) -> None:
    if path.is_dir():
        sync_folder(path)
    elif path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())


@contextlib.contextmanager
def _explained(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        advice = (
            "Free some space or choose another place."
            if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else "Choose a place that may be written to."
        )
        reason = error.strerror or str(error)
        raise WriteError(f"{path} must be writable. Got: {reason}. {advice}") from error
