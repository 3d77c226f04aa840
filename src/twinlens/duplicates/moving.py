"""Moving a file, also to another disk: it is whole under one of its names at any moment.

Where the disk can, the file gets its second name first and loses the old one then. Else a copy of
it is made and checked first. A move that was cut short is told by what it left, and gone on with.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

from twinlens.atomic import sync_folder
from twinlens.data.duplicates import content_hash
from twinlens.errors import DataError

_NO_LINK = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}
)
"""Another disk, or one whose files have one name each."""


def move(source: Path, target: Path) -> None:
    """Move a file to where nothing is, or where `is_halfway` says that it is itself.

    Raises:
        DataError: it cannot be moved; it is still where it was.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not _is_whole(source, target):
            _put(source, target)
        sync_folder(target.parent)
        source.unlink()
    except OSError as error:
        raise DataError(
            f"{source} must move to {target}. Got: {error.strerror}. Choose a folder that can be "
            "written to and has room for it."
        ) from error


def is_halfway(source: Path, target: Path) -> bool:
    """Whether a file's move was cut short, and what is at its new place is the file itself.

    Either both are names of one file; or the new one is a copy; or it is a name that is taken up
    already for the copy beside it.
    """
    return _is_whole(source, target) or _is_taken_up(target)


def clear(target: Path) -> None:
    """Remove what a move to there that was cut short has left, unless the file is there itself."""
    part = _part(target)
    if part.is_file():
        if _is_taken_up(target):
            target.unlink()
        part.unlink()


def _is_whole(source: Path, target: Path) -> bool:
    if target.is_symlink() or not (target.is_file() and source.is_file()):
        return False
    if target.resolve() == source.resolve():  # by a link among the folders: it is the only copy
        return False
    return target.samefile(source) or content_hash(str(target)) == content_hash(str(source))


def _is_taken_up(target: Path) -> bool:
    if target.is_symlink() or not target.is_file():
        return False
    return target.stat().st_size == 0 and _part(target).is_file()


def _part(target: Path) -> Path:
    """The copy beside a file's new place, until it is whole."""
    name = hashlib.blake2b(os.fsencode(target.name), digest_size=16).hexdigest()
    return target.with_name(f".twinlens-{name}")


def _put(source: Path, target: Path) -> None:
    if not _is_taken_up(target):
        try:
            os.link(source, target)  # unlike a rename it fails where something is
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
        else:
            return
    _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    """A copy beside; then its name is taken up, which fails where something is; then renamed."""
    part = _part(target)
    goes_on = _is_taken_up(target)
    try:
        _write(source, part)
        if content_hash(str(part)) != content_hash(str(source)):
            raise DataError(
                f"The copy of {source} at {part} must have the same bytes. It has not. Check the "
                "disk."
            )
        sync_folder(part.parent)
        if not goes_on:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except BaseException:
        if not goes_on:
            part.unlink(missing_ok=True)
        raise
    part.replace(target)


def _write(source: Path, part: Path) -> None:
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with source.open("rb") as old, os.fdopen(handle, "wb") as new:
        shutil.copyfileobj(old, new)
        new.flush()
        with suppress(OSError):  # not every disk keeps permissions
            shutil.copystat(source, part)
        os.fsync(new.fileno())
