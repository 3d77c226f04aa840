"""The plan that a person reviews: what to keep and what to move; carried out, and undone.

Nothing is ever deleted or written over. Each move is noted before it is made, so that a run that
was cut short is undone as well as a whole one.
"""

from __future__ import annotations

import csv
import io
import os
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

from twinlens.atomic import write_bytes
from twinlens.data.duplicates import content_hash
from twinlens.data.problems import listed
from twinlens.duplicates.moving import clear, is_halfway, move
from twinlens.errors import DataError

JOURNAL = "moved.csv"
_COLLECTION = "collection"


@dataclass(frozen=True, slots=True)
class Step:
    """One file of a cluster.

    Attributes:
        cluster: number of it, from 1.
        action: "keep" or "move".
        path: relative to the collection.
        kind: "best" of its cluster, "exact" copy of another file, or "near" copy.
        score: of the pair that brought it in; larger = more alike; "" for the best and exact.
        joined_by: the other file of that pair.
        told_by: what says that the pair are copies: "content" of exact ones, the score of the
            "model", or a perceptual "hash" where the score alone does not; "" for the best.
        width, height, sharpness, bytes: what the best was chosen by.
        content: hash of the file when it was looked at.
    """

    cluster: int
    action: Literal["keep", "move"]
    path: str
    kind: Literal["best", "exact", "near"]
    score: str
    joined_by: str
    told_by: Literal["content", "model", "hash", ""]
    width: int
    height: int
    sharpness: float
    bytes: int
    content: str


