"""Reading ahead of what is worked on: order, how much is held, and errors."""

from __future__ import annotations

import pytest

from twinlens.data.behind import behind


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_each_part_is_made_once_in_order(count: int) -> None:
    assert list(behind(lambda part: part + 1, lambda read: 10 * read, range(count))) == [
        10 * (part + 1) for part in range(count)
    ]


def test_no_more_than_one_part_is_read_ahead() -> None:
    read: list[int] = []

    def reading(part: int) -> int:
        read.append(part)
        return part

    for made in behind(reading, lambda part: part, range(6)):
        assert len(read) <= made + 2


@pytest.mark.parametrize("wrong", ["read", "make"])
def test_an_error_comes_in_its_turn(wrong: str) -> None:
    def step(name: str, part: int) -> int:
        if name == wrong and part == 3:
            raise ValueError("the fourth")
        return part

    made: list[int] = []
    with pytest.raises(ValueError, match="the fourth"):
        for one in behind(lambda p: step("read", p), lambda p: step("make", p), range(6)):
            made.append(one)
    assert made == list(range(len(made)))
    assert len(made) in (2, 3)
