"""Look at a whole data set before training: what is wrong, where, and what training does of it."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twinlens.config import DataConfig
from twinlens.data.dataset import Dataset
from twinlens.data.duplicates import content_hash
from twinlens.data.manifest import scan
from twinlens.data.problems import Problem, ProblemLog, Severity
from twinlens.data.splits import split
from twinlens.errors import DataError
from twinlens.modalities.base import Modality
from twinlens.registry import Component, Setting, build, lookup, settings_of

_MOST_KINDS = 8
_BETWEEN_REPORTS = 100


@dataclass(frozen=True, slots=True)
class DataReport:
    """What a data set holds and what is wrong with it.

    Attributes:
        path: of the data.
        kind: labels, pairs or triplets.
        examples, identities, groups, pairs, triplets: how many of each.
        properties: property of the inputs ("size", "mode") -> value -> how many inputs have it.
        problems: errors first, then warnings, then notes.
    """

    path: str
    kind: str
    examples: int
    identities: int
    groups: int
    pairs: int
    triplets: int
    properties: Mapping[str, Mapping[str, int]]
    problems: tuple[Problem, ...]

    @property
    def can_train(self) -> bool:
        """Whether no problem stops training."""
        return not any(problem.severity == "error" for problem in self.problems)

    def count(self, severity: Severity) -> int:
        """How many problems are this severe."""
        return sum(problem.severity == severity for problem in self.problems)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        names = [f.name for f in dataclasses.fields(self) if f.name != "problems"]
        return {
            **{name: getattr(self, name) for name in names},
            "can_train": self.can_train,
            "problems": [dataclasses.asdict(problem) for problem in self.problems],
        }


def check_data(
    path: Path,
    *,
    modality: Component | None = None,
    data: DataConfig | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> DataReport:
    """Read every file of a data set once and report all that is wrong, at once.

    One input is in memory at a time; of each, a hash is kept.

    Args:
        path: folder, CSV or JSONL file.
        modality: how training will load and prepare the files; images when None.
        data: how training will group and split them; the defaults when None.
        seed: that training will split with.
        progress: told of (files read, files).

    Raises:
        DataError: there is nothing at all to read.
        ConfigError: a setting is unknown or does not fit.
    """
    modality, data = modality or Component("image"), data or DataConfig()
    found = scan(path, modality=modality.name, group=data.group)
    dataset, log = found.dataset, ProblemLog(list(found.problems))
    refs = dataset.refs(modality.name)
    inspection = _Inspection(_settled(modality, refs))
    for done, (example, ref) in enumerate(zip(dataset.examples, refs, strict=True), start=1):
        inspection.add(example.id, example.source, ref, log)
        if progress is not None and (done % _BETWEEN_REPORTS == 0 or done == len(refs)):
            progress(done, len(refs))
    _check_labels(dataset, log)
    _check_duplicates(dataset, inspection.content, log)
    inspection.check_mixtures(path, log)
    if refs:
        _check_split(dataset, data, seed, log)
    rank = {"error": 0, "warning": 1, "note": 2}
    return DataReport(
        path=str(path),
        kind=dataset.kind,
        examples=len(dataset),
        identities=len(dataset.identities()),
        groups=len({e.group for e in dataset.examples if e.group is not None}),
        pairs=0 if dataset.pairs is None else len(dataset.pairs),
        triplets=0 if dataset.triplets is None else len(dataset.triplets),
        properties={name: dict(kinds.most_common()) for name, kinds in inspection.kinds.items()},
        problems=tuple(sorted(log.problems, key=lambda problem: rank[problem.severity])),
    )


@dataclass(slots=True)
class _Inspection:
    """What reading the files one after another shows.

    Attributes:
        modality: loads and prepares them.
        content: example id -> hash.
        kinds: property -> how many inputs have which value.
    """

    modality: Modality
    content: dict[str, str] = field(default_factory=dict)
    kinds: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, id: str, source: str, ref: str, log: ProblemLog) -> None:
        """Read one file."""
        try:
            self.content[id] = content_hash(ref, by_value=self.modality.by_value)
            raw = self.modality.load(ref)
            self.modality.prepare(raw)
        except DataError as error:
            log.error(_unreadable(self.modality), source, str(error))
            return
        for name, value in self.modality.describe(raw).items():
            self.kinds[name][value] += 1

    def check_mixtures(self, path: Path, log: ProblemLog) -> None:
        """Note each property in which inputs differ."""
        shape = self.modality.shape
        training = (
            f"Each keeps its own size with {self.modality.channels} channels; batches are padded."
            if shape is None
            else f"Each is brought to {' × '.join(map(str, shape))} (channels first)."
        )
        for name, kinds in self.kinds.items():
            if len(kinds) > 1:
                message = f"inputs differ in {name}: {_most(kinds)}."
                log.note(f"mixed-{name}", str(path), message, training=training)


def _unreadable(modality: Modality) -> str:
    return "unusable-value" if modality.by_value else "unreadable-file"


def _settled(component: Component, refs: list[str]) -> Modality:
    """The modality as training would build it."""
    cls: type[Modality] = lookup("modality", component.name)
    settings: dict[str, Setting] = {**settings_of("modality", component.name), **component.settings}
    try:
        settings = cls.settle(settings, refs) if refs else settings
    except DataError:  # none can be read, and each will be named for it
        return build("modality", component)
    return build("modality", Component(component.name, settings))


def _check_labels(dataset: Dataset, log: ProblemLog) -> None:
    if dataset.kind != "labels":
        return
    sizes = Counter(e.identity for e in dataset.examples)
    groups: defaultdict[str | None, set[str]] = defaultdict(set)
    for example in dataset.examples:
        if sizes[example.identity] == 1:
            log.warning(
                "single-example",
                example.source,
                f"an identity should have two examples or more. Got one of {example.identity!r}.",
                training="It is only told apart from others, and counts in no figure that "
                "compares two of a kind.",
            )
        if example.group is not None:
            groups[example.identity].add(example.group)
    for identity, several in groups.items():
        if len(several) > 1:
            log.warning(
                "identity-in-groups",
                str(dataset.root),
                f"{identity!r} should be in one group. Got {', '.join(sorted(several))}.",
                training="These groups are kept on the same side of the split.",
            )


def _check_duplicates(dataset: Dataset, content: Mapping[str, str], log: ProblemLog) -> None:
    """Warn of files with the same bytes as an earlier one."""
    first: dict[str, int] = {}
    for position, example in enumerate(dataset.examples):
        earlier = first.setdefault(content.get(example.id, example.id), position)
        if earlier == position:
            continue
        other = dataset.examples[earlier]
        across = example.identity != other.identity
        named = f"{other.identity!r}: " if across else ""
        log.warning(
            "duplicate-across-identities" if across else "duplicate",
            example.source,
            f"a file should differ from all others. Got the same bytes as {named}{other.source}.",
            training="The two are trained on as different, and the split may part them; its audit "
            "says so. Remove the wrong one."
            if across
            else "Both are trained on; as a pair they teach nothing.",
        )
    if dataset.pairs is not None:
        _check_equal_pairs(dataset, content, log)


def _check_equal_pairs(dataset: Dataset, content: Mapping[str, str], log: ProblemLog) -> None:
    pairs = dataset.pairs
    if pairs is None:
        return
    for left, right, same in zip(pairs.left, pairs.right, pairs.same, strict=True):
        a, b = dataset.examples[int(left)], dataset.examples[int(right)]
        if not same and content.get(a.id, a.id) == content.get(b.id, b.id):
            log.warning(
                "contradiction",
                str(dataset.root),
                f"files with the same bytes should not be a different pair. Got {a.id}, {b.id}.",
                training="The pair is trained on as different.",
            )


def _check_split(dataset: Dataset, data: DataConfig, seed: int, log: ProblemLog) -> None:
    try:
        split(dataset, shares=data.shares(dataset.kind), seed=seed)
    except DataError as error:
        log.error("cannot-split", str(dataset.root), str(error))


def _most(kinds: Counter[str]) -> str:
    """The most frequent values with their counts."""
    shown = [f"{value} ({count})" for value, count in kinds.most_common(_MOST_KINDS)]
    more = len(kinds) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
