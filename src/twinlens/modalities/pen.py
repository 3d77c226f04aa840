"""Files of pen movements: SVC2004 text, CSV and InkML."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from twinlens.errors import DataError
from twinlens.types import FloatArray

SUFFIXES = frozenset({".txt", ".csv", ".inkml"})
COLUMNS = ("x", "y", "time", "down", "pressure", "azimuth", "altitude")
"""What may be known of each point, in any unit; x and y must be."""
_SPELLINGS = {
    **{name: name for name in COLUMNS},
    "t": "time", "timestamp": "time", "time_ms": "time", "pen_down": "down", "pen": "down",
    "button": "down", "button_status": "down", "penstatus": "down", "p": "pressure",
    "force": "pressure", "f": "pressure", "oa": "azimuth", "oe": "altitude", "oaz": "azimuth",
    "oel": "altitude",
}  # fmt: skip
_SVC = {4: COLUMNS[:4], 7: ("x", "y", "time", "down", "azimuth", "altitude", "pressure")}
"""Columns of SVC2004's task 1 and 2, by their number."""
_MOST_BYTES = 16 * 2**20
_MOST_BACKWARD = 0.1


@dataclass(frozen=True, slots=True)
class PenPath:
    """Points of a pen, in order of time.

    Attributes:
        columns: name of a column -> its values, [points] float64; "x" and "y" are always there.
    """

    columns: Mapping[str, FloatArray]

    def __post_init__(self) -> None:
        x, y = self.columns["x"], self.columns["y"]
        if len(x) < 3:
            raise DataError(f"A pen path must have at least 3 points. Got {len(x)}. Remove it.")
        for name, values in self.columns.items():
            if values.shape != x.shape:
                raise DataError(f"{name} must have {len(x)} values. Got {len(values)}. Correct it.")
            if not np.isfinite(values).all():
                place = int(np.flatnonzero(~np.isfinite(values))[0]) + 1
                raise DataError(f"{name} must be finite. Got {values[place - 1]} at point {place}.")
        if np.ptp(x) == 0 and np.ptp(y) == 0:
            raise DataError("A pen path must move. Got all points in one place. Remove it.")
        if (time := self.columns.get("time")) is not None:
            backward = float(np.mean(np.diff(time) < 0))
            if backward > _MOST_BACKWARD:
                raise DataError(
                    f"time must not decrease. Got {backward:.0%} of the steps backward. Check the "
                    "order of the rows and the unit."
                )

    def __len__(self) -> int:
        return len(self.columns["x"])

    def clock(self) -> FloatArray:
        """[points] rising, from 0, in units of the usual step.

        A step that repeats or goes back a little, as tablets write them, counts as a usual one; a
        pause counts as five at most. Without times all steps are usual.
        """
        time = self.columns.get("time")
        steps = np.ones(len(self) - 1)
        if time is not None:
            found = np.diff(time)
            usual = float(np.median(found[found > 0])) if (found > 0).any() else 1.0
            steps = np.where(found > 0, np.minimum(found / usual, 5.0), 1.0)
        return np.concatenate([[0.0], np.cumsum(steps)])


def read_pen(path: Path) -> PenPath:
    """Read one file.

    * `.txt` of SVC2004: the number of points, then x y time pen_down [azimuth altitude pressure].
    * `.csv` with a header that names x, y and any of time, down, pressure, azimuth, altitude.
    * `.inkml`: all traces in order, the pen up between them; values as they are, no differences.

    Raises:
        DataError: it cannot be read, or the path is impossible; names the file.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"a file must have at most {_MOST_BYTES >> 20} MB. Got more.")
        text = path.read_text(encoding="utf-8-sig")
        reader = {".csv": _read_csv, ".inkml": _read_inkml}.get(path.suffix.lower(), _read_svc)
        return PenPath(reader(text))
    except OSError as error:
        raise DataError(f"{path} must be a readable file. Got: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} must be UTF-8 text. Got other bytes. Save it as UTF-8.") from error
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _read_svc(text: str) -> dict[str, FloatArray]:
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if not lines or len(lines[0]) != 1:
        raise DataError("the first line must be the number of points. Got something else.")
    rows = lines[1:]
    count = _number(lines[0][0], 1)
    if len(rows) != count:
        raise DataError(f"there must be {count:g} points. Got {len(rows)}: restore the file.")
    names = _SVC.get(len(rows[0]) if rows else 0)
    if names is None:
        raise DataError(f"a point must have 4 or 7 numbers. Got {len(rows[0]) if rows else 0}.")
    return _table(names, rows, first=2)


def _read_csv(text: str) -> dict[str, FloatArray]:
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=header.count))
    rows = [row for row in reader if any(cell.strip() for cell in row)]
    names = [_SPELLINGS.get(cell.strip().lower(), "") for cell in rows[0]] if rows else []
    if not {"x", "y"} <= set(names):
        raise DataError(f"the header must name x and y. Got {header.strip()!r}.")
    return _table(names, rows[1:], first=2)


def _read_inkml(text: str) -> dict[str, FloatArray]:
    """Source: Ink Markup Language (InkML), W3C Recommendation, 2011, sections 2 and 3."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError("InkML must not define entities. Got a document type. Remove it.")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise DataError(f"InkML must be well-formed. Got: {error}.") from error
    channels = [str(c.get("name", "")).lower() for c in root.iter() if _tag(c) == "channel"]
    names = [_SPELLINGS.get(channel, "") for channel in channels] or ["x", "y"]
    rows: list[list[str]] = []
    down: list[float] = []
    for trace in (element for element in root.iter() if _tag(element) == "trace"):
        points = [point.split() for point in (trace.text or "").split(",") if point.strip()]
        rows += points
        down += [1.0] * (len(points) - 1) + [0.0] * bool(points)
    if not rows:
        raise DataError("InkML must have traces with points. Got none.")
    table = _table(names, rows, first=1)
    return table if "down" in table else {**table, "down": np.array(down)}


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _table(
    names: Sequence[str], rows: Sequence[Sequence[str]], *, first: int
) -> dict[str, FloatArray]:
    """Known columns of rows of numbers; rows are named from `first` on."""
    for number, row in enumerate(rows, first):
        if len(row) != len(names):
            raise DataError(f"row {number} must have {len(names)} values. Got {len(row)}.")
    return {
        name: np.array([_number(row[i], n) for n, row in enumerate(rows, first)], np.float64)
        for i, name in enumerate(names)
        if name
    }


def _number(text: str, row: int) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"row {row} must hold numbers. Got {text!r}.") from error
