"""What two rows of parts have in common, against the same counted word by word."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from twinlens.functional.late import Parts, similarities
from twinlens.functional.overlap import (
    bags,
    by_length,
    ends,
    kernels,
    left_over,
    lengths,
    runs,
    shared,
)

_STEPS = 7
_WORDS = "abcdefgh"
_COUNTS = dict(zip(_WORDS, (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0), strict=True))


def parts(*texts: str) -> Parts:
    """Texts of one-letter words, each along an axis of its own."""
    rows = torch.zeros(len(texts), _STEPS, len(_WORDS))
    for row, text in enumerate(texts):
        for place, word in enumerate(text):
            rows[row, place, _WORDS.index(word)] = _COUNTS[word]
    return Parts.of(rows.flatten(1), len(_WORDS))


def drawn(count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list(_WORDS), rng.integers(1, _STEPS + 1))) for _ in range(count)]


def ngrams(text: str, length: int) -> list[str]:
    return [text[i : i + length] for i in range(len(text) - length + 1)]


LEFT, RIGHT = drawn(40, 0), drawn(40, 1)
A, B = parts(*LEFT), parts(*RIGHT)
COSINE = similarities(A, B)


def test_runs_are_the_share_of_ngrams_that_the_other_has() -> None:
    found = runs(A, COSINE, longest=3).view(-1, 3, 3)
    for row, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
        for length in (1, 2, 3):
            mine, theirs = ngrams(left, length), ngrams(right, length)
            hit = np.array([gram in theirs for gram in mine])
            weight = np.array([sum(_COUNTS[word] for word in gram) for gram in mine])
            plain = hit.mean() if len(hit) else 0.0
            weighed = (hit * weight).sum() / weight.sum() if len(hit) else 0.0
            expected = [plain, weighed, weighed]  # nothing is a little alike here
            assert found[row, length - 1].tolist() == pytest.approx(expected, abs=1e-5)


def test_what_is_left_is_what_counts_most_of_what_the_other_lacks() -> None:
    found = left_over(A, COSINE)
    for row, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
        missing = sorted((_COUNTS[word] for word in left if word not in right), reverse=True)
        missing = [*missing, 0.0, 0.0, 0.0]
        assert found[row].tolist() == pytest.approx([*missing[:3], missing[0]], abs=1e-5)


def test_what_both_have_counts_as_much_as_in_the_side_with_less_of_it() -> None:
    found = shared((A, COSINE), (B, COSINE.transpose(1, 2)))
    for row, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
        sides = ([_COUNTS[w] for w in left if w in right], [_COUNTS[w] for w in right if w in left])
        assert found[row, 0].item() == pytest.approx(min(map(sum, sides)) / 10, abs=1e-5)
        most = min(max(side, default=0) for side in sides)
        assert found[row, 1].item() == pytest.approx(most, abs=1e-5)


def test_bags_are_compared_by_cosine() -> None:
    def bag(text: str, power: int) -> np.ndarray:
        return sum((np.eye(8)[_WORDS.index(w)] * _COUNTS[w] ** power for w in text), np.zeros(8))

    found = bags(A, B)
    for row, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
        for power in (1, 2):
            a, b = bag(left, power), bag(right, power)
            cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
            assert found[row, power - 1].item() == pytest.approx(cosine, abs=1e-5)


def test_ends_are_compared_one_and_two_words_deep() -> None:
    found = ends(A, B, COSINE)
    for row, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
        both = min(len(left), len(right)) > 1
        expected = [
            left[0] == right[0],
            both and left[:2] == right[:2],
            left[-1] == right[-1],
            both and left[-2:] == right[-2:],
        ]
        assert found[row].tolist() == pytest.approx([float(same) for same in expected], abs=1e-5)


def test_kernels_count_what_is_the_same_and_what_is_half_alike() -> None:
    half = torch.tensor([[[1.0, 0.0], [0.5, 0.75**0.5]]])
    one, other = Parts.of(half[:, :1].flatten(1), 2), Parts.of(half.flatten(1), 2)
    cosine = similarities(one, other)
    found = kernels(one, other, cosine)[0][0]
    assert found[0].item() == pytest.approx(np.log(2), abs=1e-4)  # one is the same
    assert found[3].item() == pytest.approx(np.log(2), abs=1e-4)  # and one is 0.5 alike
    assert found[-1].item() == pytest.approx(1)
    turned = kernels(other, one, cosine.transpose(1, 2))
    torch.testing.assert_close(turned, kernels(one, other, cosine)[::-1])


def test_lengths_and_both_ways_are_the_same_from_both_sides() -> None:
    torch.testing.assert_close(lengths(A, B), lengths(B, A))
    assert lengths(A, B)[0, 1].item() == pytest.approx(min(len(LEFT[0]), len(RIGHT[0])) / 10)
    there, back = torch.rand(5, 3), torch.rand(5, 3)
    longer = torch.rand(5)
    torch.testing.assert_close(by_length(there, back, longer), by_length(back, there, 1 - longer))
    # of a longer left side the right one comes first
    torch.testing.assert_close(by_length(there, back, torch.ones(5)), torch.cat([back, there], 1))
    fewer, more, ratio = lengths(parts("ab"), parts("cdef"))[0, 1:4].tolist()
    assert (fewer, more, ratio) == pytest.approx((0.2, 0.4, 0.5))
    counted = lengths(parts("ab"), parts("c"))[0, 4:].tolist()
    assert counted == pytest.approx((0.0, 0.0), abs=1e-6)  # 0.5 + 1 and 1.5
