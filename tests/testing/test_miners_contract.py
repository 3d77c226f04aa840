"""Each way to get a miner wrong is found by the rule that forbids it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from twinlens import registry
from twinlens.comparators import Comparator
from twinlens.errors import ConfigError
from twinlens.functional.distance import negative_mask, positive_mask
from twinlens.losses import PairIndex, TripletIndex
from twinlens.miners import AllPairs, BatchAll, BatchHard, Miner
from twinlens.testing.contract import broken
from twinlens.testing.miners import check_miner


def triplets(positive: Tensor, negative: Tensor) -> TripletIndex:
    return TripletIndex(*(positive[:, :, None] & negative[:, None]).nonzero().unbind(1))


class Everything(Miner):
    """Every triplet of a batch, whatever the memory."""

    produces = "triplets"

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        comparator: Comparator,
        generator: torch.Generator,
    ) -> PairIndex | TripletIndex:
        return triplets(positive_mask(labels), negative_mask(labels))


class Itself(BatchHard):
    """An example is most alike to itself, so it is taken for its own positive."""

    def forward(self, embeddings, labels, comparator, generator):
        found = super().forward(embeddings, labels, comparator, generator)
        return TripletIndex(found.anchor, found.anchor, found.negative)


class Swapped(BatchHard):
    def forward(self, embeddings, labels, comparator, generator):
        found = super().forward(embeddings, labels, comparator, generator)
        return TripletIndex(found.anchor, found.negative, found.positive)


class Beyond(BatchHard):
    def forward(self, embeddings, labels, comparator, generator):
        found = super().forward(embeddings, labels, comparator, generator)
        return TripletIndex(found.anchor + 3, found.positive, found.negative)


class Pairs(BatchHard):
    """Answers pairs, but says triplets."""

    def forward(self, embeddings, labels, comparator, generator):
        return AllPairs()(embeddings, labels, comparator, generator)


class Narrow(BatchHard):
    def forward(self, embeddings, labels, comparator, generator):
        found = super().forward(embeddings, labels, comparator, generator)
        return TripletIndex(found.anchor.int(), found.positive, found.negative)


class Floats(BatchHard):
    """An empty index made of a Python list, which is float32."""

    def forward(self, embeddings, labels, comparator, generator):
        found = super().forward(embeddings, labels, comparator, generator)
        return found if len(found) else TripletIndex(*(torch.tensor([]) for _ in range(3)))


class Never(BatchHard):
    def forward(self, embeddings, labels, comparator, generator):
        nothing = torch.zeros(0, dtype=torch.int64)
        return TripletIndex(nothing, nothing, nothing)


class GlobalChance(BatchAll):
    def forward(self, embeddings, labels, comparator, generator):
        found = super().forward(embeddings, labels, comparator, generator)
        kept = torch.randperm(len(found))[: len(found) // 2]
        return TripletIndex(found.anchor[kept], found.positive[kept], found.negative[kept])


class Falling(BatchHard):
    """Raises where an anchor has no positive."""

    def forward(self, embeddings, labels, comparator, generator):
        scores = comparator.matrix(embeddings, embeddings)
        for row, mask in zip(scores, positive_mask(labels), strict=True):
            row[mask].argmin()
        return super().forward(embeddings, labels, comparator, generator)


class Unlimited(BatchAll):
    def forward(self, embeddings, labels, comparator, generator):
        return triplets(positive_mask(labels), negative_mask(labels))


class Overwriting(BatchHard):
    def forward(self, embeddings, labels, comparator, generator):
        found = super().forward(embeddings, labels, comparator, generator)
        embeddings.zero_()
        return found


class Unequal(AllPairs):
    """Says that no pair is the same."""

    def forward(self, embeddings, labels, comparator, generator):
        found = super().forward(embeddings, labels, comparator, generator)
        return PairIndex(found.left, found.right, torch.zeros_like(found.same))


class Astray(BatchHard):
    produces = "quadruplets"  # type: ignore[assignment]


def rules_broken(monkeypatch: pytest.MonkeyPatch, cls: type[nn.Module]) -> set[str]:
    known = {**registry._components["miner"], "mine": cls}
    monkeypatch.setitem(registry._components, "miner", known)
    return {result.rule.partition(" (")[0] for result in broken(check_miner("mine"))}


@pytest.mark.parametrize(
    ("cls", "only"),
    [
        (Itself, {"nothing is compared with itself"}),
        (Everything, {"its answer stays small on a large batch"}),
        (
            Unlimited,
            {"its answer stays small on a large batch", "the setting limit is never passed"},
        ),
        (GlobalChance, {"all randomness comes from the generator"}),
        (Never, {"an ordinary batch gives something"}),
        (Floats, {"a batch with nothing to compare gives an empty index"}),
        (Overwriting, {"the input is left as it is"}),
        (nn.Identity, {"it is a Miner"}),
    ],
)
def test_a_fault_is_found_and_not_laid_at_another_door(
    monkeypatch: pytest.MonkeyPatch, cls: type[nn.Module], only: set[str]
) -> None:
    found = rules_broken(monkeypatch, cls)
    assert only <= found
    if issubclass(cls, Miner):
        assert found == only


@pytest.mark.parametrize(
    ("cls", "rule"),
    [
        (Beyond, "positions lie in the batch"),
        (Swapped, "a positive shares the label, a negative does not"),
        (Unequal, "a positive shares the label, a negative does not"),
        (Pairs, "it answers an index of what it produces"),
        (Narrow, "it answers an index of what it produces"),
        (Falling, "a batch with nothing to compare gives an empty index"),
        (Astray, "it is a Miner"),
    ],
)
def test_a_fault_is_found(monkeypatch: pytest.MonkeyPatch, cls: type[nn.Module], rule: str) -> None:
    assert rule in rules_broken(monkeypatch, cls)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="semi_hard"):
        check_miner("semihard")
