"""A folder of pictures -> which are copies of one another, and a plan what to keep."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL.Image import Image

from twinlens.bundle import Bundle
from twinlens.calibration import IdentificationPoint
from twinlens.data.cache import Progress
from twinlens.data.duplicates import content_hash
from twinlens.data.manifest import read_inputs
from twinlens.duplicates.clusters import Cluster, Pair, complete_link
from twinlens.duplicates.plan import Step
from twinlens.duplicates.quality import Quality, quality_of
from twinlens.errors import ConfigError, DataError, EvidenceError, GalleryError
from twinlens.gallery import AnyGallery, Entry, Item, open_any
from twinlens.tasks.gallery import create_gallery
from twinlens.tasks.readable import embed_readable
from twinlens.types import IntArray

NEIGHBOURS = 20
"""Candidates looked at for each picture."""
FPIR = 0.05
_MARGIN = 0.1
"""Part of the way to 1 that is kept from the highest score seen, where no rate is promised: not all
pairs are seen, and others may be more alike."""
_BATCH = 256
_QUERIES = 256


@dataclass(frozen=True, slots=True)
class Rule:
    """From which score on two pictures are copies.

    Attributes:
        threshold: least score of any two in a cluster.
        why: what it rests on, in words.
        promised: whether a rate is promised.
    """

    threshold: float
    why: str
    promised: bool


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What was found in a folder.

    Attributes:
        steps: the plan, cluster by cluster, the best copy of each first.
        files: how many were looked at.
        new: how many of their contents were embedded, as they were not known from before.
        problems: what is wrong with each file that was left out.
        rule: by which near copies were told.
    """

    steps: tuple[Step, ...]
    files: int
    new: int
    problems: tuple[str, ...]
    rule: Rule

    @property
    def clusters(self) -> int:
        """How many there are."""
        return len({step.cluster for step in self.steps})


def find_duplicates(
    folder: Path,
    bundle: Bundle,
    memory: Path,
    *,
    threshold: float | None = None,
    fpir: float = FPIR,
    neighbours: int = NEIGHBOURS,
    progress: Progress | None = None,
) -> Duplicates:
    """Find exact copies by their hash and near copies by their embedding.

    Never compares all with all: an index gives the candidates of each picture.

    Args:
        folder: of pictures, however nested.
        bundle: the model.
        memory: gallery of what was looked at before, made when it is missing; only what is not in
            it is embedded.
        threshold: least score of copies; by the model's calibration when None.
        fpir: share of pictures without a copy that may be taken for one, where it can be promised.
        neighbours: candidates looked at for each picture.
        progress: told of (pictures embedded, new ones).

    Raises:
        DataError: the folder is none, or holds no pictures.
        EvidenceError: the model is not calibrated, and no threshold was given.
        GalleryError: the memory is of another model.
        ConfigError: its comparator is not symmetric, or the threshold is no finite number.
    """
    check_request(folder, threshold)
    bundle.siamese.require_symmetric("a search for copies")
    paths, problems = _by_content(folder, bundle)
    with _opened(memory, bundle) as gallery:
        new = _take_up(gallery, bundle, paths, problems, progress)
        ids = gallery.ids()
        items = {item.id: item for item in gallery.items(ids)}
        rule = _rule(bundle, len(ids), threshold, fpir)
        vectors = gallery.vectors(ids)
        pairs = list(_candidates(gallery, ids, neighbours))
        near = complete_link(pairs, vectors, bundle.siamese, threshold=rule.threshold)
    steps = _plan(near, [items[int(item)] for item in ids], paths, folder)
    files = sum(map(len, paths.values()))
    return Duplicates(tuple(steps), files, new, tuple(problems), rule)


def check_request(folder: Path, threshold: float | None) -> None:
    """Refuse at once what no search for copies can be made with.

    Raises:
        DataError: the folder is none.
        ConfigError: the threshold is no finite number.
    """
    if not folder.is_dir():
        what = "a file" if folder.exists() else "nothing there"
        raise DataError(f"{folder} must be a folder of pictures. Got {what}. Name a folder.")
    if threshold is not None and not math.isfinite(threshold):
        raise ConfigError(
            f"The threshold must be a finite number. Got {threshold}. Name a score, or none."
        )


def _opened(memory: Path, bundle: Bundle) -> AnyGallery:
    if not memory.exists():
        return create_gallery(memory, bundle, log_searches=False)
    gallery = open_any(memory, scorer=bundle.siamese)
    if gallery.space.fingerprint != bundle.fingerprint:
        gallery.close()
        raise GalleryError(
            f"{memory}, where it is kept what was looked at before, must be of the model that "
            "compares now. Got one of another model. Delete it, so that all is looked at anew, or "
            "name that model."
        )
    return gallery


def _by_content(folder: Path, bundle: Bundle) -> tuple[dict[str, list[Path]], list[str]]:
    """Content -> the files that have it, in order; and what cannot be read. Links are left out."""
    paths: dict[str, list[Path]] = {}
    problems: list[str] = []
    for ref in read_inputs(folder, modality=bundle.config.modality.name):
        if os.path.islink(ref):  # noqa: PTH114 — a link is no copy
            continue
        try:
            paths.setdefault(content_hash(ref), []).append(Path(ref))
        except DataError as error:
            problems.append(str(error))
    return paths, problems


