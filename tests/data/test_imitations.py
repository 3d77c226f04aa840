"""Who imitates whom, from folders and from tables; and that samplers draw them beside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twinlens.data.dataset import Dataset
from twinlens.data.manifest import read_dataset
from twinlens.data.samplers import IdentitySampler
from twinlens.errors import DataError
from twinlens.training.validation import imitation_pairs


def write(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


@pytest.fixture
def signed(tmp_path: Path) -> Dataset:
    names = [f"{who}/genuine/{i}.png" for who in ("ann", "bob", "eve") for i in range(4)]
    names += [f"{who}/Forgery/{i}.png" for who in ("ann", "bob") for i in range(3)]
    return read_dataset(write(tmp_path, *names))


def test_folders_tell_who_is_imitated(signed: Dataset) -> None:
    assert signed.identities() == ["ann", "bob", "eve"]
    assert (signed.labels() >= 0).sum() == 12
    claims = signed.claims()
    assert np.bincount(claims[claims >= 0], minlength=3).tolist() == [3, 3, 0]
    assert (signed.owners() >= 0).all()
    assert set(signed.classes().tolist()) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    "paths",
    [
        ("a/genuine/1.png", "b/genuine/1.png"),  # nobody is imitated
        ("a/genuine/1.png", "a/other/1.png"),
        ("a/forgery/1.png", "b/genuine/1.png"),  # of whom there is no genuine example
        ("genuine/1.png", "forgery/1.png"),
    ],
)
def test_other_folders_are_classes_as_always(paths: tuple[str, ...], tmp_path: Path) -> None:
    dataset = read_dataset(write(tmp_path, *paths))
    assert (dataset.claims() < 0).all()
    assert (dataset.labels() >= 0).all()


def test_a_column_tells_who_is_imitated(tmp_path: Path) -> None:
    write(tmp_path, "1.png", "2.png", "3.png")
    table = tmp_path / "labels.csv"
    table.write_text("path,identity,imitates\n1.png,ann,\n2.png,bob,\n3.png,,ann\n")
    dataset = read_dataset(table)
    assert [e.imitates for e in dataset.examples] == [None, None, "ann"]
    assert [e.identity for e in dataset.examples] == ["ann", "bob", None]


@pytest.mark.parametrize(
    ("row", "word"),
    [("3.png,ann,bob", "or imitate one"), ("3.png,,", "neither"), ("3.png,,zoe", "zoe")],
)
def test_a_row_that_contradicts_itself_is_named(row: str, word: str, tmp_path: Path) -> None:
    write(tmp_path, "1.png", "2.png", "3.png")
    table = tmp_path / "labels.csv"
    table.write_text(f"path,identity,imitates\n1.png,ann,\n2.png,bob,\n{row}\n")
    with pytest.raises(DataError, match=rf"row 4.*{word}"):
        read_dataset(table)


def test_imitations_are_drawn_beside_what_they_imitate(signed: Dataset) -> None:
    sampler = IdentitySampler(signed, 2, 0, identities=3, examples=2, imitations=2)
    assert sampler.classes == 12
    for step in range(5):
        draw = sampler.draw(step)
        assert draw.labels is not None
        np.testing.assert_array_equal(
            draw.labels, signed.classes()[draw.examples] * 2 + draw.variants
        )
        claims = signed.claims()[draw.examples]
        assert np.bincount(claims[claims >= 0], minlength=3).tolist() == [2, 2, 0]
    without = IdentitySampler(signed, 1, 0, imitations=0).draw(0)
    assert (signed.claims()[without.examples] < 0).all()


def test_validation_is_by_genuine_pairs_and_imitations(signed: Dataset) -> None:
    pairs = imitation_pairs(signed)
    assert pairs.same.sum() == 3 * 6
    assert (~pairs.same).sum() == 2 * 4 * 3
    owners = signed.owners()
    np.testing.assert_array_equal(owners[pairs.left], owners[pairs.right])
