"""Works on a gallery until it is killed; run by tests of durability in a process of its own.

Arguments: folder, seed, number of the function call at which it kills itself with SIGKILL, counted
while it works (0 = never), operations. It tells on standard output what it is about to do and, once
that has returned, that it is done.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType

import numpy as np

from galleries import entries, vectors
from twinlens.gallery import Gallery, index


class Deadline:
    """Counts function calls, of C as well, and ends the process at one of them."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def say(*words: object) -> None:
    print(*words, flush=True)


def work(folder: Path, seed: int, operations: int) -> None:
    """Add, remove, search and rebuild at random."""
    rng = np.random.default_rng(seed)
    gallery = Gallery.open(folder)
    number = 1 + max((int(i.entry.content) for i in gallery.items(gallery.ids())), default=-1)
    for _ in range(operations):
        action = rng.choice(["add", "add", "remove", "rebuild", "reopen"])
        if action == "add":
            numbers = range(number, number + int(rng.integers(1, 20)))
            number = numbers.stop
            say("add", *numbers)
            gallery.add(vectors(numbers), entries(numbers))
        elif action == "remove":
            chosen = rng.permutation(gallery.ids())[: int(rng.integers(1, 10))].tolist()
            say("remove", *[item.entry.content for item in gallery.items(chosen)])
            gallery.remove(chosen)
        elif action == "rebuild":
            say("rebuild")
            gallery.rebuild()
        else:
            say("reopen")
            gallery.close()
            gallery = Gallery.open(folder)
        say("done")
    gallery.close()


if __name__ == "__main__":
    place, seed, deadline, operations = sys.argv[1:]
    index.EXACT_VALUES = 200
    if int(deadline):
        sys.setprofile(Deadline(int(deadline)))
    work(Path(place), int(seed), int(operations))
