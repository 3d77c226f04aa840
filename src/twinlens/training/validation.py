"""How good a network is on identities that training does not see: one number to choose by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from twinlens.data.dataset import Dataset
from twinlens.data.memory import by_size
from twinlens.evaluation.one_shot import one_shot_accuracy
from twinlens.evaluation.ranking import are_lists
from twinlens.functional.metrics import roc_auc
from twinlens.functional.ranking import rank_lists
from twinlens.siamese import Siamese
from twinlens.types import BoolArray, FloatArray, IntArray, Pairs, Store, Triplets

MOST_EXAMPLES = 4000
"""Examples that a validation embeds at most."""
EPISODES = 400
WAYS = 20


def embed_store(
    siamese: Siamese, store: Store, positions: IntArray, batch_size: int = 256
) -> FloatArray:
    """Embeddings of stored examples, in this order. [n] positions -> [n, dim] float32.

    Examples of like size share a batch, so that little is padded.
    """
    embeddings = np.zeros((len(positions), siamese.dim), np.float32)
    shapes = store.shapes
    order = by_size([shapes[int(position)] for position in positions])
    for start in range(0, len(order), batch_size):
        part = order[start : start + batch_size]
        embeddings[part] = siamese.embed(store.gather(positions[part]))
    return embeddings


@dataclass(frozen=True, slots=True)
class OneShot:
    """N-way one-shot accuracy within groups where there are any: validation by labels.

    Up to `WAYS` ways. The same episodes at every call, so that scores can be compared.
    """

    store: Store
    positions: IntArray
    labels: IntArray
    groups: IntArray | None
    seed: int

    @classmethod
    def of(cls, dataset: Dataset, store: Store, seed: int) -> OneShot | None:
        """A validator over a data set, or None when it has not two identities with two examples."""
        labels = dataset.labels()
        chosen = np.flatnonzero(labels >= 0)
        _, counts = np.unique(labels[chosen], return_counts=True)
        if np.sum(counts >= 2) < 2:
            return None
        if len(chosen) > MOST_EXAMPLES:  # whole identities, drawn evenly
            order = np.random.default_rng(seed).permutation(labels.max() + 1)
            chosen = chosen[np.argsort(order[labels[chosen]], kind="stable")[:MOST_EXAMPLES]]
        groups = dataset.groups()
        return cls(store, chosen, labels[chosen], None if groups is None else groups[chosen], seed)

    def __call__(self, siamese: Siamese) -> float:
        embeddings = embed_store(siamese, self.store, self.positions)
        result = one_shot_accuracy(
            embeddings,
            self.labels,
            siamese,
            ways=WAYS,
            shots=1,
            groups=self.groups,
            episodes=EPISODES,
            seed=self.seed,
        )
        return result.accuracy.value


@dataclass(frozen=True, slots=True)
class PairFigure:
    """A figure of scored pairs: validation when pairs are known, or imitations of identities."""

    store: Store
    pairs: Pairs
    count: int
    figure: Callable[[FloatArray, Pairs], float]

    def __call__(self, siamese: Siamese) -> float:
        embeddings = embed_store(siamese, self.store, np.arange(self.count))
        scores = siamese.score(embeddings[self.pairs.left], embeddings[self.pairs.right])
        return self.figure(scores, self.pairs)


def pair_ranking(scores: FloatArray, pairs: Pairs) -> float:
    """ROC-AUC over pairs: given ones, or genuine examples against imitations of them."""
    return roc_auc(scores, pairs.same)


def grade_order(scores: FloatArray, pairs: Pairs) -> float:
    """Correlation of ranks over graded pairs; 0 where all scores are equal."""
    ranks = rankdata(scores), rankdata(pairs.grade)
    return float(np.corrcoef(*ranks)[0, 1]) if np.ptp(scores) > 0 else 0.0


def list_order(scores: FloatArray, pairs: Pairs) -> float:
    """Mean average precision over the candidates of each question."""
    return float(rank_lists(scores, pairs.same, pairs.left).average_precision.mean())


@dataclass(frozen=True, slots=True)
class TripletOrder:
    """Share of given triplets in the right order: validation when only triplets are known."""

    store: Store
    triplets: Triplets
    count: int

    def __call__(self, siamese: Siamese) -> float:
        embeddings = embed_store(siamese, self.store, np.arange(self.count))
        anchor = embeddings[self.triplets.anchor]
        near = siamese.score(anchor, embeddings[self.triplets.positive])
        far = siamese.score(anchor, embeddings[self.triplets.negative])
        return float(np.mean(near > far))


def validator_for(
    dataset: Dataset, store: Store | None, seed: int
) -> OneShot | PairFigure | TripletOrder | None:
    """The validator that fits the supervision, or None when the data cannot carry one.

    Pairs that mostly share their left example are lists of candidates.
    """
    if store is None or not len(dataset):
        return None
    if (pairs := dataset.pairs) is not None:
        if pairs.grade is not None:
            graded = len(pairs) > 1 and np.ptp(pairs.grade) > 0
            return PairFigure(store, pairs, len(dataset), grade_order) if graded else None
        if not 0 < pairs.same.sum() < len(pairs):
            return None
        figure = list_order if are_lists(pairs.left) else pair_ranking
        return PairFigure(store, pairs, len(dataset), figure)
    if dataset.triplets is not None:
        return TripletOrder(store, dataset.triplets, len(dataset)) if dataset.triplets else None
    if (dataset.claims() >= 0).any():
        pairs = imitation_pairs(dataset)
        if not pairs.same.any():
            return None
        return PairFigure(store, pairs, len(dataset), pair_ranking)
    return OneShot.of(dataset, store, seed)


def imitation_pairs(dataset: Dataset) -> Pairs:
    """Each identity's examples with one another, and with each imitation of it."""
    labels, claims = dataset.labels(), dataset.claims()
    left: list[IntArray] = []
    right: list[IntArray] = []
    same: list[BoolArray] = []
    for identity in range(len(dataset.identities())):
        own, forged = np.flatnonzero(labels == identity), np.flatnonzero(claims == identity)
        a, b = np.triu_indices(len(own), 1)
        left += [own[a], np.repeat(own, len(forged))]
        right += [own[b], np.tile(forged, len(own))]
        same += [np.ones(len(a), np.bool_), np.zeros(len(own) * len(forged), np.bool_)]
    return Pairs(np.concatenate(left), np.concatenate(right), np.concatenate(same))
