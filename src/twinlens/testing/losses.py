"""The contract of a loss."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.autograd.gradcheck import GradcheckError, gradcheck

from twinlens.comparators.base import Comparator
from twinlens.losses.base import Loss, LossValue
from twinlens.registry import Component, Setting, build, lookup
from twinlens.testing.contract import Broken, CheckResult, Rule, check_rules
from twinlens.testing.loss_batches import (
    CLASSES,
    DIM,
    contrast,
    odd_batches,
    ordinary_batch,
    pairs_of,
    targets_of,
    triplets_of,
)
from twinlens.testing.modules import (
    as_if_trained,
    require_close,
    require_finite,
    require_gradient,
)


def check_loss(name: str, settings: Mapping[str, Setting] | None = None) -> list[CheckResult]:
    """Check every rule of a loss, with each comparator that makes sense for it.

    Args:
        name: under which it is registered.
        settings: to check it under; the rest keep their defaults.
    """
    cls = lookup("loss", name)
    rules: dict[str, Rule] = {"it is a Loss": functools.partial(_is_loss, cls)}
    for comparator in _comparators(cls):
        case = _Case(name, dict(settings or {}), comparator)
        rules |= {f"{rule} ({comparator})": check for rule, check in case.rules().items()}
    return check_rules("loss", name, rules)


def _comparators(cls: type[object]) -> tuple[str, ...]:
    if getattr(cls, "needs_learned", False):
        return ("learned",)
    if getattr(cls, "trains_comparator", True):
        return ("cosine", "euclidean", "learned")
    return ("cosine", "euclidean")


def _is_loss(cls: type[object]) -> None:
    if not issubclass(cls, Loss):
        raise Broken(f"It must derive from Loss. Got {cls.__qualname__}. Change its base class.")
    consumes = getattr(cls, "consumes", None)
    if consumes not in ("labels", "pairs", "triplets"):
        raise Broken(f'consumes must be "labels", "pairs" or "triplets". Got {consumes!r}. Set it.')


@dataclass(frozen=True, slots=True)
class _Case:
    """One loss with one comparator."""

    name: str
    settings: dict[str, Setting] = field(hash=False)
    comparator: str

    def rules(self) -> dict[str, Rule]:
        return {
            "the value is a finite scalar, its parts are for the log": self.scalar,
            "the same batch always has the same value": self.deterministic,
            "the order of a batch never changes the value": self.order,
            "which numbers the classes have never matters": self.names,
            "the embeddings are left as they are": self.untouched,
            "a finite gradient reaches the embeddings": self.reaches_embeddings,
            "a gradient reaches every parameter": self.reaches_parameters,
            "the gradient is the derivative of the value": self.exact,
            "an empty batch costs 0 and says that it is empty": self.empty,
            "value and gradient are finite on the oddest batch": self.odd,
            "a step down the gradient parts genuine from impostor scores": self.direction,
            "what it trains tells the classes apart, and costs less for it": self.learns,
            "all that it learned is in its state dict": self.state,
        }

    def build(self, *, seed: int = 0) -> Loss:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return build("loss", Component(self.name, self.settings), DIM, CLASSES)

    def pair(self) -> tuple[Loss, Comparator]:
        """The loss and its comparator, with parameters as after some training."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            comparator: Comparator = build("comparator", Component(self.comparator), DIM)
        loss = self.build()
        as_if_trained(loss, seed=0)
        as_if_trained(comparator, seed=1)
        return loss, comparator

    def value(self, embeddings: Tensor, labels: Tensor) -> LossValue:
        """Of a batch, given as what the encoder puts out."""
        loss, comparator = self.pair()
        return loss(comparator.project(embeddings), targets_of(labels, loss.consumes), comparator)

    @torch.no_grad()
    def cost(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return self.value(embeddings, labels).total

    def scalar(self) -> None:
        value = self.value(*ordinary_batch())
        if value.total.ndim or value.total.dtype != torch.float32:
            raise Broken(
                "The value must be a scalar of the type of the embeddings, float32. Got "
                f"{list(value.total.shape)} {value.total.dtype}. Reduce it by a mean."
            )
        require_finite(value.total.detach(), what="The value")
        for name, part in value.parts.items():
            if part.ndim or part.requires_grad or not torch.isfinite(part):
                raise Broken(
                    f"A part must be a finite scalar without gradient. Got {name!r}, which is "
                    "not. Return the value by twinlens.losses.base.taught, which detaches them."
                )
        _require_share(value, 0.0)

    def deterministic(self) -> None:
        first, second = self.cost(*ordinary_batch()), self.cost(*ordinary_batch())
        if not torch.equal(first, second):
            raise Broken(
                f"Two calls must agree. Got {first.item():.6g} and {second.item():.6g}. "
                "Draw nothing at random: choosing tuples is the work of a miner."
            )

    def order(self) -> None:
        embeddings, labels = ordinary_batch()
        turned = torch.randperm(len(labels), generator=torch.Generator().manual_seed(3))
        require_close(
            self.cost(embeddings[turned], labels[turned]),
            self.cost(embeddings, labels),
            what="The value of a reordered batch",
            advice="Sum over all rows alike.",
        )

    def names(self) -> None:
        """A loss that owns a vector a class knows it by number, so it is left out."""
        embeddings, labels = ordinary_batch()
        if any(True for _ in self.build().parameters()):
            return
        require_close(
            self.cost(embeddings, 1000 * (CLASSES - labels)),
            self.cost(embeddings, labels),
            what="The value of a batch whose classes were renumbered",
            advice="Use labels for nothing but whether two are equal.",
        )

    def untouched(self) -> None:
        embeddings, labels = ordinary_batch()
        before = embeddings.clone()
        self.cost(embeddings, labels)
        if not torch.equal(embeddings, before):
            raise Broken(
                "The embeddings must not be written to. Got changed ones. Copy them first."
            )

    def reaches_embeddings(self) -> None:
        gradient = self.gradient(*ordinary_batch())
        require_finite(gradient, what="The gradient of the embeddings")
        still = (gradient == 0).all(dim=1)
        if still[:-1].any():  # the last example is alone in its class
            raise Broken(
                f"Every example must get a gradient. Got none for {int(still[:-1].sum())} of "
                f"{len(still)}. Detach no scores but those that choose."
            )

    def reaches_parameters(self) -> None:
        loss, comparator = self.pair()
        embeddings, labels = ordinary_batch()
        projected = comparator.project(embeddings)
        total = loss(projected, targets_of(labels, loss.consumes), comparator).total
        if any(parameter.requires_grad for parameter in loss.parameters()):
            require_gradient(loss, total)
        elif any(parameter.requires_grad for parameter in comparator.parameters()):
            total.backward()
        gradients = [parameter.grad for parameter in comparator.parameters()]
        # Not each of them: the last bias of a head is in every score, so a loss that only ranks
        # cannot see it.
        if loss.trains_comparator and gradients and not any(g is not None for g in gradients):
            raise Broken(
                "A gradient must reach the comparator. Got none. Compare by comparator.paired or "
                "comparator.matrix, or set trains_comparator = False."
            )

    def exact(self) -> None:
        loss, comparator = (module.double() for module in self.pair())
        assert isinstance(loss, Loss) and isinstance(comparator, Comparator)
        embeddings, labels = ordinary_batch()
        targets = targets_of(labels, loss.consumes)

        def value(embeddings: Tensor) -> Tensor:
            return loss(comparator.project(embeddings), targets, comparator).total

        point = embeddings.double().requires_grad_()
        if not loss.gradient_is_exact:
            require_finite(value(point).detach(), what="The value in float64")
            return
        try:
            gradcheck(value, (point,), fast_mode=True)
        except GradcheckError as error:
            first = str(error).strip().splitlines()[0]
            raise Broken(
                f"The gradient must be that of finite differences in float64. Got: {first} "
                "Let gradient flow through every score, or set gradient_is_exact = False."
            ) from error

    def empty(self) -> None:
        loss, comparator = self.pair()
        embeddings, labels = ordinary_batch()
        nothing = {
            "labels": labels[:0],
            "pairs": pairs_of(labels[:0]),
            "triplets": triplets_of(labels),
        }
        if loss.consumes == "triplets":
            nothing["triplets"] = triplets_of(labels[:1])
        rows = embeddings[:0] if loss.consumes == "labels" else embeddings
        rows.requires_grad_()
        value = loss(comparator.project(rows), nothing[loss.consumes], comparator)
        value.total.backward()
        if value.total.item() != 0:
            raise Broken(
                f"An empty batch must cost 0. Got {value.total.item()}. "
                "Return twinlens.losses.base.empty(embeddings) when there is nothing to learn."
            )
        _require_share(value, 1.0)

    def odd(self) -> None:
        for what, (embeddings, labels) in odd_batches().items():
            embeddings.requires_grad_()
            value = self.value(embeddings, labels)
            require_finite(value.total.detach(), what=f"The value of {what}")
            if not value.total.requires_grad:
                raise Broken(
                    f"The value of {what} must have a graph. Got a constant. "
                    "Return twinlens.losses.base.empty(embeddings) when there is nothing to learn."
                )
            value.total.backward()
            if embeddings.grad is not None:
                require_finite(embeddings.grad, what=f"The gradient of {what}")

    def direction(self) -> None:
        _, comparator = self.pair()
        embeddings, labels = ordinary_batch()
        gradient = self.gradient(embeddings, labels)
        step = 0.01 * gradient / gradient.norm()
        before = contrast(embeddings, labels, comparator)
        after = contrast(embeddings - step, labels, comparator)
        if not after > before:
            raise Broken(
                "A small step down the gradient must raise genuine scores over impostor scores. "
                f"Got {before:.6g} before and {after:.6g} after. Scores are larger when more "
                "alike: turn the sign."
            )

    def learns(self) -> None:
        loss, comparator = self.pair()
        embeddings, labels = ordinary_batch()
        targets = targets_of(labels, loss.consumes)
        embeddings.requires_grad_()
        modules = nn.ModuleList([loss, comparator])
        optimiser = torch.optim.Adam([embeddings, *modules.parameters()], lr=0.05)
        for _ in range(60):
            optimiser.zero_grad()
            loss(comparator.project(embeddings), targets, comparator).total.backward()
            optimiser.step()
        apart = contrast(embeddings, labels, comparator)
        if not apart > 0:
            raise Broken(
                f"After training, genuine scores must lie over impostor scores. Got {apart:.3g} "
                "between their means. Check the sign of each term."
            )
        shuffled = targets_of(labels.roll(2), loss.consumes)
        with torch.no_grad():
            projected = comparator.project(embeddings)
            true, false = (loss(projected, t, comparator).total for t in (targets, shuffled))
        if not float(true) < float(false):
            raise Broken(
                "After training, the true labels must cost less than shuffled ones. "
                f"Got {float(true):.3g} against {float(false):.3g}. Check the sign of each term."
            )

    @torch.no_grad()
    def state(self) -> None:
        loss, comparator = self.pair()
        other = self.build(seed=1)
        other.load_state_dict(loss.state_dict())
        embeddings, labels = ordinary_batch()
        projected, targets = comparator.project(embeddings), targets_of(labels, loss.consumes)
        require_close(
            other(projected, targets, comparator).total,
            loss(projected, targets, comparator).total,
            what="The value after the weights were loaded into a fresh loss",
            advice="Keep what training changes in parameters and registered buffers.",
        )

    def gradient(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        point = embeddings.clone().requires_grad_()
        self.value(point, labels).total.backward()
        if point.grad is None:
            raise Broken("A gradient must reach the embeddings. Got none. Do not detach them.")
        return point.grad


def _require_share(value: LossValue, expected: float) -> None:
    found = value.parts.get("empty_share")
    if found is None or float(found) != expected:
        raise Broken(
            f'parts["empty_share"] must be {expected:g} here. '
            f"Got {None if found is None else float(found)}. Return the value by taught or empty "
            "of twinlens.losses.base, or a starved training looks like a calm one."
        )
