"""Template: against NumPy, a batch done by hand, and what calibration calls relative."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from scoring import (
    COMPARATORS,
    Given,
    batch_of,
    comparator_of,
    cost,
    loss_of,
    numbered,
    score_matrix,
)
from twinlens.calibration import combined
from twinlens.losses.template import margins
from twinlens.types import FloatArray, IntArray

LABELS = [0, 1, 0, 2, 0, 1, 0, 4, 1, 4, 5]
"""Two classes of three or more, and others."""


def margin(s: FloatArray, q: int, references: list[int]) -> float:
    """Of a questioned example, by the rule of the calibration."""
    among = [s[r, t] for r in references for t in references if r < t]
    return float(combined(s[[q]][:, references], "relative", np.array([np.mean(among)]))[0])


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def oracle(s: FloatArray, labels: IntArray, references: int, scale: float) -> float:
    costs: list[float] = []
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label).tolist()
        if len(mine) <= references:
            continue
        own = [margin(s, q, [r for r in mine if r != q]) for q in mine]
        other = [margin(s, q, mine) for q in range(len(s)) if q not in mine]
        hard = sorted(other)[-len(mine) :]
        near = np.mean([softplus(-scale * m) for m in own])
        far = np.mean([softplus(scale * m) for m in hard])
        costs.append(float(near + far) / 2)
    return float(np.mean(costs))


@pytest.mark.parametrize("references", [2, 3])
@pytest.mark.parametrize("name", COMPARATORS)
def test_it_is_the_logistic_loss_of_the_calibrations_margin(name: str, references: int) -> None:
    embeddings, labels = batch_of(LABELS)
    loss = loss_of("template", references=references, scale=3.0)
    expected = oracle(
        score_matrix(comparator_of(name), embeddings), labels.numpy(), references, 3.0
    )
    found = cost(loss, embeddings, labels, name)
    np.testing.assert_allclose(found.item(), expected, rtol=1e-6)


def test_by_hand() -> None:
    scores = torch.tensor(
        [[9.0, 4.0, 2.0, 1.0], [4.0, 9.0, 3.0, 0.0], [2.0, 3.0, 9.0, 2.0], [1.0, 0.0, 2.0, 9.0]],
        dtype=torch.float64,
    )
    member = torch.tensor([[True], [True], [True], [False]])
    found = margins(scores, member)[:, 0].tolist()
    # 0: (4 + 2) / 2 - 3; 1: (4 + 3) / 2 - 2; 2: (2 + 3) / 2 - 4; stranger: 1 - 3
    assert found == pytest.approx([0.0, 1.5, -1.5, -2.0])
    loss = loss_of("template", scale=1.0)
    value = loss(numbered(4), torch.tensor([0, 0, 0, 1]), Given(scores)).total.item()
    near = (softplus(0.0) + softplus(-1.5) + softplus(1.5)) / 3
    assert value == pytest.approx((near + softplus(-2.0)) / 2)


def test_a_class_with_too_few_is_nobodys_template_but_an_other_to_all() -> None:
    embeddings, labels = batch_of(LABELS)
    loss = loss_of("template", references=3)
    whole = cost(loss, embeddings, labels)
    renamed = torch.where(labels == 4, 7, labels)
    assert cost(loss, embeddings, renamed).item() == whole.item()
    merged = torch.where(labels == 5, 1, labels)  # now four of class 1
    assert cost(loss, embeddings, merged).item() != whole.item()
    assert cost(loss_of("template", references=4), embeddings, labels).item() == 0


def test_scale_and_bias_are_learned() -> None:
    embeddings, labels = batch_of(LABELS)
    loss = loss_of("template")
    cost(loss, embeddings, labels).backward()
    for name, parameter in loss.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs() > 0, name
