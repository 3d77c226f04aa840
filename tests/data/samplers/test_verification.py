"""Pairs as verification asks about them: genuine, imitated, and of strangers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens.data.dataset import Dataset
from twinlens.data.samplers import IdentitySampler, VerificationSampler
from twinlens.errors import ConfigError
from twinlens.testing import broken, check_sampler
from twinlens.types import Example


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"identities": 2, "examples": 2},
        {"within": "across", "derived_share": 0.0, "examples": 25},
        {"groups": 2, "identities": 6, "derived_share": 0.9},
    ],
)
def test_the_contract(changed: dict[str, Any]) -> None:
    assert [str(result) for result in broken(check_sampler("verification", changed))] == []


def signatures(*, writers: int = 5, forged: int = 4) -> Dataset:
    """6 genuine signatures of each writer; all but the last writer are imitated."""
    examples: list[Example] = []
    for writer in range(writers):
        name = f"w{writer}"
        examples += [Example(f"{name}/g{i}", name) for i in range(6)]
        if writer < writers - 1:
            examples += [Example(f"{name}/f{i}", None, imitates=name) for i in range(forged)]
    return Dataset(Path("nowhere"), tuple(examples))


@pytest.mark.parametrize("variants", [1, 4])
def test_what_is_paired(variants: int) -> None:
    dataset = signatures()
    sampler = VerificationSampler(
        dataset, variants, 0, identities=3, examples=3, imitations=2, derived_share=0.5
    )
    labels, claims = dataset.labels(), dataset.claims()
    for step in range(20):
        draw = sampler.draw(step)
        assert draw.labels is None
        assert draw.pairs is not None
        left, right = (draw.examples[side] for side in (draw.pairs.left, draw.pairs.right))
        same = draw.pairs.same
        imitated = claims[left[~same]], claims[right[~same]]
        assert (claims[left] < 0).all()  # on the left is a genuine one
        assert (labels[left[same]] == labels[right[same]]).all()
        false = imitated[1] >= 0
        assert (labels[left[~same]][false] == imitated[1][false]).all()
        strangers = labels[left[~same]][~false] != labels[right[~same]][~false]
        assert strangers.all()
        several = len(np.unique(labels[draw.examples][labels[draw.examples] >= 0]))
        have = several - (labels[draw.examples] == 4).any()  # nobody imitates the last
        assert (same.sum(), false.sum(), (~false).sum()) == (several * 3, have * 6, several * 3)
        turned = draw.variants[draw.pairs.left] == draw.variants[draw.pairs.right]
        assert turned[same].all() and turned[~same][false].all()


def test_it_draws_what_identities_draws() -> None:
    dataset = signatures()
    settings: dict[str, Any] = {"identities": 3, "examples": 3, "imitations": 2}
    pairs = VerificationSampler(dataset, 1, 7, **settings).draw(3)
    labels = IdentitySampler(dataset, 1, 7, **settings).draw(3)
    assert pairs.examples.tolist() == labels.examples.tolist()


def test_nothing_is_compared_with_itself() -> None:
    few = Dataset(
        Path("nowhere"),
        tuple(
            Example(f"{who}/{i}", who, group="g") for who in "abcde" for i in range(1 + (who > "c"))
        ),
    )
    for settings in ({"within": "group", "groups": 5, "identities": 5}, {"within": "across"}):
        sampler = VerificationSampler(few, 1, 0, examples=3, **settings)  # pyright: ignore
        for step in range(5):
            draw = sampler.draw(step)
            assert draw.pairs is not None
            assert (draw.examples[draw.pairs.left] != draw.examples[draw.pairs.right]).all()
    with pytest.raises(ConfigError, match="examples must be at least 2"):
        VerificationSampler(few, 1, 0, examples=1)


def test_without_imitations_there_are_strangers() -> None:
    sampler = VerificationSampler(signatures(forged=0), 1, 0, identities=4, examples=2)
    draw = sampler.draw(0)
    assert draw.pairs is not None
    assert (draw.pairs.same.sum(), (~draw.pairs.same).sum()) == (4, 8)
