"""Groups in which every two are alike."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from blobs import Cosine
from twinlens.duplicates.clusters import Cluster, Pair, complete_link, scored_alike
from twinlens.types import BoolArray, FloatArray


def on_circle(*degrees: float) -> FloatArray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def all_pairs(points: FloatArray) -> list[Pair]:
    return [
        Pair(a, b, float(points[a] @ points[b]))
        for a, b in itertools.combinations(range(len(points)), 2)
    ]


def joined(pairs: Iterable[Pair], points: FloatArray, *, threshold: float) -> list[Cluster]:
    likely = [pair for pair in pairs if pair.score >= threshold]
    return complete_link(likely, scored_alike(points, Cosine(), threshold=threshold))


def test_a_chain_of_weak_links_joins_no_strangers() -> None:
    points = on_circle(0, 20, 40, 60, 80)  # each 20 degrees from the next, the ends 80 apart
    threshold = float(np.cos(np.radians(25)))
    found = joined(all_pairs(points), points, threshold=threshold)
    assert [cluster.members for cluster in found] == [(0, 1), (2, 3)]


def test_groups_come_with_the_pairs_that_joined_them() -> None:
    points = on_circle(0, 1, 3, 90, 91, 200)
    found = joined(all_pairs(points), points, threshold=0.99)
    assert [cluster.members for cluster in found] == [(0, 1, 2), (3, 4)]
    assert [(link.left, link.right) for link in found[0].links] == [(0, 1), (1, 2)]


def test_pairs_that_no_candidate_names_are_scored_all_the_same() -> None:
    points = on_circle(0, 20, 40)
    neighbours = [pair for pair in all_pairs(points) if pair.right - pair.left == 1]
    threshold = float(np.cos(np.radians(25)))
    found = joined(neighbours, points, threshold=threshold)
    assert [cluster.members for cluster in found] == [(0, 1)]


def test_what_is_alike_may_be_told_otherwise_than_by_the_score() -> None:
    told = {(0, 1), (1, 2), (2, 3), (4, 5)}
    asked: list[tuple[Sequence[int], Sequence[int]]] = []

    def alike(left: Sequence[int], right: Sequence[int]) -> BoolArray:
        asked.append((tuple(left), tuple(right)))
        return np.array([[(min(a, b), max(a, b)) in told for b in right] for a in left])

    pairs = [Pair(0, 1, 0.2), Pair(1, 2, 0.1), Pair(2, 3, -0.4), Pair(4, 5, 0.9)]
    found = complete_link(pairs, alike)
    assert [cluster.members for cluster in found] == [(0, 1), (2, 3), (4, 5)]
    assert [cluster.links for cluster in found] == [(pairs[0],), (pairs[2],), (pairs[3],)]
    assert asked == [((0, 1), (2,))]  # a given pair is alike, and nothing else is looked at
    told.add((0, 2))
    assert complete_link(pairs, alike)[0].members == (0, 1, 2)


def test_a_score_is_compared_with_the_threshold_as_it_is() -> None:
    points = np.array([[1, 0], [0.9, 0]], np.float32)  # their product is a little less than 0.9
    alike = scored_alike(points, Cosine(), threshold=0.9)
    assert alike([0], [0, 1]).tolist() == [[True, False]]


@given(st.lists(st.floats(0, 360), min_size=2, max_size=12), st.floats(1, 60), st.randoms())
def test_every_two_of_a_group_are_alike_whatever_the_order(
    degrees: list[float], apart: float, random: Random
) -> None:
    points = on_circle(*degrees)
    threshold = float(np.cos(np.radians(apart)))
    pairs = all_pairs(points)
    expected = joined(pairs, points, threshold=threshold)
    random.shuffle(pairs)
    assert joined(pairs, points, threshold=threshold) == expected
    members = [member for cluster in expected for member in cluster.members]
    assert len(members) == len(set(members))
    for cluster in expected:
        assert len(cluster.links) == len(cluster.members) - 1
        inside = points[list(cluster.members)]
        assert float((inside @ inside.T).min()) >= threshold - 1e-6
