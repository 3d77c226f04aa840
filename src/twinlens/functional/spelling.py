"""Words that are spelt nearly alike."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from twinlens.types import FloatArray, IntArray

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


_BUCKETS = 16384
"""Strings of letters that have a vector of their own; further ones share it with another."""
_LENGTHS = (3, 4, 5)


def strings_of(word: str, buckets: int) -> list[int]:
    """Numbers of a word's strings of letters: of 3, 4 and 5 in a row, its ends marked, and itself.

    A number is a hash of the string, so that words never seen have the numbers of their parts.

    Args:
        word: whose strings.
        buckets: numbers are below it.

    Returns:
        Ascending; as many as there are distinct strings, so two may share a number.

    >>> len({*strings_of("singing", 10_000)} & {*strings_of("ring", 10_000)})  # ing, ng>, ing>
    3
    """
    marked = f"<{word}>"
    strings = {marked}
    for length in _LENGTHS:
        strings.update(marked[i : i + length] for i in range(len(marked) - length + 1))
    # sorted, as a set is in another order in each process
    return sorted(zlib.crc32(string.encode()) % buckets for string in strings)


def spelling_vectors(words: Sequence[str], width: int, rng: np.random.Generator) -> FloatArray:
    """Vectors that are the more alike the more strings of letters two words share.

    A vector is the sum of one random vector for the word and one for each 3, 4 or 5 letters in a
    row in it, its ends marked.

    Args:
        words: distinct.
        width: numbers of a vector.
        rng: draws the vectors of strings.

    Returns:
        [words, width] unit vectors, float32.

    >>> a, b, c = spelling_vectors(["learning", "learned", "house"], 256, np.random.default_rng(0))
    >>> bool(a @ b > 0.3 > abs(a @ c))
    True

    Source:
        Bojanowski, Grave, Joulin, Mikolov. Enriching word vectors with subword information. TACL 5,
        2017, section 3.2.
    """
    table = rng.normal(size=(_BUCKETS, width)).astype(np.float32)
    vectors = np.empty((len(words), width), np.float32)
    for row, word in enumerate(words):
        vectors[row] = table[strings_of(word, _BUCKETS)].sum(0)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
