"""The folder of one training: held by one process, removed when nothing in it is worth keeping."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from twinlens.errors import TrainingError
from twinlens.training.history import LOG

CHECKPOINT = "checkpoint.safetensors"
_LOCK = "lock"
_OURS = (CHECKPOINT, LOG, _LOCK)


@contextmanager
def workplace(folder: Path, *, resume: bool) -> Generator[None, None, None]:
    """Hold a folder while training in it; a fresh start empties it first.

    An error before the first checkpoint removes the folder: nothing was learned that could be lost.

    Args:
        folder: made when missing.
        resume: keep what an earlier run left there.

    Raises:
        TrainingError: another process trains there, it holds something else, or cannot be written.
    """
    if _is_someone_elses(folder):
        raise TrainingError(
            f"{folder} must be free for the training. Got something else, which is left "
            "alone. Move it, or choose another --out."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise TrainingError(
            f"{folder} must be trained in by one process at a time. Got another at work. Wait for "
            "it, or choose another --out."
        ) from error
    except OSError as error:
        raise TrainingError(
            f"{folder} must be writable. Got: {error.strerror}. Choose another --out."
        ) from error
    try:
        if not resume:
            (folder / CHECKPOINT).unlink(missing_ok=True)
            (folder / LOG).unlink(missing_ok=True)
        yield
    finally:
        if not (folder / CHECKPOINT).exists():
            shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def _is_someone_elses(folder: Path) -> bool:
    if not folder.exists() or any((folder / name).exists() for name in _OURS):
        return False
    return not folder.is_dir() or any(folder.iterdir())


def discard(folder: Path) -> None:
    """Give up what is in the folder: the model is saved."""
    (folder / CHECKPOINT).unlink()
