"""P × K: distinct examples, groups topped up, derived classes counted apart."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinlens.data.dataset import Dataset
from twinlens.data.samplers import IdentitySampler
from twinlens.errors import ConfigError, DataError
from twinlens.testing import broken, check_sampler
from twinlens.testing.datasets import labelled_dataset, paired_dataset
from twinlens.types import Example


def sampler(dataset: Dataset, *, variants: int = 1, **changed: Any) -> IdentitySampler:
    return IdentitySampler(dataset, variants, 0, **changed)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"identities": 2, "examples": 1},
        {"within": "across", "derived_share": 0.0, "examples": 25},
        {"groups": 2, "identities": 6, "derived_share": 0.9},
    ],
)
def test_the_contract(changed: dict[str, Any]) -> None:
    assert [str(result) for result in broken(check_sampler("identities", changed))] == []


def test_by_hand() -> None:
    draw = sampler(labelled_dataset([1, 2]), examples=2).draw(0)
    assert draw.labels is not None
    by_label = {label: sorted(draw.examples[draw.labels == label].tolist()) for label in (0, 1)}
    assert by_label == {0: [0, 0], 1: [1, 2]}
    assert draw.variants.tolist() == [0] * 4
    assert draw.pairs is None and draw.triplets is None


@given(
    sizes=st.lists(st.integers(1, 8), min_size=2, max_size=8),
    identities=st.integers(2, 9),
    examples=st.integers(1, 9),
    seed=st.integers(0, 9),
)
@settings(max_examples=80, deadline=None)
def test_p_times_k_distinct_while_there_are_enough(
    sizes: list[int], identities: int, examples: int, seed: int
) -> None:
    dataset = labelled_dataset(sizes)
    drawn = IdentitySampler(dataset, 1, seed, identities=identities, examples=examples).draw(seed)
    assert drawn.labels is not None
    counts = Counter(drawn.labels.tolist())
    assert len(counts) == min(identities, len(sizes))
    assert set(counts.values()) == {examples}
    np.testing.assert_array_equal(dataset.labels()[drawn.examples], drawn.labels)
    for label in counts:
        mine = drawn.examples[drawn.labels == label]
        assert len(set(mine.tolist())) == min(sizes[label], examples)


def test_every_subset_of_an_identity_is_equally_likely() -> None:
    one = sampler(labelled_dataset([4, 1]), examples=2)
    seen: Counter[frozenset[int]] = Counter()
    for step in range(1200):
        draw = one.draw(step)
        assert draw.labels is not None
        seen[frozenset(draw.examples[draw.labels == 0].tolist())] += 1
    assert len(seen) == 6
    assert min(seen.values()) > 140 and max(seen.values()) < 260  # 200 each, ± 4.6 deviations


def test_a_batch_is_of_one_group_while_it_is_large_enough() -> None:
    dataset = labelled_dataset([2] * 12, groups=[0] * 4 + [1] * 8)
    group_of = dataset.groups()
    assert group_of is not None
    for step in range(30):
        assert len(set(group_of[sampler(dataset, identities=4).draw(step).examples])) == 1


def test_a_small_group_is_topped_up_from_others() -> None:
    dataset = labelled_dataset([2] * 7, groups=[0, 0, 1, 1, 1, 2, 2])
    for step in range(30):
        draw = sampler(dataset, identities=6, examples=1).draw(step)
        assert draw.labels is not None
        assert len(set(draw.labels.tolist())) == 6


def test_groups_share_a_batch_when_asked() -> None:
    dataset = labelled_dataset([2] * 20, groups=[i // 5 for i in range(20)])
    group_of = dataset.groups()
    assert group_of is not None
    for step in range(20):
        draw = sampler(dataset, identities=4, examples=1, groups=2).draw(step)
        assert sorted(Counter(group_of[draw.examples].tolist()).values()) == [2, 2]


def test_identities_of_small_and_large_groups_are_seen_alike() -> None:
    dataset = labelled_dataset([1] * 40, groups=[0] * 4 + [1] * 36)
    one = sampler(dataset, identities=4, examples=1)
    seen = Counter(label for step in range(2000) for label in one.draw(step).examples.tolist())
    small = np.mean([seen[i] for i in range(4)])
    large = np.mean([seen[i] for i in range(4, 40)])
    assert 0.8 < small / large < 1.25


def test_across_mixes_groups() -> None:
    dataset = labelled_dataset([2] * 8, groups=[0] * 4 + [1] * 4)
    group_of = dataset.groups()
    assert group_of is not None
    one = sampler(dataset, identities=4, within="across")
    assert any(len(set(group_of[one.draw(step).examples])) == 2 for step in range(10))


def test_derived_classes_have_labels_of_their_own_and_turn_a_group_alike() -> None:
    dataset = labelled_dataset([2] * 8, groups=[0] * 4 + [1] * 4)
    one = sampler(dataset, variants=4, identities=4, derived_share=0.5)
    seen: set[int] = set()
    for step in range(60):
        draw = one.draw(step)
        assert draw.labels is not None
        assert len(set(draw.variants.tolist())) == 1  # one group, one turn
        np.testing.assert_array_equal(draw.labels % 4, draw.variants)
        np.testing.assert_array_equal(draw.labels // 4, dataset.labels()[draw.examples])
        seen |= set(draw.variants.tolist())
    assert seen == {0, 1, 2, 3} and one.classes == 32


def test_without_groups_each_identity_is_turned_by_itself() -> None:
    one = sampler(labelled_dataset([3] * 10), variants=4, derived_share=0.5, examples=3)
    draws = [one.draw(step) for step in range(40)]
    assert any(len(set(draw.variants.tolist())) > 1 for draw in draws)
    for draw in draws:
        assert (draw.variants.reshape(-1, 3) == draw.variants[::3, None]).all()
    share = np.mean([np.mean(draw.variants > 0) for draw in draws])
    assert 0.4 < share < 0.6


def test_examples_without_identity_are_left_out() -> None:
    known = labelled_dataset([2, 2]).examples
    dataset = Dataset(labelled_dataset([1]).root, (Example("?", None), *known))
    drawn = {p for step in range(20) for p in sampler(dataset).draw(step).examples.tolist()}
    assert drawn == {1, 2, 3, 4}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"identities": 1}, "sampler.identities must be at least 2. Got 1"),
        ({"examples": 0}, "sampler.examples must be at least 1. Got 0"),
        ({"groups": 0}, "sampler.groups must be 1 to sampler.identities. Got 0"),
        ({"groups": 9, "identities": 8}, "sampler.groups"),
        ({"derived_share": 1.5}, "sampler.derived_share must be between 0 and 1. Got 1.5"),
        ({"within": "group"}, "without groups"),
    ],
)
def test_settings_out_of_range_are_refused(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        sampler(labelled_dataset([2] * 3), **changed)


def test_one_identity_and_other_kinds_of_data_are_refused() -> None:
    with pytest.raises(DataError, match="at least 2 identities. Got 1"):
        sampler(labelled_dataset([5]))
    with pytest.raises(ConfigError, match="data that gives pairs"):
        sampler(paired_dataset(2, [(0, 1, True)]))


def test_an_identity_in_two_groups_is_named() -> None:
    examples = [Example(f"{i}", "x" if i < 2 else "y", group=f"g{i}") for i in range(3)]
    with pytest.raises(DataError, match="Got 'x' in 'g1' and in another"):
        sampler(Dataset(labelled_dataset([1]).root, tuple(examples)))


def test_settle_says_which_way_it_is() -> None:
    grouped, plain = labelled_dataset([1, 1], groups=[0, 1]), labelled_dataset([1, 1])
    settings = {"within": "auto", "identities": 7}
    assert IdentitySampler.settle(settings, grouped) == {"within": "group", "identities": 7}
    assert IdentitySampler.settle(settings, plain)["within"] == "across"
    assert IdentitySampler.settle({"within": "across"}, grouped) == {"within": "across"}
