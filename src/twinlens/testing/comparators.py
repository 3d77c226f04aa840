"""The contract of a comparator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from twinlens.comparators.base import Comparator
from twinlens.functional.distance import euclidean_matrix
from twinlens.registry import Component, Setting, build, lookup
from twinlens.testing.contract import Broken, CheckResult, Rule, check_rules
from twinlens.testing.modules import (
    as_if_trained,
    require_close,
    require_finite,
    require_gradient,
)

_DIM = 8


def check_comparator(name: str, settings: Mapping[str, Setting] | None = None) -> list[CheckResult]:
    """Check every rule of a comparator.

    Args:
        name: under which it is registered.
        settings: to check it under; the rest keep their defaults.
    """
    lookup("comparator", name)  # an unknown name is an error of the caller, not a finding
    case = _Case(name, dict(settings or {}))
    rules: dict[str, Rule] = {
        "it is a Comparator": case.is_comparator,
        "projected embeddings are [n, width], each on its own": case.projects_rows,
        "a score is the same from both sides, unless it says otherwise": case.symmetric,
        "paired scores are the diagonal of the matrix": case.diagonal,
        "no rows make no scores": case.empty,
        "a larger score is more alike": case.direction,
        "an index ranks as it does, where it says so": case.indexable,
        "its gradient is finite, also between two equal embeddings": case.finite_gradient,
        "a gradient reaches every parameter": case.gradient,
        "all that it learned is in its state dict": case.state,
    }
    return check_rules("comparator", name, rules)


@dataclass(frozen=True, slots=True)
class _Case:
    """One comparator under some settings."""

    name: str
    settings: dict[str, Setting] = field(hash=False)

    def build(self, *, seed: int = 0) -> Comparator:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return build("comparator", Component(self.name, self.settings), _DIM).eval()

    def trained(self) -> Comparator:
        comparator = self.build()
        as_if_trained(comparator, seed=0)
        return comparator

    def is_comparator(self) -> None:
        if not issubclass(lookup("comparator", self.name), Comparator):
            raise Broken("It must derive from Comparator. Got another class. Change its base.")

    @torch.no_grad()
    def projects_rows(self) -> None:
        comparator, (a, _) = self.trained(), _embeddings()
        projected = comparator.project(a)
        if projected.ndim != 2 or len(projected) != len(a):
            raise Broken(
                f"project of {len(a)} embeddings must be [{len(a)}, width]. "
                f"Got {list(projected.shape)}. Keep one row for each embedding."
            )
        require_close(
            torch.cat([comparator.project(row[None]) for row in a]),
            projected,
            what="The projection of a lone embedding",
            advice="Project each row by itself, without statistics of the batch.",
        )

    @torch.no_grad()
    def symmetric(self) -> None:
        comparator = self.trained()
        a, b = map(comparator.project, _embeddings())
        advice = (
            "Combine a and b by what does not tell them apart: |a − b|, a · b, a + b. Or set "
            "symmetric to False, for pairs of a question and an answer."
        )
        there, back = comparator.paired(a, b[: len(a)]), comparator.paired(b[: len(a)], a)
        if not comparator.symmetric:
            _require_sides(comparator, there, back)
            return
        require_close(back, there, what="A paired score from the other side", advice=advice)
        there, back = comparator.matrix(a, b), comparator.matrix(b, a)
        require_close(back.T, there, what="A matrix score from the other side", advice=advice)

    @torch.no_grad()
    def diagonal(self) -> None:
        comparator = self.trained()
        a, b = map(comparator.project, _embeddings())
        matrix = comparator.matrix(a, b)
        if matrix.shape != (len(a), len(b)):
            raise Broken(
                f"matrix of {len(a)} and {len(b)} embeddings must be [{len(a)}, {len(b)}]. "
                f"Got {list(matrix.shape)}. Score each row of a with each row of b."
            )
        require_close(
            comparator.paired(a, b[: len(a)]),
            matrix[:, : len(a)].diagonal(),
            what="A paired score, against the diagonal of the matrix,",
            advice="Compute both by the same formula.",
        )

    @torch.no_grad()
    def empty(self) -> None:
        comparator = self.trained()
        a, _ = map(comparator.project, _embeddings())
        found = [
            tuple(comparator.paired(a[:0], a[:0]).shape),
            tuple(comparator.matrix(a[:0], a).shape),
            tuple(comparator.matrix(a, a[:0]).shape),
        ]
        expected = [(0,), (0, len(a)), (len(a), 0)]
        if found != expected:
            raise Broken(
                f"Scores of no rows must have shapes {expected}. Got {found}. Allow n = 0."
            )

    def direction(self) -> None:
        """Without parameters at once; with parameters, once they have learned the difference."""
        comparator, (a, b) = self.build(), _embeddings(64)
        _teach(comparator)
        with torch.no_grad():
            a, b = comparator.project(a), comparator.project(b[:64])
            near, far = comparator.paired(a, a).mean(), comparator.paired(a, b).mean()
        if not float(near) > float(far):
            raise Broken(
                "Equal embeddings must score higher than random ones. "
                f"Got {float(near):.3g} against {float(far):.3g}. Turn the sign of the score."
            )

    @torch.no_grad()
    def indexable(self) -> None:
        comparator = self.trained()
        if comparator.indexable is None:
            return
        a, b = map(comparator.project, _embeddings())
        indices = {"inner_product": lambda: a @ b.T, "euclidean": lambda: -euclidean_matrix(a, b)}
        if comparator.indexable not in indices:
            raise Broken(
                f"indexable must be None or one of {', '.join(indices)}. "
                f"Got {comparator.indexable!r}. Set it to None if no such index ranks alike."
            )
        expected = indices[comparator.indexable]().argsort(dim=1)
        if not torch.equal(comparator.matrix(a, b).argsort(dim=1), expected):
            raise Broken(
                f"The ranking of an index by {comparator.indexable} must be the comparator's. "
                "Got another. Let project make it so, or set indexable to None."
            )

    def finite_gradient(self) -> None:
        comparator, (a, _) = self.trained(), _embeddings()
        a.requires_grad_()
        projected = comparator.project(a)
        total = comparator.paired(projected, projected).sum()
        (total + comparator.matrix(projected, projected).sum()).backward()
        if a.grad is None:
            raise Broken("A gradient must reach the embeddings. Got none. Do not detach them.")
        require_finite(a.grad, what="The gradient between equal embeddings")

    def gradient(self) -> None:
        comparator = self.trained().train()
        a, b = map(comparator.project, _embeddings())
        weights = torch.randn(len(a), len(b), generator=torch.Generator().manual_seed(3))
        if any(parameter.requires_grad for parameter in comparator.parameters()):
            require_gradient(comparator, (comparator.matrix(a, b) * weights).sum())

    @torch.no_grad()
    def state(self) -> None:
        comparator, other = self.trained(), self.build(seed=1)
        other.load_state_dict(comparator.state_dict())
        a, b = _embeddings()
        require_close(
            other.matrix(other.project(a), other.project(b)),
            comparator.matrix(comparator.project(a), comparator.project(b)),
            what="Scores after the weights were loaded into a fresh comparator",
            advice="Keep what training changes in parameters and registered buffers.",
        )


def _require_sides(comparator: Comparator, there: Tensor, back: Tensor) -> None:
    """Check one that says it is not symmetric, by scores from either side. [n] twice."""
    if torch.allclose(there, back):
        raise Broken(
            "A comparator that is not symmetric must tell a from b. Got the same scores from both "
            "sides. Leave symmetric at True."
        )
    if comparator.indexable is not None:
        raise Broken(
            "indexable must be None where a score is not the same from both sides. Got "
            f"{comparator.indexable!r}. Leave it at None."
        )


def _embeddings(count: int = 7) -> tuple[Tensor, Tensor]:
    """[count, dim] and [count + 4, dim]."""
    both = torch.randn(2 * count + 4, _DIM, generator=torch.Generator().manual_seed(0))
    return both[:count].clone(), both[count:].clone()


def _teach(comparator: Comparator, steps: int = 100) -> None:
    """Fit the parameters of a comparator, if any, to tell equal embeddings from random ones."""
    parameters = [p for p in comparator.parameters() if p.requires_grad]
    if not parameters:
        return
    optimiser = torch.optim.Adam(parameters, lr=0.02)
    generator = torch.Generator().manual_seed(4)
    targets = torch.cat([torch.ones(64), torch.zeros(64)])
    for _ in range(steps):
        a, b = torch.randn(2, 64, _DIM, generator=generator)
        left, right = comparator.project(torch.cat([a, a])), comparator.project(torch.cat([a, b]))
        optimiser.zero_grad()
        F.binary_cross_entropy_with_logits(comparator.paired(left, right), targets).backward()
        optimiser.step()
