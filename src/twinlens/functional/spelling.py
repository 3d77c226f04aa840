"""Words that are spelt nearly alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from twinlens.types import IntArray

_SHORTEST = 4
"""Letters: shorter words have neighbours that mean something else (cat, car)."""


def neighbours(words: Mapping[str, int], *, most: int = 4) -> IntArray:
    """For each word up to `most` words that one letter left out, added or replaced makes of it.

    Two words are neighbours when they are alike after one letter of each is left out, or of one.

    Args:
        words: word -> number, from 1.
        most: neighbours that are kept, those of the smallest numbers.

    Returns:
        [words + 1, most] int64; filled up with the neighbours again, or with the word's own number
        where it has none. Row 0 is 0.

    >>> neighbours({"colour": 1, "color": 2, "sound": 3}, most=1).ravel().tolist()
    [0, 2, 1, 3]
    """
    sharing: defaultdict[str, list[int]] = defaultdict(list)
    for word, number in words.items():
        if len(word) >= _SHORTEST:
            for form in {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}:
                sharing[form].append(number)
    found: defaultdict[int, set[int]] = defaultdict(set)
    for numbers in sharing.values():
        for number in numbers if len(numbers) > 1 else ():
            found[number].update(numbers)
    table = np.repeat(np.arange(max(words.values(), default=0) + 1)[:, None], most, axis=1)
    for number, alike in found.items():
        table[number] = np.resize(sorted(alike - {number})[:most], most)
    return table
