"""The judge of kills tells what is lost, what is a ghost and what is there in part."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.crash import SPACES, Tally, after, judge, vectors
from twinlens.gallery import Entry, Gallery


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A gallery of 0 to 9."""
    with Gallery.create(tmp_path / "g", SPACES[0], log_searches=False) as gallery:
        gallery.add(vectors(range(10), SPACES[0]), [Entry(str(n)) for n in range(10)])
    return tmp_path / "g"


@pytest.mark.parametrize(
    ("said", "lost", "ghosts", "broken"),
    [
        (["add 0 10", "done"], 0, 0, 0),
        (["add 0 10"], 0, 0, 0),
        (["add 0 5", "done", "add 5 10"], 0, 0, 0),
        (["add 0 10", "done", "remove 3 4"], 0, 0, 0),
        (["add 0 12", "done"], 2, 0, 1),
        (["add 0 8", "done"], 0, 2, 1),
        (["add 0 10", "done", "remove 3 4", "done"], 0, 2, 1),
        (["add 0 5", "done", "add 5 12"], 0, 0, 1),
        (["add 0 10", "done", "rebuild"], 0, 0, 0),
    ],
)
def test_what_was_said_is_held_against_what_is_there(
    said: list[str], lost: int, ghosts: int, broken: int, folder: Path
) -> None:
    tally = Tally()
    assert judge(folder, set(), said, tally) == set(range(10))
    assert (tally.lost, tally.ghosts, tally.broken, tally.failed) == (lost, ghosts, broken, 0)


def test_operations_are_read() -> None:
    assert after({1}, "add 2 4") == {1, 2, 3}
    assert after({1, 2}, "remove 2 7") == {1}
    assert after({1}, "open") == {1}
