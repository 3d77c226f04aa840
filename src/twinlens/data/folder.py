"""A folder a class -> examples."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from twinlens.data.dataset import Dataset
from twinlens.data.imitations import read_imitations
from twinlens.data.problems import ProblemLog
from twinlens.errors import DataError
from twinlens.types import Example

Grouping = Literal["auto", "none"]

_NO_TEXT = "a file name must be UTF-8 text. Got other bytes. Rename it."
_SIDES = frozenset({"dev", "eval", "test", "train", "training", "val", "valid", "validation"})


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder below the root. Hidden entries are left out.

    Attributes:
        path: relative to the root, "" for the root itself, "/" between levels.
        files: names, sorted.
        folders: how many folders it holds.
    """

    path: str
    files: tuple[str, ...]
    folders: int


def walk(root: Path, log: ProblemLog) -> list[Folder]:
    """Every folder at and below `root`, in order of path, each real folder once.

    Links are followed after all that is not a link. A folder reached a second time is noted and
    left out, so a link that leads back up cannot go round in circles.
    """
    found: list[Folder] = []
    seen: set[tuple[int, int]] = set()
    real, links = deque([""]), deque[str]()
    while real or links:
        path = real.popleft() if real else links.popleft()
        place = root / path
        try:
            status = place.stat()
            if (status.st_dev, status.st_ino) in seen:
                log.note(
                    "linked-folder",
                    str(place),
                    "the link leads to a folder that is read already.",
                    training="The link is left out; the folder's files are taken once.",
                )
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(place) as entries:
                folder, below = _sort(path, entries, place, log)
        except OSError as error:
            log.error(
                "unreadable-folder",
                str(place),
                f"a folder must be readable. Got: {error.strerror}. Change its permissions.",
            )
            continue
        found.append(folder)
        for name, is_link in below:
            (links if is_link else real).append(f"{path}/{name}" if path else name)
    return sorted(found, key=lambda folder: folder.path)


def examples_of(
    root: Path, folders: Sequence[Folder], *, modality: str, suffixes: Set[str], log: ProblemLog
) -> list[Example]:
    """An example for each file with a known ending; its identity is its folder's path."""
    base = os.path.abspath(root)  # noqa: PTH100 — links stay as they are
    examples: list[Example] = []
    for folder in folders:
        before = len(examples)
        for name in folder.files:
            path = f"{folder.path}/{name}" if folder.path else name
            if suffixes and PurePosixPath(name).suffix.lower() not in suffixes:
                log.note(
                    "unknown-file",
                    str(root / path),
                    f"the ending is none of a known {modality} file.",
                    training="It is left out.",
                )
                continue
            fields = {modality: f"{base}/{path}"}
            examples.append(Example(path, folder.path, fields=fields, source=str(root / path)))
        if len(examples) == before and folder.path and not folder.folders:
            log.warning(
                "empty-class",
                str(root / folder.path),
                f"a class folder must hold at least one {modality} file. Got none.",
                training="The class is left out.",
            )
    return examples


def label_dataset(
    root: Path, examples: Sequence[Example], *, group: Grouping, log: ProblemLog
) -> Dataset:
    """Examples found in class folders, checked and grouped."""
    loose = [example for example in examples if not example.identity]
    for example in loose:
        log.error(
            "file-without-class",
            example.source,
            "an example must lie in the folder of its class. Got it beside the class folders. "
            "Move it into one.",
        )
    placed = [example for example in examples if example.identity]
    if (told := read_imitations(placed)) is not None:
        log.note(
            "imitations",
            str(root),
            f"{sum(e.imitates is not None for e in told)} files lie in folders of imitations.",
            training="They are kept apart from the identity that they imitate.",
        )
        return Dataset(root, tuple(sorted(told, key=lambda e: e.id)))
    outer = outer_levels({str(e.identity) for e in placed}) if group == "auto" else None
    if outer and set(outer.values()) <= _SIDES:
        log.warning(
            "sides-as-groups",
            str(root),
            f"the outer folders {', '.join(sorted(set(outer.values())))} read as sides of a split. "
            "The same class in two of them is two identities. Give one of them as the data.",
            training="Each outer folder is a group.",
        )
    _warn_of_nesting(root, {str(e.identity) for e in placed}, log)
    if outer:
        placed = [_grouped(example, outer[str(example.identity)]) for example in placed]
    return Dataset(root, tuple(sorted(placed, key=lambda e: e.id)))


def _warn_of_nesting(root: Path, identities: Set[str], log: ProblemLog) -> None:
    """Warn of each class folder inside another: it may be meant as a part of that one."""
    for identity in sorted(identities):
        around = [str(p) for p in PurePosixPath(identity).parents if str(p) in identities]
        if around:
            log.warning(
                "class-in-class",
                str(root / identity),
                f"a class folder should not lie in another. Got it in {around[0]}. If it is the "
                "same class, move its files up.",
                training="It is an identity of its own.",
            )


def outer_levels(identities: Set[str]) -> dict[str, str] | None:
    """Identity -> outer folder, when all lie two levels deep and there are two outer folders.

    >>> outer_levels({"Greek/alpha", "Latin/a"}) == {"Greek/alpha": "Greek", "Latin/a": "Latin"}
    True
    >>> outer_levels({"cat", "dog"}) is None
    True
    """
    if any(identity.count("/") != 1 for identity in identities):
        return None
    outer = {identity: identity.partition("/")[0] for identity in identities}
    return outer if len(set(outer.values())) > 1 else None


def _sort(
    path: str, entries: Iterable[os.DirEntry[str]], place: Path, log: ProblemLog
) -> tuple[Folder, list[tuple[str, bool]]]:
    """The files of a folder, and its folders as (name, is a link)."""
    files: list[str] = []
    below: list[tuple[str, bool]] = []
    for entry in sorted(entries, key=lambda e: e.name):
        if entry.name.startswith("."):
            continue
        if not _is_text(entry.name):
            log.error(
                "unreadable-name",
                f"{place}/{entry.name!r}",
                _NO_TEXT,
            )
        elif _is_folder(entry):
            below.append((entry.name, entry.is_symlink()))
        else:
            files.append(entry.name)
    return Folder(path, tuple(files), len(below)), below


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: reading it as a file will say what is wrong
        return False


def require_text(path: str) -> None:
    """Check that a path is text, so that it can be stored.

    Raises:
        DataError: it is not UTF-8.
    """
    if not _is_text(path):
        raise DataError(f"{path!r}: {_NO_TEXT}")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _grouped(example: Example, group: str) -> Example:
    return Example(
        example.id, example.identity, group=group, fields=example.fields, source=example.source
    )
