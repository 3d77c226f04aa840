from __future__ import annotations

import pytest

from twinlens.data.problems import MOST_LISTED, Problem, ProblemLog, listed
from twinlens.errors import DataError


def test_only_errors_refuse() -> None:
    log = ProblemLog()
    log.note("a", "x", "is odd.", training="Nothing.")
    log.warning("b", "y", "is bad.", training="It is left out.")
    log.refuse("The data")
    log.error("c", "z", "is wrong.")
    with pytest.raises(DataError, match=r"^z: is wrong\.$"):
        log.refuse("The data")
    assert [p.severity for p in log.problems] == ["note", "warning", "error"]
    assert log.errors() == [Problem("error", "c", "z", "is wrong.", "Training does not start.")]


def test_all_errors_are_told_at_once() -> None:
    log = ProblemLog()
    for place in "xyz":
        log.error("c", place, "is wrong.")
    with pytest.raises(DataError) as error:
        log.refuse("labels.csv")
    assert str(error.value).splitlines() == [
        "labels.csv must be free of errors. Got 3:",
        "  x: is wrong.",
        "  y: is wrong.",
        "  z: is wrong.",
    ]


@pytest.mark.parametrize("count", [2, MOST_LISTED, MOST_LISTED + 1, 10 * MOST_LISTED])
def test_a_long_list_is_counted(count: int) -> None:
    lines = listed([str(i) for i in range(count)], "It").splitlines()
    assert lines[0] == f"It must be free of errors. Got {count}:"
    assert len(lines) == 1 + min(count, MOST_LISTED) + (count > MOST_LISTED)
    if count > MOST_LISTED:
        assert lines[-1] == f"  ... and {count - MOST_LISTED} more."
