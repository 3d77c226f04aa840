"""The contract of a miner."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from twinlens.comparators.base import Comparator
from twinlens.losses.base import PairIndex, TripletIndex
from twinlens.miners.base import Miner
from twinlens.registry import Component, Setting, build, lookup, settings_of
from twinlens.testing.contract import Broken, CheckResult, Rule, check_rules
from twinlens.testing.modules import as_if_trained

_DIM = 8
_COMPARATORS = ("cosine", "euclidean", "learned")


def check_miner(name: str, settings: Mapping[str, Setting] | None = None) -> list[CheckResult]:
    """Check every rule of a miner, with each comparator.

    Args:
        name: under which it is registered.
        settings: to check it under; the rest keep their defaults.
    """
    cls = lookup("miner", name)
    rules: dict[str, Rule] = {"it is a Miner": functools.partial(_is_miner, cls)}
    for comparator in _COMPARATORS:
        case = _Case(name, dict(settings or {}), comparator)
        rules |= {f"{rule} ({comparator})": check for rule, check in case.rules().items()}
    return check_rules("miner", name, rules)


def _is_miner(cls: type[object]) -> None:
    if not issubclass(cls, Miner):
        raise Broken(f"It must derive from Miner. Got {cls.__qualname__}. Change its base class.")
    produces = getattr(cls, "produces", None)
    if produces not in ("pairs", "triplets"):
        raise Broken(f'produces must be "pairs" or "triplets". Got {produces!r}. Set it.')


@dataclass(frozen=True, slots=True)
class _Case:
    """One miner with one comparator."""

    name: str
    settings: dict[str, Setting] = field(hash=False)
    comparator: str

    def rules(self) -> dict[str, Rule]:
        rules: dict[str, Rule] = {
            "it answers an index of what it produces": self.kind,
            "positions lie in the batch": self.positions,
            "a positive shares the label, a negative does not": self.truth,
            "nothing is compared with itself": self.others,
            "an ordinary batch gives something": self.finds,
            "all randomness comes from the generator": self.repeatable,
            "a batch with nothing to compare gives an empty index": self.empty,
            "embeddings that are all alike are no trouble": self.alike,
            "its answer stays small on a large batch": self.bounded,
            "the input is left as it is": self.untouched,
        }
        if "limit" in settings_of("miner", self.name):
            rules["the setting limit is never passed"] = self.limit
        return rules

    def build(self, **more: Setting) -> Miner:
        return build("miner", Component(self.name, {**self.settings, **more}))

    def mine(
        self, embeddings: Tensor, labels: Tensor, *, seed: int = 0, **more: Setting
    ) -> PairIndex | TripletIndex:
        with torch.no_grad():
            comparator = self.trained()
            generator = torch.Generator().manual_seed(seed)
            projected = comparator.project(embeddings)
            return self.build(**more)(projected, labels, comparator, generator)

    def trained(self) -> Comparator:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            comparator: Comparator = build("comparator", Component(self.comparator), _DIM)
        as_if_trained(comparator, seed=0)
        return comparator

    def kind(self) -> None:
        self.require_kind(self.mine(*_batch()))

    def require_kind(self, found: object) -> None:
        produces = self.build().produces
        expected = {"pairs": PairIndex, "triplets": TripletIndex}[produces]
        if not isinstance(found, expected):
            raise Broken(
                f"A miner of {produces} must answer a {expected.__name__}. "
                f"Got {type(found).__name__}. Return what produces says."
            )
        assert isinstance(found, (PairIndex, TripletIndex))
        columns = _columns(found)
        wrong = [
            f"{name} {list(column.shape)} {column.dtype}"
            for name, column in columns.items()
            if column.shape != (len(found),)
            or column.dtype != (torch.bool if name == "same" else torch.int64)
        ]
        if wrong:
            raise Broken(
                f"Each column of the index must be [n], int64 positions or bool for same. "
                f"Got {', '.join(wrong)}. Convert it, also when it is empty."
            )

    def positions(self) -> None:
        embeddings, labels = _batch()
        for name, column in _columns(self.mine(embeddings, labels)).items():
            if name != "same" and not ((column >= 0) & (column < len(labels))).all():
                raise Broken(
                    f"Positions must be 0 to {len(labels) - 1}. Got {int(column.min())} to "
                    f"{int(column.max())} in {name}. Count rows of the batch."
                )

    def truth(self) -> None:
        embeddings, labels = _batch()
        for seed in range(3):
            _require_truth(self.mine(embeddings, labels, seed=seed), labels)

    def others(self) -> None:
        found = self.mine(*_batch())
        one, other = (
            (found.left, found.right)
            if isinstance(found, PairIndex)
            else (found.anchor, found.positive)
        )
        if (one == other).any():
            raise Broken(
                "An example must not be compared with itself. "
                f"Got {int((one == other).sum())} such tuples. Leave the diagonal out, as "
                "positive_mask does."
            )

    def finds(self) -> None:
        if not len(self.mine(*_batch())):
            raise Broken(
                "A batch of many overlapping classes must give a tuple. Got none. "
                "Loosen what it takes."
            )

    def repeatable(self) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            first = _columns(self.mine(*_batch()))
            torch.manual_seed(1)
            second = _columns(self.mine(*_batch()))
        if not all(torch.equal(first[name], second[name]) for name in first):
            raise Broken(
                "The same generator must give the same tuples. Got others. "
                "Pass generator= to every random call."
            )

    def empty(self) -> None:
        embeddings, labels = _batch()
        batches = {
            "of one class": (embeddings, labels * 0),
            "of lone examples": (embeddings, torch.arange(len(labels))),
            "of one example": (embeddings[:1], labels[:1]),
            "of no example": (embeddings[:0], labels[:0]),
        }
        for what, batch in batches.items():
            found = self.mine(*batch)
            self.require_kind(found)
            _require_truth(found, batch[1])
            if len(found) and (len(batch[1]) < 2 or isinstance(found, TripletIndex)):
                raise Broken(
                    f"A batch {what} must give an empty index. Got {len(found)} tuples. "
                    "Check that there is a positive and a negative."
                )

    def alike(self) -> None:
        embeddings, labels = _batch()
        found = self.mine(embeddings[:1].expand(len(labels), -1).clone(), labels)
        self.require_kind(found)
        _require_truth(found, labels)

    def bounded(self) -> None:
        labels = torch.arange(160) % 2
        embeddings = torch.randn(160, _DIM, generator=torch.Generator().manual_seed(1))
        most = len(labels) ** 2
        limit = {**settings_of("miner", self.name), **self.settings}.get("limit", 0)
        assert isinstance(limit, (int, float))
        found = len(self.mine(embeddings, labels))
        if found > max(most, limit):
            raise Broken(
                f"A batch of {len(labels)} must give at most {len(labels)}² = {most} tuples. "
                f"Got {found}. Give it a setting limit and draw at random past it."
            )

    def limit(self) -> None:
        for limit in (2, 7, 20):
            found = self.mine(*_batch(), limit=limit)
            if len(found) > limit:
                raise Broken(
                    f"With limit = {limit} there must be at most so many tuples. "
                    f"Got {len(found)}. Draw among them at random."
                )

    def untouched(self) -> None:
        embeddings, labels = _batch()
        self.mine(embeddings, labels)
        again = _batch()
        if not (torch.equal(embeddings, again[0]) and torch.equal(labels, again[1])):
            raise Broken("The input must not be written to. Got changed values. Copy it first.")


def _batch() -> tuple[Tensor, Tensor]:
    """12 overlapping classes of 4, and 2 of a lone example; in no order."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.cat([torch.arange(12).repeat(4), torch.tensor([20, 31])])
    labels = labels[torch.randperm(len(labels), generator=generator)]
    centres = torch.randn(32, _DIM, generator=generator)
    noise = torch.randn(len(labels), _DIM, generator=generator)
    return centres[labels] + 0.7 * noise, labels


def _columns(index: PairIndex | TripletIndex) -> dict[str, Tensor]:
    if isinstance(index, PairIndex):
        return {"left": index.left, "right": index.right, "same": index.same}
    return {"anchor": index.anchor, "positive": index.positive, "negative": index.negative}


def _require_truth(index: PairIndex | TripletIndex, labels: Tensor) -> None:
    if isinstance(index, PairIndex):
        wrong = (labels[index.left] == labels[index.right]) != index.same
    else:
        anchor = labels[index.anchor]
        wrong = (anchor != labels[index.positive]) | (anchor == labels[index.negative])
    if wrong.any():
        raise Broken(
            "A positive must share the label of its anchor, a negative must not, and same must "
            f"say so. Got {int(wrong.sum())} tuples of {len(wrong)} that do not. Choose among "
            "positive_mask and negative_mask."
        )
