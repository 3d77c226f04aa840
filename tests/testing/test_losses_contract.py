"""Each way to get a loss wrong is found by the rule that forbids it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from twinlens import registry
from twinlens.comparators import Comparator
from twinlens.errors import ConfigError
from twinlens.functional.distance import negative_mask, positive_mask
from twinlens.losses import Loss, LossValue, SupCon, Targets
from twinlens.losses.base import empty, taught
from twinlens.testing.contract import broken
from twinlens.testing.losses import check_loss


class Plain(Loss):
    """Mean impostor score − mean genuine score: keeps every rule. The others break one each."""

    consumes = "labels"

    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        assert isinstance(targets, Tensor)
        positive, negative = positive_mask(targets), negative_mask(targets)
        if not (positive.any() and negative.any()):
            return empty(embeddings)
        scores = comparator.matrix(embeddings, embeddings)
        return taught(self.total(scores, positive, negative, targets), self.parts(scores))

    def total(self, scores: Tensor, positive: Tensor, negative: Tensor, labels: Tensor) -> Tensor:
        return scores[negative].mean() - scores[positive].mean()

    def parts(self, scores: Tensor) -> Mapping[str, Tensor]:
        return {}


class Turned(Plain):
    def total(self, scores: Tensor, positive: Tensor, negative: Tensor, labels: Tensor) -> Tensor:
        return scores[positive].mean() - scores[negative].mean()


class Unreduced(Plain):
    def total(self, scores: Tensor, positive: Tensor, negative: Tensor, labels: Tensor) -> Tensor:
        return scores[negative]


class Random(Plain):
    def total(self, scores: Tensor, positive: Tensor, negative: Tensor, labels: Tensor) -> Tensor:
        return super().total(scores * torch.rand_like(scores), positive, negative, labels)


class FirstRow(Plain):
    def total(self, scores: Tensor, positive: Tensor, negative: Tensor, labels: Tensor) -> Tensor:
        return super().total(scores, positive, negative, labels) - scores[0, 1:].mean()


class Numbered(Plain):
    def total(self, scores: Tensor, positive: Tensor, negative: Tensor, labels: Tensor) -> Tensor:
        return super().total(scores * (1 + labels[:, None]), positive, negative, labels)


class Detached(Plain):
    def total(self, scores: Tensor, positive: Tensor, negative: Tensor, labels: Tensor) -> Tensor:
        constant = super().total(scores.detach(), positive, negative, labels)
        return constant + 0 * scores.sum()


class HeldStill(Plain):
    def total(self, scores: Tensor, positive: Tensor, negative: Tensor, labels: Tensor) -> Tensor:
        return super().total(scores * scores.detach().abs(), positive, negative, labels)


class SinglePrecision(Plain):
    def total(self, scores: Tensor, positive: Tensor, negative: Tensor, labels: Tensor) -> Tensor:
        return super().total(scores @ torch.eye(len(scores)), positive, negative, labels)


class Attached(Plain):
    def parts(self, scores: Tensor) -> Mapping[str, Tensor]:
        return {"scores": scores}


class Overflowing(Plain):
    def total(self, scores: Tensor, positive: Tensor, negative: Tensor, labels: Tensor) -> Tensor:
        return scores[negative].exp().mean() + (-scores[positive]).exp().mean()


class Starved(Plain):
    """NaN of a batch that lacks one kind."""

    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        assert isinstance(targets, Tensor)
        scores = comparator.matrix(embeddings, embeddings)
        return taught(scores[negative_mask(targets)].mean() - scores[positive_mask(targets)].mean())


class Silent(Plain):
    """Does not say whether a batch was empty."""

    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        return LossValue(super().forward(embeddings, targets, comparator).total)


class Overwriting(Plain):
    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        with torch.no_grad():
            embeddings.clamp_(-0.5, 0.5)
        return super().forward(embeddings, targets, comparator)


class Unscored(Plain):
    """Takes inner products whatever the comparator, without saying so."""

    def forward(self, embeddings: Tensor, targets: Targets, comparator: Comparator) -> LossValue:
        assert isinstance(targets, Tensor)
        positive, negative = positive_mask(targets), negative_mask(targets)
        if not (positive.any() and negative.any()):
            return empty(embeddings)
        scores = embeddings @ embeddings.T
        return taught(scores[negative].mean() - scores[positive].mean())


class Forgetful(Plain):
    """Its weight is no parameter, so it is not saved."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__(dim, classes)
        self.weight = 1 + torch.rand(())

    def total(self, scores: Tensor, positive: Tensor, negative: Tensor, labels: Tensor) -> Tensor:
        return self.weight * super().total(scores, positive, negative, labels)


