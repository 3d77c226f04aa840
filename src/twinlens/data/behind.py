"""Working on one part of something while the next is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Read = TypeVar("Read")
Made = TypeVar("Made")


def behind(
    read: Callable[[Part], Read], make: Callable[[Read], Made], parts: Sequence[Part]
) -> Iterator[Made]:
    """What is made of each part, in order; a thread makes it while the next part is read here.

    Two parts are held at a time. Errors are raised in the order of the parts.

    Args:
        read: reads a part.
        make: makes of it what is asked for, one part at a time.
        parts: to be read.

    >>> list(behind(str.upper, len, ["a", "bcd", ""]))
    [1, 3, 0]
    """
    if len(parts) == 1:
        yield make(read(parts[0]))
        return
    with ThreadPoolExecutor(1) as maker:
        waiting: Future[Made] | None = None
        for part in parts:
            found = read(part)
            if waiting is not None:
                yield waiting.result()
            waiting = maker.submit(make, found)
        if waiting is not None:
            yield waiting.result()
