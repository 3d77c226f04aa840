"""A shift is found, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from blobs import Cosine
from twinlens.errors import EvidenceError
from twinlens.evaluation.drift import drift
from twinlens.types import FloatArray


def unit(count: int, rng: np.random.Generator, *, shift: float = 0.0) -> FloatArray:
    drawn = rng.normal(size=(count, 8))
    drawn[:, 0] += shift
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def test_a_shift_is_found() -> None:
    rng = np.random.default_rng(0)
    found = drift(unit(80, rng), np.arange(80), unit(60, rng, shift=1.5), Cosine())
    assert found.energy_p <= 0.002
    assert found.score_shift > 0.1 and found.score_p <= 0.002
    assert (found.known, found.new) == (80, 60)


def test_p_values_are_even_where_nothing_shifted() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(30), 5)  # five examples each, of which one counts
    p_values = [
        drift(unit(150, rng), labels, unit(40, rng), Cosine(), seed=i).energy_p for i in range(40)
    ]
    assert 0.3 < np.mean(p_values) < 0.7
    assert np.mean(np.array(p_values) < 0.05) < 0.2


def test_clusters_of_one_identity_are_no_evidence() -> None:
    rng = np.random.default_rng(2)
    people, others = unit(40, rng), unit(40, rng)
    many = np.repeat(people, 10, axis=0) + 0.01 * rng.normal(size=(400, 8)).astype(np.float32)
    found = drift(many, np.repeat(np.arange(40), 10), others, Cosine())
    assert found.known == 40
    assert found.energy_p > 0.01


def test_too_few_inputs_tell_nothing() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(EvidenceError, match="Got 5 and 30"):
        drift(unit(20, rng), np.repeat(np.arange(5), 4), unit(30, rng), Cosine())
