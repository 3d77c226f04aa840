"""Neighbours and vectors of words by how they are spelt."""

from __future__ import annotations

import numpy as np

from twinlens.functional.spelling import neighbours, spelling_vectors


def test_neighbours_are_one_letter_away() -> None:
    words = {"form": 1, "forms": 2, "farm": 3, "from": 4, "warming": 5, "a": 6, "b": 7}
    found = {
        word: set(row) for word, row in zip(words, neighbours(words)[1:].tolist(), strict=True)
    }
    assert found["form"] == {2, 3, 4}
    assert found["forms"] == {1}
    assert found["warming"] == {5}
    assert found["a"] == {6}  # too short to have neighbours


def test_words_without_neighbours_keep_their_number() -> None:
    assert neighbours({"one": 1}).tolist() == [[0] * 4, [1] * 4]
    assert neighbours({}).tolist() == [[0] * 4]


def test_what_shares_letters_is_alike() -> None:
    words = ["question", "questions", "questioned", "quest", "answer", "", "é"]
    vectors = spelling_vectors(words, 512, np.random.default_rng(0))
    cosine = vectors @ vectors.T
    np.testing.assert_allclose(np.diag(cosine), 1, atol=1e-5)
    assert cosine[0, 1] > cosine[0, 2] > cosine[0, 3] > 0.2 > abs(cosine[0, 4])
    again = spelling_vectors(words, 512, np.random.default_rng(0))
    np.testing.assert_array_equal(vectors, again)
