"""A data set's embeddings -> scored comparisons of known truth, as calibration takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from twinlens.calibration import Combine, Normalised, combined
from twinlens.data.dataset import Dataset
from twinlens.errors import EvidenceError
from twinlens.evaluation.comparisons import draw_pairs, score_pairs
from twinlens.evaluation.inputs import check_embeddings
from twinlens.evaluation.suite import linked
from twinlens.evaluation.templates import draw_questions
from twinlens.siamese import Siamese
from twinlens.types import BoolArray, Compared, FloatArray, IntArray, Scorer

Impostors = Literal["all", "strangers", "imitations"]

MOST_GENUINE = 500_000
MOST_IMPOSTORS = 2_000_000
"""Comparisons drawn at most, each kind apart: 1.5 s where an inner product scores them."""
MOST_LEARNED = 300_000
"""The same where a network scores them."""


@dataclass(frozen=True, slots=True)
class _Scored:
    """Comparisons of the kinds asked for.

    Attributes:
        scores, same: [n] each.
        left, right: [n] positions of one example on each side.
    """

    scores: FloatArray
    same: BoolArray
    left: IntArray
    right: IntArray


def compare_all(
    embeddings: FloatArray,
    dataset: Dataset,
    siamese: Siamese,
    *,
    references: int = 1,
    combine: Combine = "mean",
    impostors: Impostors = "all",
    seed: int = 0,
    most: int | None = None,
    normalised: Normalised | None = None,
) -> Compared:
    """Genuine and impostor comparisons of a data set, with the units that they depend on.

    Args:
        embeddings: [n, dim] of its examples.
        dataset: with identities or with given pairs.
        siamese: scores embeddings.
        references: that an example is compared with.
        combine: how the scores against several references become one.
        impostors: which kind is compared.
        seed: of what is drawn, where there is more than is compared.
        most: impostor comparisons at most; `MOST_IMPOSTORS`, or `MOST_LEARNED` where a network
            scores them, when None.
        normalised: scores in place of `siamese`, and measures the embeddings first.

    Raises:
        DataError: embeddings are not finite.
        EvidenceError: there are no comparisons of the kinds asked for.
        ConfigError: identities are to be compared, and the comparator is not symmetric.
    """
    check_embeddings(embeddings, np.zeros(len(embeddings), np.int64))
    if dataset.kind == "triplets":
        raise EvidenceError(
            "A calibration needs to know what is the same. Got triplets, which tell only what is "
            "more alike. Calibrate on identities or pairs: twinlens calibrate MODEL DATA."
        )
    scorer: Scorer = siamese
    if normalised is not None:
        scorer, embeddings = normalised, normalised.measured(embeddings)
    if dataset.pairs is not None:
        if references > 1:
            raise EvidenceError(
                f"{references} references need examples with identities. Got pairs only. "
                "Ask for one reference."
            )
        pairs = dataset.pairs
        scores = scorer.score(embeddings[pairs.left], embeddings[pairs.right])
        return linked(scores, pairs.same, pairs.left, pairs.right)
    siamese.require_symmetric("comparisons of identities")
    labels, claims = dataset.labels(), dataset.claims()
    if most is None:
        most = MOST_LEARNED if siamese.comparator.indexable is None else MOST_IMPOSTORS
    rng = np.random.default_rng(seed)
    if references == 1:
        found = _by_twos(embeddings, labels, claims, scorer, impostors, most, rng)
    else:
        found = _by_templates(
            embeddings, labels, claims, scorer, references, combine, impostors, most, rng
        )
    genuine, others = int(found.same.sum()), int((~found.same).sum())
    if not genuine or not others:
        kind = "impostors" if impostors == "all" else impostors
        raise EvidenceError(
            f"A calibration needs comparisons of the same identity and of {kind}. Got {genuine:,} "
            f"and {others:,}. Add examples."
        )
    owner = dataset.owners()
    return Compared(
        found.scores,
        found.same,
        owner[found.left],
        owner[found.right],
        len(dataset.identities()),
        "identity",
        len(np.unique(labels[found.left[found.same]])),
    )


def _wanted(same: BoolArray, imitated: BoolArray, impostors: Impostors) -> BoolArray:
    """Which comparisons are made: the genuine ones, and those with the impostors asked for.

    An imitation only pretends to be the same. [n] each.
    """
    if impostors == "all":
        return np.ones(len(same), np.bool_)
    return same | (imitated == (impostors == "imitations"))


def _by_twos(
    embeddings: FloatArray,
    labels: IntArray,
    claims: IntArray,
    scorer: Scorer,
    impostors: Impostors,
    most: int,
    rng: np.random.Generator,
) -> _Scored:
    """Pairs of examples, and imitations with each genuine example of what they imitate."""
    drawn = draw_pairs(labels, rng, most_genuine=MOST_GENUINE, most_impostors=most)
    forged = np.flatnonzero(claims >= 0)
    own = [np.flatnonzero(labels == claim) for claim in claims[forged]]
    none = np.zeros(0, np.int64)
    left = np.concatenate([drawn.left, *own, none])  # the reference comes first
    right = np.concatenate([drawn.right, np.repeat(forged, [len(places) for places in own])])
    imitated = np.arange(len(left)) >= len(drawn.left)
    same = np.concatenate([drawn.same, np.zeros(len(left) - len(drawn.left), np.bool_)])
    made = _wanted(same, imitated, impostors)
    left, right = left[made], right[made]
    scores = score_pairs(embeddings, scorer, left, right)
    return _Scored(scores, same[made], left, right)


def _by_templates(
    embeddings: FloatArray,
    labels: IntArray,
    claims: IntArray,
    scorer: Scorer,
    references: int,
    combine: Combine,
    impostors: Impostors,
    most: int,
    rng: np.random.Generator,
) -> _Scored:
    """Examples with sets of references of one identity."""
    asked = draw_questions(labels, claims, references, rng, most_impostors=most // references)
    made = _wanted(asked.same, asked.imitated, impostors)
    sets, questioned = asked.references[made], asked.questioned[made]
    each = score_pairs(embeddings, scorer, sets.ravel(), np.repeat(questioned, references))
    mutual = _mutual(embeddings, sets, scorer)
    scores = combined(each.reshape(-1, references), combine, mutual)
    return _Scored(scores, asked.same[made], sets[:, 0], questioned)


def _mutual(embeddings: FloatArray, references: IntArray, scorer: Scorer) -> FloatArray:
    """Mean score of each row of references among themselves. [n, k] positions -> [n]."""
    sets, place = np.unique(references, axis=0, return_inverse=True)  # many questions share a set
    a, b = np.triu_indices(sets.shape[1], 1)
    scores = score_pairs(embeddings, scorer, sets[:, a].ravel(), sets[:, b].ravel())
    return scores.reshape(len(sets), len(a)).mean(axis=1)[place.ravel()]
