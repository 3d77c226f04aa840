"""What every registered loss keeps to."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring import batch_of, comparator_of, cost, labels_of_a_batch, loss_of, targets_of
from twinlens.registry import lookup, names
from twinlens.testing.contract import broken
from twinlens.testing.losses import check_loss

LOSSES = names("loss")


def comparator_for(name: str) -> str:
    return "learned" if lookup("loss", name).needs_learned else "cosine"


def test_all_of_them_are_known() -> None:
    expected = {
        *("arcface", "circle", "contrastive", "cross_entropy", "infonce"),
        *("multi_similarity", "proxy_anchor", "supcon", "triplet"),
    }
    assert expected <= set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_the_contract(name: str) -> None:
    assert [str(result) for result in broken(check_loss(name))] == []


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("triplet", {"soft": True}),
        ("cross_entropy", {"balanced": False}),
        ("arcface", {"margin_rad": 0.0}),
        ("circle", {"margin": 0.25, "scale": 256.0}),
        ("supcon", {"temperature": 0.01}),
    ],
)
def test_the_contract_under_other_settings(name: str, changed: dict[str, float]) -> None:
    assert [str(result) for result in broken(check_loss(name, changed))] == []


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=25, deadline=None)
@given(labels=labels_of_a_batch, seed=st.integers(0, 1000))
def test_no_batch_makes_it_infinite_and_its_order_never_counts(
    name: str, labels: list[int], seed: int
) -> None:
    loss, comparator = loss_of(name), comparator_for(name)
    embeddings, targets = batch_of(labels, seed)
    turned = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    one = cost(loss, embeddings, targets_of(loss, targets), comparator)
    other = cost(loss, embeddings[turned], targets_of(loss, targets[turned]), comparator)
    assert torch.isfinite(one)
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", [name for name in LOSSES if comparator_for(name) == "cosine"])
@settings(max_examples=10, deadline=None)
@given(scale=st.floats(1e-3, 1e3))
def test_the_length_of_an_embedding_never_counts_with_cosine(name: str, scale: float) -> None:
    loss = loss_of(name)
    embeddings, labels = batch_of()
    targets = targets_of(loss, labels)
    one, other = cost(loss, embeddings, targets), cost(loss, scale * embeddings, targets)
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_it_runs_under_autocast(name: str) -> None:
    """The loop keeps a loss out of it; a user's own loop may not."""
    loss, comparator = loss_of(name).float(), comparator_of(comparator_for(name)).float()
    embeddings, labels = batch_of()
    embeddings = comparator.project(embeddings.float())
    targets = targets_of(loss, labels)
    expected = loss(embeddings, targets, comparator).total
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(embeddings, targets, comparator).total
    torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("name", LOSSES)
def test_every_batch_says_whether_it_was_empty(name: str) -> None:
    """A share that only empty batches report would always be 1."""
    loss, comparator = loss_of(name), comparator_of(comparator_for(name))
    embeddings, labels = batch_of()
    full = loss(embeddings, targets_of(loss, labels), comparator)
    rows = 0 if loss.consumes == "labels" else 1
    none = loss(embeddings[:rows], targets_of(loss, labels[:rows]), comparator)
    assert [value.parts["empty_share"].item() for value in (full, none)] == [0.0, 1.0]
    assert "active_share" not in none.parts