class Idle(Plain):
    """Owns a parameter that it never uses."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__(dim, classes)
        self.centres = nn.Parameter(torch.randn(classes, dim))


class Astray(Plain):
    consumes = "scores"  # type: ignore[assignment]


def rules_broken(monkeypatch: pytest.MonkeyPatch, cls: type[nn.Module]) -> set[str]:
    known = {**registry._components["loss"], "mine": cls}
    monkeypatch.setitem(registry._components, "loss", known)
    return {result.rule.partition(" (")[0] for result in broken(check_loss("mine"))}


def test_a_sound_loss_keeps_every_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rules_broken(monkeypatch, Plain) == set()


@pytest.mark.parametrize(
    ("cls", "rule"),
    [
        (Turned, "a step down the gradient parts genuine from impostor scores"),
        (Turned, "what it trains tells the classes apart, and costs less for it"),
        (Unreduced, "the value is a finite scalar, its parts are for the log"),
        (Attached, "the value is a finite scalar, its parts are for the log"),
        (Silent, "the value is a finite scalar, its parts are for the log"),
        (Silent, "an empty batch costs 0 and says that it is empty"),
        (Starved, "an empty batch costs 0 and says that it is empty"),
        (Starved, "value and gradient are finite on the oddest batch"),
        (Overflowing, "value and gradient are finite on the oddest batch"),
        (Random, "the same batch always has the same value"),
        (FirstRow, "the order of a batch never changes the value"),
        (Numbered, "which numbers the classes have never matters"),
        (Overwriting, "the embeddings are left as they are"),
        (Detached, "a finite gradient reaches the embeddings"),
        (Unscored, "a gradient reaches every parameter"),
        (Idle, "a gradient reaches every parameter"),
        (HeldStill, "the gradient is the derivative of the value"),
        (SinglePrecision, "the gradient is the derivative of the value"),
        (Forgetful, "all that it learned is in its state dict"),
        (nn.Identity, "it is a Loss"),
        (Astray, "it is a Loss"),
    ],
)
def test_a_fault_is_found(monkeypatch: pytest.MonkeyPatch, cls: type[nn.Module], rule: str) -> None:
    assert rule in rules_broken(monkeypatch, cls)


@pytest.mark.parametrize(
    ("cls", "only"),
    [
        (FirstRow, {"the order of a batch never changes the value"}),
        (HeldStill, {"the gradient is the derivative of the value"}),
        (Forgetful, {"all that it learned is in its state dict"}),
    ],
)
def test_a_fault_is_not_laid_at_another_door(
    monkeypatch: pytest.MonkeyPatch, cls: type[nn.Module], only: set[str]
) -> None:
    assert rules_broken(monkeypatch, cls) == only


def test_a_loss_that_says_that_it_holds_weights_still_may(monkeypatch: pytest.MonkeyPatch) -> None:
    class Declared(HeldStill):
        gradient_is_exact = False

    assert rules_broken(monkeypatch, Declared) == set()


def test_a_loss_of_logits_is_checked_with_a_learned_comparator_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Logits(SupCon):
        needs_learned = True

    known = {**registry._components["loss"], "mine": Logits}
    monkeypatch.setitem(registry._components, "loss", known)
    rules = [result.rule for result in check_loss("mine")]
    assert rules[0] == "it is a Loss"
    assert all(rule.endswith("(learned)") for rule in rules[1:])


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="triplet"):
        check_loss("tripet")
