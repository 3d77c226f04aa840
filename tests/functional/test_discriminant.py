"""Directions in which the same are alike and others are not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from twinlens.functional import discriminant as module
from twinlens.functional.discriminant import discriminant


def people(*, identities: int = 40, each: int = 6, features: int = 5) -> tuple[Tensor, Tensor]:
    """Identities differ along the first feature; the second varies most, but inside of them."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(identities).repeat_interleave(each)
    seen = 0.1 * torch.randn(len(labels), features, generator=generator)
    seen[:, 0] += torch.randn(identities, generator=generator)[labels]
    seen[:, 1] = 5 * torch.randn(len(labels), generator=generator)
    return seen - seen.mean(0), labels


def test_the_first_direction_is_that_in_which_identities_differ() -> None:
    seen, labels = people()
    found = discriminant(seen, labels, torch.full_like(labels, -1), width=2, shrink=0.1)
    first = found[:, 0] / found[:, 0].norm()
    assert abs(first[0]) > 0.99
    spread = (seen @ found).var(0)
    assert spread[0] > 5 * spread[1]


def test_imitations_tell_what_matters() -> None:
    seen, labels = people()
    forged = seen[labels < 20].clone()
    forged[:, 2] += 2.0  # whoever imitates is right about the first feature, but not the third
    everything = torch.cat([seen, forged])
    none = torch.full_like(labels, -1)
    whose = labels[labels < 20]
    found = discriminant(
        everything - seen.mean(0),
        torch.cat([labels, torch.full_like(whose, -1)]),
        torch.cat([none, whose]),
        width=1,
        shrink=0.1,
    )
    assert abs(found[2, 0]) / found.norm() > 0.9


def test_one_imitation_does_not_decide() -> None:
    seen, labels = people()
    forged = seen[:1] + torch.tensor([0.0, 0.0, 3.0, 0.0, 0.0])
    found = discriminant(
        torch.cat([seen, forged]),
        torch.cat([labels, torch.tensor([-1])]),
        torch.cat([torch.full_like(labels, -1), labels[:1]]),
        width=2,
        shrink=0.1,
    )
    first = found[:, 0] / found[:, 0].norm()
    assert abs(first[0]) > 0.9


def test_nobody_may_be_known_of_whom_is_imitated() -> None:
    labels, claims = torch.tensor([0, 0, 1, 1, -1]), torch.tensor([-1, -1, -1, -1, 7])
    seen = torch.rand(5, 2, generator=torch.Generator().manual_seed(0))
    assert discriminant(seen, labels, claims, width=1, shrink=0.1).isfinite().all()


def test_a_direction_counts_by_how_much_identities_differ_in_it() -> None:
    # One feature, so that all is known in closed form: inside identities the variance is w, in all
    # of them t; the map is sqrt(λ / (1 + λ) / w) with λ = t / w.
    labels = torch.tensor([0, 0, 1, 1])
    seen = torch.tensor([[1.0], [3.0], [-1.0], [-3.0]])
    found = discriminant(seen, labels, torch.full_like(labels, -1), width=1, shrink=0.0)
    within, total = 1.0, 5.0
    ratio = total / within
    assert found.abs().item() == pytest.approx((ratio / (1 + ratio) / within) ** 0.5, rel=1e-4)


def test_more_directions_than_there_are_stay_empty() -> None:
    seen, labels = people()
    found = discriminant(seen, labels, torch.full_like(labels, -1), width=9, shrink=0.1)
    assert found.shape == (5, 9)
    assert (found[:, 5:] == 0).all()


def test_many_features_are_brought_to_their_components_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen, labels = people(features=30)
    none = torch.full_like(labels, -1)
    whole = discriminant(seen, labels, none, width=1, shrink=0.1)
    monkeypatch.setattr(module, "COMPONENTS", 3)
    torch.manual_seed(0)
    reduced = discriminant(seen, labels, none, width=1, shrink=0.1)
    same = (whole * reduced).sum() / whole.norm() / reduced.norm()
    assert abs(same) > 0.95


@pytest.mark.parametrize("labels", [[0, 1, 2], [-1, -1, -1], [0, -1, 1]])
def test_nobody_is_known_by_one_example(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="two examples"):
        discriminant(
            torch.rand(3, 2), torch.tensor(labels), torch.full((3,), -1), width=1, shrink=0.1
        )
