"""Groups in which every two are alike."""

from __future__ import annotations

import itertools
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from blobs import Cosine
from twinlens.duplicates.clusters import Pair, complete_link
from twinlens.types import FloatArray


def on_circle(*degrees: float) -> FloatArray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def all_pairs(points: FloatArray) -> list[Pair]:
    return [
        Pair(a, b, float(points[a] @ points[b]))
        for a, b in itertools.combinations(range(len(points)), 2)
    ]


def test_a_chain_of_weak_links_joins_no_strangers() -> None:
    points = on_circle(0, 20, 40, 60, 80)  # each 20 degrees from the next, the ends 80 apart
    threshold = float(np.cos(np.radians(25)))
    found = complete_link(all_pairs(points), points, Cosine(), threshold=threshold)
    assert [cluster.members for cluster in found] == [(0, 1), (2, 3)]


def test_groups_come_with_the_pairs_that_joined_them() -> None:
    points = on_circle(0, 1, 3, 90, 91, 200)
    found = complete_link(all_pairs(points), points, Cosine(), threshold=0.99)
    assert [cluster.members for cluster in found] == [(0, 1, 2), (3, 4)]
    assert [(link.left, link.right) for link in found[0].links] == [(0, 1), (1, 2)]


def test_pairs_that_no_candidate_names_are_scored_all_the_same() -> None:
    points = on_circle(0, 20, 40)
    neighbours = [pair for pair in all_pairs(points) if pair.right - pair.left == 1]
    threshold = float(np.cos(np.radians(25)))
    found = complete_link(neighbours, points, Cosine(), threshold=threshold)
    assert [cluster.members for cluster in found] == [(0, 1)]


@given(st.lists(st.floats(0, 360), min_size=2, max_size=12), st.floats(1, 60), st.randoms())
def test_every_two_of_a_group_are_alike_whatever_the_order(
    degrees: list[float], apart: float, random: Random
) -> None:
    points = on_circle(*degrees)
    threshold = float(np.cos(np.radians(apart)))
    pairs = all_pairs(points)
    expected = complete_link(pairs, points, Cosine(), threshold=threshold)
    random.shuffle(pairs)
    assert complete_link(pairs, points, Cosine(), threshold=threshold) == expected
    members = [member for cluster in expected for member in cluster.members]
    assert len(members) == len(set(members))
    for cluster in expected:
        assert len(cluster.links) == len(cluster.members) - 1
        inside = points[list(cluster.members)]
        assert float((inside @ inside.T).min()) >= threshold - 1e-6
