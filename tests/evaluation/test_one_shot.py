from __future__ import annotations

import numpy as np
import pytest

from blobs import Cosine, blobs
from twinlens.errors import DataError, EvidenceError
from twinlens.evaluation import comparisons
from twinlens.evaluation.few_shot import few_shot_metrics
from twinlens.evaluation.one_shot import draw_episodes, one_shot_accuracy


def test_perfect_embeddings_are_always_right() -> None:
    found = one_shot_accuracy(
        np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 2, 2, 3, 3]],
        np.repeat(np.arange(4), 2),
        Cosine(),
        ways=3,
        shots=1,
        episodes=20,
        seed=0,
    )
    assert found.accuracy.value == found.accuracy.high == 1.0
    assert found.accuracy.low < 0.5  # four identities cannot promise much
    assert (found.fewest_ways, found.most_ways, found.queries) == (3, 3, 60)


def test_embeddings_that_are_all_equal_are_right_by_chance() -> None:
    points = np.ones((20, 3), np.float32)
    found = one_shot_accuracy(
        points, np.repeat(np.arange(10), 2), Cosine(), ways=5, shots=1, episodes=10, seed=0
    )
    assert found.accuracy.value == pytest.approx(0.2)


def test_a_loop_gives_the_same() -> None:
    points, labels = blobs(12, 5)
    pools = [[np.flatnonzero(labels == i) for i in range(12)]]
    rng = np.random.default_rng(7)
    right: list[float] = []
    for episode in draw_episodes(pools, ways=6, shots=2, episodes=40, rng=rng):
        for way, query in enumerate(episode.query):
            means = [np.mean(points[known] @ points[query]) for known in episode.support]
            right.append(float(np.argmax(means) == way))
    found = one_shot_accuracy(points, labels, Cosine(), ways=6, shots=2, episodes=40, seed=7)
    assert found.accuracy.value == pytest.approx(np.mean(right))


def test_episodes_are_made_of_distinct_examples_of_distinct_identities() -> None:
    sizes = [3, 4, 9, 3, 5]
    ends = np.cumsum(sizes)
    pools = [[np.arange(e - n, e) for e, n in zip(ends, sizes, strict=True)]]
    rng = np.random.default_rng(0)
    seen: set[int] = set()
    for episode in draw_episodes(pools, ways=4, shots=2, episodes=200, rng=rng):
        rows = np.column_stack([episode.support, episode.query])  # [ways, shots + 1]
        assert len(np.unique(rows)) == rows.size
        assert len(set(episode.identities)) == 4
        owner = np.searchsorted(ends, rows, side="right")
        assert (owner == episode.identities[:, None]).all()
        seen |= set(rows.ravel().tolist())
    assert seen == set(range(24))


def test_the_same_seed_plays_the_same_episodes() -> None:
    points, labels = blobs(12, 5)
    runs = [
        one_shot_accuracy(points, labels, Cosine(), ways=5, shots=1, episodes=30, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1] != runs[2]


def test_less_noise_and_more_shots_are_better() -> None:
    def accuracy(noise: float, shots: int) -> float:
        points, labels = blobs(15, 8, noise=noise)
        found = one_shot_accuracy(
            points, labels, Cosine(), ways=5, shots=shots, episodes=100, seed=0
        )
        return found.accuracy.value

    assert accuracy(0.5, 1) > accuracy(1.0, 1)
    assert accuracy(1.0, 5) > accuracy(1.0, 1)


def test_an_episode_stays_within_its_group_and_takes_what_there_is() -> None:
    points, labels = blobs(7, 3)
    groups = (labels >= 4).astype(np.int64)  # 4 and 3 identities
    found = one_shot_accuracy(
        points, labels, Cosine(), ways=20, shots=1, groups=groups, episodes=30, seed=0
    )
    assert (found.fewest_ways, found.most_ways, found.groups) == (3, 4, 2)
    assert "identity" in found.accuracy.method  # two groups are too few to resample
    many = one_shot_accuracy(
        *blobs(30, 3), Cosine(), ways=2, shots=1, groups=np.arange(90) // 9, episodes=90, seed=0
    )
    assert many.accuracy.method.startswith("group bootstrap")


def test_unknown_and_rare_identities_are_left_out() -> None:
    points, labels = blobs(6, 3)
    labels[:3] = -1
    labels[5] = 99
    found = one_shot_accuracy(points, labels, Cosine(), ways=9, shots=2, episodes=20, seed=0)
    assert (found.identities, found.most_ways) == (4, 4)


def test_too_little_data_is_refused() -> None:
    points, labels = blobs(4, 2)
    with pytest.raises(EvidenceError, match="two identities with 3 examples"):
        one_shot_accuracy(points, labels, Cosine(), ways=2, shots=2, episodes=5, seed=0)
    with pytest.raises(EvidenceError, match="in one group"):
        one_shot_accuracy(
            points, labels, Cosine(), ways=2, shots=1, groups=labels, episodes=5, seed=0
        )
    points[3, 0] = np.nan
    with pytest.raises(DataError, match="position 3"):
        one_shot_accuracy(points, labels, Cosine(), ways=2, shots=1, episodes=5, seed=0)


def test_no_more_is_compared_at_once_than_the_chunk() -> None:
    points, labels = blobs(40, 3, dim=64)
    scorer = Cosine()
    one_shot_accuracy(points, labels, scorer, ways=40, shots=2, episodes=40, seed=0)
    assert scorer.largest <= comparisons._CHUNK_VALUES


def test_figures_have_exactly_their_number_of_ways() -> None:
    points, labels = blobs(12, 3)
    groups = (labels >= 7).astype(np.int64)  # 7 and 5 identities
    metrics, absent = few_shot_metrics(points, labels, Cosine(), groups=groups, episodes=20, seed=0)
    assert set(metrics) == {"one_shot_5_way_1_shot"}
    assert absent == {
        "one_shot_20_way_1_shot": "needs 20 identities with 2 examples each in one group; got 7",
        "one_shot_5_way_5_shot": "needs 5 identities with 6 examples each in one group; got 0",
        "one_shot_20_way_5_shot": "needs 20 identities with 6 examples each in one group; got 0",
    }