def _take_up(
    gallery: AnyGallery,
    bundle: Bundle,
    paths: dict[str, list[Path]],
    problems: list[str],
    progress: Progress | None,
) -> int:
    """Bring the memory up to the folder. Returns how many contents were embedded."""
    known = {i.entry.content: i.id for i in gallery.items(gallery.ids())}
    gone = [item for content, item in known.items() if content not in paths]
    if gone:
        gallery.remove(gone)
    fresh = [(content, places[0]) for content, places in paths.items() if content not in known]
    refs = [str(path) for _, path in fresh]
    quality: dict[str, Quality] = {}
    new = 0

    def look(ref: str, picture: object) -> None:
        assert isinstance(picture, Image)  # `read_inputs` has named pictures only
        quality[ref] = quality_of(picture, Path(ref).stat().st_size)

    for part in embed_readable(bundle, refs, at_once=_BATCH, look=look):
        problems += part.problems
        entries = [
            Entry(fresh[place][0], source=refs[place], metadata=_texts(quality.pop(refs[place])))
            for place in part.places
        ]
        gallery.add(part.vectors, entries)
        new += len(entries)
        if progress is not None:
            progress(part.done, len(fresh))
    there = gallery.known(list(paths))
    for content in [content for content in paths if content not in there]:
        del paths[content]  # it is no picture, which `problems` tells
    return new


def _texts(quality: Quality) -> dict[str, str]:
    return {name: str(getattr(quality, name)) for name in Quality.__slots__}


def _rule(bundle: Bundle, count: int, threshold: float | None, fpir: float) -> Rule:
    """The threshold, and what is known of it."""
    if threshold is not None:
        return Rule(threshold, f"the threshold {threshold:g} was given", promised=False)
    calibration = bundle.calibration
    if calibration is None or not calibration.open_set:
        raise EvidenceError(
            "Near copies need a model that is calibrated on identities, or a threshold. Got "
            "neither. Name a score with --threshold, or run twinlens calibrate MODEL DATA."
        )
    found = calibration.stranger_threshold([1] * count, fpir=fpir)
    if isinstance(found, IdentificationPoint):
        why = (
            f"at most {fpir:g} of pictures without a copy reach {found.threshold:.4g} with any of "
            f"{count:,}, at {found.confidence:.4g} confidence"
        )
        return Rule(found.threshold, why, promised=True)
    highest = max(one.thresholds[0] for one in calibration.open_set)
    threshold = highest + _MARGIN * max(0.0, 1 - highest)
    pictures = calibration.open_set[0].identities
    why = (
        f"{threshold:.4g}, as none of the {pictures:,} pictures of the calibration reached "
        f"{highest:.4g} with what was drawn of the others; more is not promised: "
        f"{str(found).rstrip('.')}"
    )
    return Rule(threshold, why, promised=False)


def _candidates(gallery: AnyGallery, ids: IntArray, neighbours: int) -> Iterator[Pair]:
    """The pictures most alike each picture, as pairs of positions in `ids`, each pair once."""
    place = {int(item): number for number, item in enumerate(ids)}
    seen: set[tuple[int, int]] = set()
    for start in range(0, len(ids), _QUERIES):
        part = ids[start : start + _QUERIES]
        found = gallery.search(gallery.vectors(part), neighbours + 1)
        for item, hits in zip(part.tolist(), found, strict=True):
            for hit in hits:
                a, b = sorted((place[item], place[hit.item.id]))
                if a != b and (a, b) not in seen:
                    seen.add((a, b))
                    yield Pair(a, b, hit.score)


def _plan(
    near: Sequence[Cluster], items: Sequence[Item], paths: Mapping[str, list[Path]], folder: Path
) -> list[Step]:
    """Clusters of distinct contents, and exact copies of each, as steps."""
    clustered = {member for cluster in near for member in cluster.members}
    alone = [
        Cluster((place,), ())
        for place, item in enumerate(items)
        if place not in clustered and len(paths[item.entry.content]) > 1
    ]
    steps: list[Step] = []
    for number, cluster in enumerate(sorted([*near, *alone], key=lambda c: c.members), start=1):
        steps += _steps(number, cluster, items, paths, folder)
    return steps


def _steps(
    number: int,
    cluster: Cluster,
    items: Sequence[Item],
    paths: Mapping[str, list[Path]],
    folder: Path,
) -> Iterator[Step]:
    """The files of one cluster, the best first."""
    quality = {member: _quality(items[member]) for member in cluster.members}
    order = sorted(cluster.members, key=lambda member: quality[member], reverse=True)
    joined: defaultdict[int, list[Pair]] = defaultdict(list)
    for link in cluster.links:
        for member in (link.left, link.right):
            joined[member].append(link)
    for member in order:
        entry = items[member].entry
        files = sorted(paths[entry.content], key=_age)
        best_link = max(joined[member], key=lambda link: link.score, default=None)
        for copy, path in enumerate(files):
            kind = "exact" if copy else "best" if member == order[0] else "near"
            other, score = "", ""
            if copy:
                other = _name(files[0], folder)
            elif kind == "near" and best_link is not None:
                partner = best_link.left if best_link.right == member else best_link.right
                other, score = (
                    _name(paths[items[partner].entry.content][0], folder),
                    (f"{best_link.score:.4f}"),
                )
            yield Step(
                cluster=number,
                action="keep" if kind == "best" else "move",
                path=_name(path, folder),
                kind=kind,
                score=score,
                joined_by=other,
                width=quality[member].width,
                height=quality[member].height,
                sharpness=quality[member].sharpness,
                bytes=quality[member].bytes,
                content=entry.content,
            )


def _age(path: Path) -> tuple[int, int, str]:
    """Of files with the same bytes the oldest is taken for the original, then the shortest name."""
    return path.stat().st_mtime_ns, len(str(path)), str(path)


def _quality(item: Item) -> Quality:
    texts = item.entry.metadata
    return Quality(
        int(texts["pixels"]),
        float(texts["sharpness"]),
        int(texts["bytes"]),
        int(texts["width"]),
        int(texts["height"]),
    )


def _name(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder.absolute()))
