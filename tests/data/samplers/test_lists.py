"""Samplers of given pairs that keep lists together, and that mask known duplicates."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from twinlens.config import Config, load_config
from twinlens.data.samplers import DuplicateSampler, ListSampler
from twinlens.data.units import same_components
from twinlens.errors import ConfigError, DataError
from twinlens.settle import settle
from twinlens.testing import broken, check_component
from twinlens.testing.datasets import labelled_dataset, paired_dataset


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("lists", {}),
        ("lists", {"candidates": 2}),
        ("duplicates", {}),
        ("duplicates", {"balanced": True}),
    ],
)
def test_the_contract(name: str, settings: dict[str, int]) -> None:
    assert [str(result) for result in broken(check_component("sampler", name, settings))] == []


LISTS = [(0, i, i == 3) for i in range(1, 9)] + [(20, i, False) for i in range(21, 24)]


def test_a_question_keeps_its_candidates() -> None:
    draw = ListSampler(paired_dataset(30, LISTS), 1, 0, batch=2).draw(0)
    assert draw.pairs is not None
    heads = draw.examples[draw.pairs.left]
    assert np.bincount(heads)[[0, 20]].tolist() == [8, 3]


def test_of_many_candidates_some_are_drawn_and_the_right_ones_stay() -> None:
    sampler = ListSampler(paired_dataset(30, LISTS), 1, 0, batch=2, candidates=3)
    drawn: set[int] = set()
    for step in range(30):
        draw = sampler.draw(step)
        assert draw.pairs is not None
        of_first = draw.examples[draw.pairs.left] == 0
        assert of_first.sum() == 3
        assert draw.pairs.same[of_first].sum() == 1
        drawn |= set(draw.examples[draw.pairs.right[of_first]].tolist())
    assert drawn == set(range(1, 9))


def test_what_is_the_same_through_others_is_no_negative() -> None:
    pairs = [(0, 1, True), (1, 2, True), (3, 4, True), (0, 3, False), (5, 6, False)]
    dataset = paired_dataset(7, pairs)
    classes = same_components(dataset)
    assert classes[0] == classes[1] == classes[2] != classes[3] == classes[4]
    assert len({int(classes[i]) for i in (0, 3, 5, 6)}) == 4
    draw = DuplicateSampler(dataset, 1, 0).draw(0)
    assert draw.pairs is None
    assert draw.labels is not None
    np.testing.assert_array_equal(draw.labels, classes[draw.examples])


def settled(loss: str, pairs: list[tuple[int, int, bool]]) -> Config:
    """What training on such pairs of texts would take."""
    dataset = paired_dataset(7, pairs)
    texts = tuple(dataclasses.replace(e, fields={"text": e.id}) for e in dataset.examples)
    config = load_config(None, ["modality=text", "encoder=weighted_average", f"loss={loss}"])
    return settle(config, dataclasses.replace(dataset, examples=texts))


@pytest.mark.parametrize("loss", ["infonce", "supcon"])
def test_a_loss_of_labels_takes_given_pairs(loss: str) -> None:
    config = settled(loss, [(0, 1, True), (3, 4, True), (5, 6, False)])
    assert (config.sampler.name, config.miner.name) == ("duplicates", "none")


def test_listwise_draws_lists() -> None:
    assert settled("listwise", [(0, 1, True), (0, 4, False)]).sampler.name == "lists"


def test_an_order_is_learned_from_lists_that_have_one() -> None:
    config = settled("ranked_triplet", [(0, 1, True), (0, 4, False)])
    assert (config.sampler.name, config.miner.name) == ("lists", "none")
    for pairs in (
        [(0, 1, True), (2, 4, False)],  # one candidate each
        [(0, 1, True), (0, 4, True), (2, 5, False), (2, 6, False)],  # none is better
    ):
        with pytest.raises(ConfigError, match=r"a better and a worse candidate.*Got \d pairs"):
            settled("ranked_triplet", pairs)


def test_data_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="must fit data"):
        ListSampler(labelled_dataset([2, 2]), 1, 0)
    with pytest.raises(DataError, match="must give pairs"):
        same_components(labelled_dataset([2, 2]))
    with pytest.raises(ConfigError, match=r"sampler\.candidates"):
        ListSampler(paired_dataset(2, [(0, 1, True)]), 1, 0, candidates=0)
