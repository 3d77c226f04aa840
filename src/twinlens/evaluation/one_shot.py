"""N-way K-shot classification: which of N new identities is this, after K examples of each?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from twinlens.errors import EvidenceError
from twinlens.evaluation.bootstrap import FEWEST_UNITS, mean_interval
from twinlens.evaluation.comparisons import score_pairs
from twinlens.evaluation.inputs import check_embeddings
from twinlens.types import FloatArray, IntArray, Interval, Scorer

_PAIRS_AT_ONCE = 1_000_000
"""Comparisons of episodes listed at once: 16 MB of positions."""


@dataclass(frozen=True, slots=True)
class OneShotResult:
    """Accuracy over the queries of all episodes.

    Attributes:
        accuracy: share of queries whose own identity scored best; one of m best counts 1/m.
        fewest_ways, most_ways: identities in the smallest and largest episode.
        shots: support examples of each identity.
        episodes: how many were played.
        queries: one for each identity of each episode.
        identities: how many have the examples for it.
        groups: how many have two such identities; None without groups.
    """

    accuracy: Interval
    fewest_ways: int
    most_ways: int
    shots: int
    episodes: int
    queries: int
    identities: int
    groups: int | None


@dataclass(frozen=True, slots=True)
class Episode:
    """One game. Row i of all is identity i of the episode.

    Attributes:
        pool: number of the group.
        identities: [ways] number of each identity, counted through all groups.
        support: [ways, shots] positions of known examples.
        query: [ways] positions of the examples to recognise.
    """

    pool: int
    identities: IntArray
    support: IntArray
    query: IntArray


def one_shot_accuracy(
    embeddings: FloatArray,
    labels: IntArray,
    scorer: Scorer,
    *,
    ways: int,
    shots: int,
    groups: IntArray | None = None,
    episodes: int,
    seed: int,
) -> OneShotResult:
    """Play episodes and count how often the right identity scores best.

    An episode draws a group (each as likely), `ways` of its identities (all, where it has fewer),
    and of each `shots` support examples and one other as the query. An identity scores the mean
    over its support. Only the scores inside an episode are computed, some episodes at a time.

    The interval resamples the queries' groups where there are enough of them to tell, else their
    identities, and then speaks of new identities in these groups only.

    Args:
        embeddings: [n, dim] finite.
        labels: [n] identity of each; below 0 = unknown, left out.
        scorer: larger = more alike.
        ways: at least 2.
        shots: at least 1.
        groups: [n] number of the group that an episode stays within, or None.
        episodes: how many to play.
        seed: the same seed plays the same episodes.

    Raises:
        DataError: embeddings are not finite, or shapes do not match.
        EvidenceError: no group holds two identities with `shots` + 1 examples.
    """
    check_embeddings(embeddings, labels, groups)
    pools = _pools(labels, shots + 1, groups)
    rng = np.random.default_rng(seed)
    played = list(draw_episodes(pools, ways=ways, shots=shots, episodes=episodes, rng=rng))
    # One call for many episodes: each is small, and a call costs more than its arithmetic.
    step = max(1, _PAIRS_AT_ONCE // (ways * ways * shots))
    parts = [played[i : i + step] for i in range(0, episodes, step)]
    values = np.concatenate([x for part in parts for x in _credits(embeddings, scorer, part)])
    by_group = groups is not None and len(pools) >= FEWEST_UNITS
    sizes = [len(episode.query) for episode in played]
    members = (
        np.repeat([episode.pool for episode in played], sizes)
        if by_group
        else np.concatenate([episode.identities for episode in played])
    )
    return OneShotResult(
        mean_interval(values, members, rng, unit="group" if by_group else "identity"),
        min(sizes),
        max(sizes),
        shots,
        episodes,
        len(values),
        sum(len(pool) for pool in pools),
        None if groups is None else len(pools),
    )


def draw_episodes(
    pools: list[list[IntArray]],
    *,
    ways: int,
    shots: int,
    episodes: int,
    rng: np.random.Generator,
) -> Iterator[Episode]:
    """Yields episodes. A pool lists the positions of each identity's examples."""
    first = np.cumsum([0, *(len(pool) for pool in pools)])
    for _ in range(episodes):
        number = int(rng.integers(len(pools)))
        pool = pools[number]
        chosen = rng.permutation(len(pool))[:ways]
        # Random keys are cheaper than a draw without replacement for each identity in turn.
        longest = max(len(pool[i]) for i in chosen)
        keys = rng.random((len(chosen), longest))
        lengths = np.array([len(pool[i]) for i in chosen])
        keys[np.arange(longest) >= lengths[:, None]] = 2.0  # beyond the last example
        places = np.argsort(keys, axis=1)[:, : shots + 1]  # [ways, shots + 1]
        examples = np.stack([pool[i][row] for i, row in zip(chosen, places, strict=True)])
        yield Episode(number, first[number] + chosen, examples[:, :shots], examples[:, shots])


def _credits(embeddings: FloatArray, scorer: Scorer, episodes: list[Episode]) -> list[FloatArray]:
    """For each episode: 1 where a query's own identity scores best, 1/m where m do, else 0."""
    queries, supports = zip(*(_pairs(episode) for episode in episodes), strict=True)
    scores = score_pairs(embeddings, scorer, np.concatenate(queries), np.concatenate(supports))
    ends = np.cumsum([episode.support.size * len(episode.query) for episode in episodes])
    credits: list[FloatArray] = []
    for episode, part in zip(episodes, np.split(scores, ends[:-1]), strict=True):
        ways, shots = episode.support.shape
        classes = part.reshape(ways, ways, shots).mean(axis=2)  # [query, identity]
        best = classes == classes.max(axis=1, keepdims=True)
        credits.append(np.diagonal(best) / best.sum(axis=1))
    return credits


def _pairs(episode: Episode) -> tuple[IntArray, IntArray]:
    """Positions to compare: each query with the whole support. [ways · ways · shots] each."""
    support = episode.support.ravel()  # [ways · shots]
    return np.repeat(episode.query, len(support)), np.tile(support, len(episode.query))


def _pools(labels: IntArray, needed: int, groups: IntArray | None) -> list[list[IntArray]]:
    """For each group with two usable identities, the positions of each identity's examples."""
    known = np.flatnonzero(labels >= 0)
    outer = np.zeros(len(known), np.int64) if groups is None else groups[known]
    pools: list[list[IntArray]] = []
    for group in np.unique(outer):
        inside = known[outer == group]
        inside = inside[np.argsort(labels[inside], kind="stable")]
        starts = np.flatnonzero(np.diff(labels[inside])) + 1
        usable: list[IntArray] = [part for part in np.split(inside, starts) if len(part) >= needed]
        if len(usable) >= 2:
            pools.append(usable)
    if not pools:
        where = "" if groups is None else " in one group"
        raise EvidenceError(
            f"{needed - 1}-shot episodes need at least two identities with {needed} examples "
            f"each{where}. Got none such among {len(known)} examples of "
            f"{len(np.unique(labels[known]))} identities. Add examples."
        )
    return pools