def write_plan(path: Path, steps: Sequence[Step]) -> None:
    """Write the plan as CSV.

    Raises:
        WriteError: it cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [field.name for field in fields(Step)])
    writer.writeheader()
    writer.writerows(asdict(step) for step in steps)
    write_bytes(path, text.getvalue().encode())


def apply_plan(plan: Path, folder: Path, to: Path) -> int:
    """Move what the plan says to another folder, under the same names. Returns how many files.

    All of it is checked first, what is kept as well as what is moved. Run again after it was cut
    short, it goes on.

    Args:
        plan: as `write_plan` wrote it; "move" and "keep" may have been changed.
        folder: the collection.
        to: where to; not inside the collection.

    Raises:
        DataError: the plan is none, moves all of a cluster, or a file has changed; names all. Or
            `to` holds what was moved out of another collection.
    """
    if to.resolve().is_relative_to(folder.resolve()):
        raise DataError(
            f"--to must lie outside the collection {folder}. Got {to}. Choose another folder."
        )
    steps = _read_plan(plan)
    begun = set(_journal(to, folder))
    for path in begun:
        clear(folder / path)  # of an undo that was cut short
    todo = [
        row
        for row in steps
        if row["action"] == "move" and not (row["path"] in begun and _is_moved(folder, to, row))
    ]
    _check(steps, folder, to, todo, begun)
    to.mkdir(parents=True, exist_ok=True)
    _mend(to / JOURNAL, folder)
    with (to / JOURNAL).open("ab") as file:
        for row in todo:
            file.write(_row(row["path"]))
            file.flush()
            os.fsync(file.fileno())
            move(folder / row["path"], to / row["path"])
    return len(todo)


def undo(folder: Path, to: Path) -> int:
    """Move everything back to where it was. Returns how many files.

    Raises:
        DataError: nothing was moved there, or out of another collection, or a place has been taken
            meanwhile; nothing is moved.
    """
    if not (to / JOURNAL).is_file():
        raise DataError(f"{to} must hold {JOURNAL}, which --apply wrote. Got none. Name that one.")
    begun = _journal(to, folder)
    for path in begun:
        clear(to / path)  # of an --apply that was cut short
    moved = [path for path in begun if (to / path).is_file()]
    taken = [path for path in moved if _is_taken(folder / path, to / path)]
    if taken:
        raise DataError(
            f"{folder / taken[0]} must be free to be moved back to. Got a file there. Move it away."
        )
    for path in moved:
        move(to / path, folder / path)
    (to / JOURNAL).rename(to / f"{JOURNAL}.undone")
    return len(moved)


def _is_moved(folder: Path, to: Path, row: dict[str, str]) -> bool:
    return (to / row["path"]).is_file() and not os.path.lexists(folder / row["path"])


def _is_taken(target: Path, source: Path) -> bool:
    """Whether something is there that is not the file itself, moved only halfway."""
    return os.path.lexists(target) and not is_halfway(source, target)


def _read_plan(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # as Excel saves it
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} must be a plan that twinlens dedupe wrote. Got: {error}. Make one with --out."
        ) from error
    wanted = {"cluster", "action", "path", "content"}
    wrong = [i for i, row in enumerate(rows, 2) if row.get("action") not in ("keep", "move")]
    if wrong or (rows and not wanted <= set(rows[0])):
        raise DataError(
            f"{path} must have the columns {', '.join(sorted(wanted))}, and actions keep or move. "
            f"Got something else{f' in row {wrong[0]}' if wrong else ''}. Correct it."
        )
    return rows


def _check(
    steps: Sequence[dict[str, str]],
    folder: Path,
    to: Path,
    todo: Sequence[dict[str, str]],
    begun: Collection[str],
) -> None:
    problems: list[str] = []
    kept: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for row in steps:
        kept[row["cluster"]] += [row] if row["action"] == "keep" else []
    problems += [
        f"cluster {cluster} must keep a file. Got only moves. Keep one."
        for cluster, rows in kept.items()
        if not rows
    ]
    touched = dict.fromkeys(row["cluster"] for row in todo)
    for row in [*todo, *(row for cluster in touched for row in kept[cluster])]:
        place = folder / row["path"]
        if not place.resolve().is_relative_to(folder.resolve()):
            problems.append(f"{row['path']} must lie in {folder}. Got another place. Leave it out.")
        elif not _is_as_planned(place, row):
            what = "kept" if row["action"] == "keep" else "moved"
            problems.append(
                f"{place}, which is to be {what}, must be as it was looked at. It is not. "
                "Make a new plan."
            )
    for row in todo:
        if os.path.lexists(to / row["path"]) and not (
            row["path"] in begun and is_halfway(folder / row["path"], to / row["path"])
        ):
            problems.append(f"{to / row['path']} must be free. Got a file. Choose another --to.")
    if problems:
        raise DataError(listed(problems, "The plan"))


def _is_as_planned(place: Path, row: dict[str, str]) -> bool:
    try:
        return place.is_file() and content_hash(str(place)) == row["content"]
    except DataError:  # it cannot be read
        return False


def _journal(to: Path, folder: Path) -> list[str]:
    """Each file whose move was begun.

    Raises:
        DataError: they were moved out of another collection.
    """
    if not (to / JOURNAL).is_file():
        return []
    rows = _rows(to / JOURNAL)
    if rows and rows[0][0] == _COLLECTION and len(rows[0]) > 1:  # an older one has no such row
        collection = rows.pop(0)[1]
        if Path(collection) != folder.resolve():
            raise DataError(
                f"{to} must hold what was moved out of {folder.resolve()}. Got what was moved out "
                f"of {collection}. Name that collection, or another folder; if the collection has "
                f"got another place since, write that in the first row of {to / JOURNAL}."
            )
    return list(dict.fromkeys(row[0] for row in rows))


def _mend(journal: Path, folder: Path) -> None:
    """Begin a journal; or end the row that a power cut tore, so that the next is a row of its own.

    A torn row is of a move that was not made: rows are on the disk before their files move.
    """
    if not journal.is_file():
        write_bytes(journal, _row(_COLLECTION, str(folder.resolve())))
        return
    whole = b"".join(_row(*row) for row in _rows(journal))
    if journal.read_bytes() != whole:
        write_bytes(journal, whole)


def _rows(journal: Path) -> list[list[str]]:
    text = journal.read_bytes().decode(errors="surrogateescape")
    return [row for row in csv.reader(io.StringIO(text, newline="")) if row]


def _row(*cells: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue().encode(errors="surrogateescape")
