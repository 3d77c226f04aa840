"""A folder of pictures -> which are copies of one another, and a plan what to keep."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL.Image import Image

from twinlens.bundle import Bundle
from twinlens.calibration import IdentificationPoint
from twinlens.data.cache import Progress
from twinlens.data.duplicates import content_hash
from twinlens.data.manifest import read_inputs
from twinlens.duplicates.clusters import Pair, complete_link, scored_alike
from twinlens.duplicates.perceptual import BITS, Hashes, perceptual_hash
from twinlens.duplicates.plan import Step
from twinlens.duplicates.quality import quality_of
from twinlens.errors import ConfigError, DataError, EvidenceError, GalleryError
from twinlens.gallery import AnyGallery, Entry, open_any
from twinlens.modalities.decode import to_grey
from twinlens.tasks.dedupe_steps import steps_of, texts_of
from twinlens.tasks.gallery import create_gallery
from twinlens.tasks.readable import embed_readable
from twinlens.types import BoolArray, FloatArray, IntArray, Scorer

NEIGHBOURS = 20
"""Candidates looked at for each picture."""
FPIR = 0.05
HASH_DISTANCE = 8
"""Bits of 64. Of 30 million pairs of strangers, pictures of development, 18 were as close."""
_MARGIN = 0.1
"""Part of the way to 1 that is kept from the highest score seen, where no rate is promised: not all
pairs are seen, and others may be more alike."""
_BATCH = 256
_QUERIES = 256
_PAIRS = 4096
"""Pairs that are scored at once."""
_HASH = "hash"
"""Name of the perceptual hash among what a memory keeps of a picture; older ones have none."""


@dataclass(frozen=True, slots=True)
class Rule:
    """From which score on two pictures are copies.

    Attributes:
        threshold: least score of any two in a cluster.
        why: what it rests on, in words.
        promised: whether a rate is promised, of what the score tells.
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
        hash_distance: bits of their perceptual hashes in which copies could differ besides; -1 =
            hashes told nothing.
    """

    steps: tuple[Step, ...]
    files: int
    new: int
    problems: tuple[str, ...]
    rule: Rule
    hash_distance: int

    @property
    def clusters(self) -> int:
        """How many there are."""
        return len({step.cluster for step in self.steps})

    @property
    def told_by_hash(self) -> int:
        """How many near copies are in their cluster by their perceptual hash alone."""
        return sum(step.told_by == "hash" for step in self.steps)

    @property
    def why(self) -> str:
        """What near copies were told by, and what is promised of it, in words."""
        if self.hash_distance < 0:
            return self.rule.why
        count, bits = self.told_by_hash, f"at most {self.hash_distance} of {BITS} bits apart"
        if not count:
            return f"{self.rule.why}; none was told by its perceptual hash alone ({bits})"
        told = "copy was told by its" if count == 1 else "copies were told by their"
        return (
            f"{self.rule.why}; {count:,} {told} perceptual hash alone ({bits}), for which no rate "
            "is promised"
        )


def find_duplicates(
    folder: Path,
    bundle: Bundle,
    memory: Path,
    *,
    threshold: float | None = None,
    fpir: float = FPIR,
    neighbours: int = NEIGHBOURS,
    hash_distance: int = HASH_DISTANCE,
    progress: Progress | None = None,
) -> Duplicates:
    """Find exact copies by their bytes, near copies by their embedding or by a perceptual hash.

    Never compares all embeddings with all: an index gives the candidates of each picture. Hashes,
    eight bytes each, are compared with each other.

    Args:
        folder: of pictures, however nested.
        bundle: the model.
        memory: gallery of what was looked at before, made when it is missing; only what is not in
            it is embedded. One from before there were hashes is looked at anew.
        threshold: least score of copies; by the model's calibration when None.
        fpir: share of pictures without a copy that may be taken for one, where it can be promised.
        neighbours: candidates looked at for each picture, by its embedding and by its hash.
        hash_distance: bits of 64 in which perceptual hashes of copies differ at most, whatever
            the model says; -1 = hashes tell nothing.
        progress: told of (pictures embedded, new ones).

    Raises:
        DataError: the folder is none, or holds no pictures.
        EvidenceError: the model is not calibrated, and no threshold was given.
        GalleryError: the memory is of another model.
        ConfigError: its comparator is not symmetric, the threshold is no finite number, or there
            are not so many bits.
    """
    check_request(folder, threshold, hash_distance)
    bundle.siamese.require_symmetric("a search for copies")
    paths, problems = _by_content(folder, bundle)
    with _opened(memory, bundle) as gallery:
        new = _take_up(gallery, bundle, paths, problems, progress)
        ids = gallery.ids()
        items = {item.id: item for item in gallery.items(ids)}
        rule = _rule(bundle, len(ids), threshold, fpir)
        vectors = gallery.vectors(ids)
        likely = list(_candidates(gallery, ids, neighbours, rule.threshold))
    ordered = [items[int(item)] for item in ids]
    hashes = Hashes([item.entry.metadata[_HASH] for item in ordered], hash_distance)
    likely += _by_hash(hashes, neighbours, likely, vectors, bundle.siamese)
    scored = scored_alike(vectors, bundle.siamese, threshold=rule.threshold)

    def alike(left: Sequence[int], right: Sequence[int]) -> BoolArray:
        return scored(left, right) | hashes.close(left, right)

    near = complete_link(likely, alike)
    steps = steps_of(near, ordered, paths, folder, threshold=rule.threshold)
    files = sum(map(len, paths.values()))
    return Duplicates(tuple(steps), files, new, tuple(problems), rule, hash_distance)


def check_request(
    folder: Path, threshold: float | None, hash_distance: int = HASH_DISTANCE
) -> None:
    """Refuse at once what no search for copies can be made with.

    Raises:
        DataError: the folder is none.
        ConfigError: the threshold is no finite number, or hashes have not so many bits.
    """
    if not folder.is_dir():
        what = "a file" if folder.exists() else "nothing there"
        raise DataError(f"{folder} must be a folder of pictures. Got {what}. Name a folder.")
    if threshold is not None and not math.isfinite(threshold):
        raise ConfigError(
            f"The threshold must be a finite number. Got {threshold}. Name a score, or none."
        )
    if not -1 <= hash_distance <= BITS:
        raise ConfigError(
            f"Hashes of copies must differ in 0 to {BITS} bits at most, or tell nothing by -1. Got "
            f"{hash_distance}. Name such a number."
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
    known: set[str] = set()
    gone: list[int] = []
    for item in gallery.items(gallery.ids()):
        if item.entry.content in paths and _HASH in item.entry.metadata:
            known.add(item.entry.content)
        else:
            gone.append(item.id)
    if gone:
        gallery.remove(gone)
    fresh = [(content, places[0]) for content, places in paths.items() if content not in known]
    refs = [str(path) for _, path in fresh]
    looked: dict[str, dict[str, str]] = {}
    new = 0

    def look(ref: str, picture: object) -> None:
        assert isinstance(picture, Image)  # `read_inputs` has named pictures only
        grey = to_grey(picture)  # both look at it: once is enough
        quality = quality_of(grey, Path(ref).stat().st_size)
        looked[ref] = {**texts_of(quality), _HASH: perceptual_hash(grey)}

    for part in embed_readable(bundle, refs, at_once=_BATCH, look=look):
        problems += part.problems
        entries = [
            Entry(fresh[place][0], source=refs[place], metadata=looked.pop(refs[place]))
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


def _candidates(
    gallery: AnyGallery, ids: IntArray, neighbours: int, threshold: float
) -> Iterator[Pair]:
    """Each picture with those most alike it, over the threshold: positions, each pair once."""
    place = {int(item): number for number, item in enumerate(ids)}
    seen: set[tuple[int, int]] = set()
    for start in range(0, len(ids), _QUERIES):
        part = ids[start : start + _QUERIES]
        found = gallery.search(gallery.vectors(part), neighbours + 1)
        for item, hits in zip(part.tolist(), found, strict=True):
            for hit in hits:
                a, b = sorted((place[item], place[hit.item.id]))
                if a != b and hit.score >= threshold and (a, b) not in seen:
                    seen.add((a, b))
                    yield Pair(a, b, hit.score)


def _by_hash(
    hashes: Hashes,
    neighbours: int,
    likely: Sequence[Pair],
    vectors: FloatArray,
    scorer: Scorer,
) -> Iterator[Pair]:
    """The pairs that hashes find besides, with the model's score."""
    seen = {(pair.left, pair.right) for pair in likely}
    places = np.array([p for p in hashes.near(neighbours) if p not in seen], np.int64).reshape(
        -1, 2
    )
    for start in range(0, len(places), _PAIRS):
        left, right = places[start : start + _PAIRS].T
        scores = scorer.score(vectors[left], vectors[right])
        for pair in zip(left.tolist(), right.tolist(), scores.tolist(), strict=True):
            yield Pair(*pair)
