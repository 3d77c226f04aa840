"""Each way to get a comparator wrong is found by the rule that forbids it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from twinlens import registry
from twinlens.comparators import Comparator, Euclidean, Learned
from twinlens.errors import ConfigError
from twinlens.testing import broken, check_comparator


class Distance(Euclidean):
    """Smaller is more alike."""

    indexable = None

    def paired(self, a: Tensor, b: Tensor) -> Tensor:
        return -super().paired(a, b)

    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        return -super().matrix(a, b)


class Sided(Learned):
    """A head over the two embeddings, one after the other."""

    def paired(self, a: Tensor, b: Tensor) -> Tensor:
        return self.head(torch.cat([a, b], dim=-1).expand(*a.shape[:-1], -1)).squeeze(-1)

    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        a, b = torch.broadcast_tensors(a[:, None], b[None])
        return self.paired(a, b)


class Told(Sided):
    """The same, and it says so."""

    symmetric = False


class Pretended(Euclidean):
    """It says that it has sides, and has none."""

    indexable = None
    symmetric = False


class Indexed(Told):
    """With sides, and an index all the same."""

    indexable = "euclidean"


class TwoFormulas(Euclidean):
    def paired(self, a: Tensor, b: Tensor) -> Tensor:
        return -(a - b).abs().sum(dim=-1)


class Misranked(Euclidean):
    indexable = "inner_product"


class Misnamed(Euclidean):
    indexable = "manhattan"


class Rooted(Comparator):
    """A root without a guard: its gradient at 0 is not finite."""

    indexable = "euclidean"

    def __init__(self, dim: int) -> None:
        super().__init__()

    def paired(self, a: Tensor, b: Tensor) -> Tensor:
        return -(a - b).square().sum(-1).sqrt()

    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        return self.paired(a[:, None], b[None])


class Centred(Euclidean):
    """The mean of the batch taken away."""

    def project(self, embeddings: Tensor) -> Tensor:
        return embeddings - embeddings.mean(0)


class Stacked(Euclidean):
    """Fails without rows."""

    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.stack([super(Stacked, self).matrix(row[None], b)[0] for row in a])


class Idle(Learned):
    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.spare = nn.Linear(2, 2)


class Forgetful(Euclidean):
    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.scale = float(torch.rand(())) + 1

    def paired(self, a: Tensor, b: Tensor) -> Tensor:
        return super().paired(a, b) * self.scale

    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        return super().matrix(a, b) * self.scale


@pytest.mark.parametrize(
    ("cls", "only"),
    [
        (Distance, {"a larger score is more alike"}),
        (Sided, {"a score is the same from both sides, unless it says otherwise"}),
        (Pretended, {"a score is the same from both sides, unless it says otherwise"}),
        (Indexed, {"a score is the same from both sides, unless it says otherwise"}),
        (TwoFormulas, {"paired scores are the diagonal of the matrix"}),
        (Misranked, {"an index ranks as it does, where it says so"}),
        (Misnamed, {"an index ranks as it does, where it says so"}),
        (Rooted, {"its gradient is finite, also between two equal embeddings"}),
        (Centred, {"projected embeddings are [n, width], each on its own"}),
        (Stacked, {"no rows make no scores"}),
        (Idle, {"a gradient reaches every parameter"}),
        (Forgetful, {"all that it learned is in its state dict"}),
        (nn.Identity, {"it is a Comparator"}),
    ],
)
def test_a_fault_is_found(
    monkeypatch: pytest.MonkeyPatch, cls: type[nn.Module], only: set[str]
) -> None:
    known = {**registry._components["comparator"], "mine": cls}
    monkeypatch.setitem(registry._components, "comparator", known)
    found = {result.rule for result in broken(check_comparator("mine"))}
    assert only <= found
    if issubclass(cls, Comparator) and not issubclass(cls, Sided):  # which may learn no direction
        assert found == only


def test_one_with_sides_that_says_so_is_not_at_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {**registry._components["comparator"], "mine": Told}
    monkeypatch.setitem(registry._components, "comparator", known)
    assert not any("both sides" in result.rule for result in broken(check_comparator("mine")))


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="'cosine'"):
        check_comparator("cosinus")
