"""Scores relative to how alike an input is to people who have nothing to do with it.

Some inputs are much like everybody, others like nobody, so that one threshold is too low for the
first and too high for the second. A cohort, of identities that are neither calibrated nor decided
on, measures that: each input is compared with it, and a score is told in deviations above the mean
of such comparisons.

z-norm takes them from the first side of a comparison (the reference), t-norm from the second (the
questioned one): both have sides, even where the comparator has none. s-norm is the mean of both,
and symmetric. Adaptive s-norm looks at the cohort members that are most alike only.

Source:
    z: Reynolds, Quatieri, Dunn. Speaker verification using adapted Gaussian mixture models. Digital
    Signal Processing 10, 2000. t: Auckenthaler, Carey, Lloyd-Thomas. Score normalization for
    text-independent speaker verification systems. The same volume. s: Kenny. Bayesian speaker
    verification with heavy-tailed priors. Odyssey 2010. Adaptive s: Matejka et al. Analysis of
    score normalization in multilingual speaker recognition. Interspeech 2017, section 2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from twinlens.errors import BundleError
from twinlens.types import FloatArray, IntArray, Scorer

Method = Literal["z", "t", "s", "adaptive_s"]

MOST = 500
"""Members of a cohort at most."""
NEAREST = 0.2
"""Share of the cohort that adaptive s-norm looks at."""
_FEWEST_NEAREST = 10
_EMBEDDINGS = "embeddings"
_LEAST_DEVIATION = 1e-6
"""Stands for the deviation of a cohort whose scores are all equal."""
_CHUNK_VALUES = 2_000_000


@dataclass(frozen=True, slots=True)
class Normalisation:
    """How scores are normalised before anything is made of them.

    Attributes:
        method: which.
        cohort: SHA-256 of its embeddings.
        data: of whom it is: name, members, identities (hashes of their names).
    """

    method: Method
    cohort: str
    data: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.method}, by {self.data['members']:,} examples of {self.data['name']}"


@dataclass(frozen=True, slots=True)
class Cohort:
    """Identities that scores are normalised by, as the model sees them.

    Attributes:
        embeddings: [k, dim] float32.
        data: of whom: see `Normalisation`.
    """

    embeddings: FloatArray
    data: Mapping[str, Any]

    def normalisation(self, method: Method) -> Normalisation:
        """What a calibration keeps of it."""
        return Normalisation(method, self.digest, self.data)

    @property
    def digest(self) -> str:
        """SHA-256 of the embeddings, in hex digits."""
        head = f"{self.embeddings.dtype} {list(self.embeddings.shape)}".encode()
        return hashlib.sha256(head + np.ascontiguousarray(self.embeddings).tobytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """The embeddings as a safetensors file."""
        return save({_EMBEDDINGS: np.ascontiguousarray(self.embeddings)})

    @classmethod
    def from_bytes(cls, data: bytes, of: Normalisation, dim: int, *, where: str) -> Cohort:
        """What `to_bytes` gave, if it is the cohort of this normalisation.

        Raises:
            BundleError: it is damaged, or another.
        """
        try:
            found = cls(load(data)[_EMBEDDINGS], of.data)
        except (SafetensorError, KeyError) as error:
            raise BundleError(
                f"{where} must hold embeddings. Got: {error}. Restore it from a copy."
            ) from error
        if found.embeddings.shape[1:] != (dim,) or found.digest != of.cohort:
            raise BundleError(
                f"{where} must be the cohort that the model was calibrated with. Got another "
                f"({found.digest[:16]}). Calibrate again with --cohort."
            )
        return found


def draw_cohort(owners: IntArray, rng: np.random.Generator, most: int = MOST) -> IntArray:
    """Positions of at most `most` examples, of as many identities as there are. -> [k] ascending.

    Args:
        owners: [n] number of each example's identity; all alike where none is known.
        rng: draws.
        most: examples drawn.
    """
    drawn = rng.permutation(len(owners))
    by_owner = drawn[np.argsort(owners[drawn], kind="stable")]
    first = np.searchsorted(owners[by_owner], owners[by_owner])
    turn = np.empty(len(owners), np.int64)
    turn[by_owner] = np.arange(len(owners)) - first  # how many of its identity come before it
    return np.sort(drawn[np.argsort(turn[drawn], kind="stable")][:most])


class Normalised:
    """A scorer of embeddings that carry the mean and deviation of their cohort scores beside them.

    They are measured once an example, not once a comparison: see `measured`.
    """

    def __init__(self, scorer: Scorer, method: Method, cohort: FloatArray) -> None:
        """Args:
        scorer: of plain embeddings.
        method: which normalisation.
        cohort: [k, dim] embeddings.
        """
        self._scorer, self._method, self._cohort = scorer, method, cohort
        self._nearest = len(cohort)
        if method == "adaptive_s":
            self._nearest = min(len(cohort), max(_FEWEST_NEAREST, round(NEAREST * len(cohort))))

    def measured(self, embeddings: FloatArray) -> FloatArray:
        """Embeddings with two more columns, mean and deviation. [n, dim] -> [n, dim + 2]."""
        rows = max(1, _CHUNK_VALUES // max(embeddings.shape[1], len(self._cohort)))
        parts: list[FloatArray] = [np.zeros((0, 2), embeddings.dtype)]
        for start in range(0, len(embeddings), rows):
            scores = self._scorer.score_matrix(embeddings[start : start + rows], self._cohort)
            if self._nearest < len(self._cohort):
                place = len(self._cohort) - self._nearest
                scores = np.partition(scores, place, axis=1)[:, place:]
            deviation = np.maximum(scores.std(axis=1), _LEAST_DEVIATION)
            parts.append(np.stack([scores.mean(axis=1), deviation], axis=1))
        return np.concatenate([embeddings, np.concatenate(parts).astype(embeddings.dtype)], axis=1)

    def score(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Row by row. [n, dim + 2], [n, dim + 2] -> [n]."""
        raw = self._scorer.score(_plain(a), _plain(b))
        return self._normalised(raw, a[:, -2:].T, b[:, -2:].T)

    def score_matrix(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Every row with every row. [n, dim + 2], [m, dim + 2] -> [n, m]."""
        raw = self._scorer.score_matrix(_plain(a), _plain(b))
        return self._normalised(raw, a[:, -2:].T[:, :, None], b[:, -2:].T[:, None, :])

    def _normalised(self, raw: FloatArray, left: FloatArray, right: FloatArray) -> FloatArray:
        """Scores in deviations above the mean; left and right are (mean, deviation) each."""
        by_left, by_right = (raw - left[0]) / left[1], (raw - right[0]) / right[1]
        if self._method == "z":
            return by_left
        return by_right if self._method == "t" else (by_left + by_right) / 2


def _plain(measured: FloatArray) -> FloatArray:
    return np.ascontiguousarray(measured[:, :-2])
