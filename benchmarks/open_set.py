"""Who is it, or nobody: whether strangers are kept out as promised, and who is still recognised.

A model is trained on some identities. The others are dealt into two halves, 200 times anew: one
calibrates; of the other, 50 (or a third, where that is fewer) are enrolled in a real gallery with
one example each, and the rest stay strangers. Two examples of each stranger are identified, and as
many of the enrolled together as there are, so that half of the probes are strangers.

* `fpir_promise_held_<set>`: share of the trials, of those in which a false positive identification
  rate of 1 % could be promised, in which no more strangers were taken for somebody;
  `..._at_10_percent` likewise.
* `refused_<set>`: share of the trials in which it could not be promised.
* `detection_and_identification_rate_<set>`: share of the enrolled who are named rightly at the
  promised threshold, mean over trials; beside it, as an anchor, the rate at the threshold that the
  strangers of the trial themselves would have chosen.
* `..._without_size_<set>`: the trivial way, a threshold for pairs used for a whole gallery: how
  often it keeps the same promise.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import faces
from benchmarks.lfw import read_lfw
from benchmarks.parts import Part, kept_part
from benchmarks.record import Anchor, Metric, Options, Result
from benchmarks.trust import BOUND, share
from benchmarks.trust_subjects import Subject, omniglot, subject_of
from twinlens.calibration import Calibration
from twinlens.config import CalibrationConfig
from twinlens.gallery import Entry, Gallery, Space
from twinlens.tasks.calibrate import calibration_of
from twinlens.types import FloatArray, IntArray

TRIALS, QUICK_TRIALS = 200, 3
RATES = (0.1, 0.01)
MAIN_RATE = 0.01
CONFIDENCE = 0.95
PROBES = 2
"""Of each stranger."""
ENROLLED = 50
TESTED = (4, 5, 6, 7)
"""Folds of LFW whose people the model never saw."""
_FINGERPRINT = "0" * 16


def run(options: Options) -> Result:
    """Trials for every data set."""
    subjects: dict[str, Callable[[Options], Subject]] = {
        "omniglot": omniglot,
        "lfw": half_of_lfw,
    }
    parts = {
        name: tried(name, make(options), options)
        for name, make in subjects.items()
        if options.wants(name)
    }
    metrics = tuple(metric for part in parts.values() for metric in part.metrics)
    return Result(metrics, (0,), {name: part.details for name, part in parts.items()})


def half_of_lfw(options: Options) -> Subject:
    """The people of four folds of LFW, by a model of everyone else: one fold has too few."""
    lfw = read_lfw(options.data.unpacked(faces.LFW))
    model = faces.face_model(lfw, TESTED, options)
    held_out = np.flatnonzero(np.isin(lfw.folds_of_people(), TESTED))
    return subject_of(model, lfw.dataset.subset(held_out))


def tried(name: str, subject: Subject, options: Options) -> Part:
    """All trials of one subject, done once."""
    trials = range(QUICK_TRIALS if options.quick else TRIALS)

    def part() -> Part:
        found = [trial(subject, seed) for seed in trials]
        return Part(tuple(metrics_of(name, found)), details_of(found))

    asked = {
        "model": subject.model,
        "bound": BOUND,
        "trials": len(trials),
        "probes": PROBES,
        "enrolled": ENROLLED,
    }
    return kept_part(f"open-set-{name}", asked, part, options)


def trial(subject: Subject, seed: int) -> dict[str, Any]:
    """Calibrate on half of the identities; enrol half of the others and ask for all of them."""
    rng = np.random.default_rng(seed)
    labels = subject.dataset.labels()
    counts = np.bincount(labels)
    order = rng.permutation(np.flatnonzero(counts >= PROBES))
    known, new = np.array_split(order, 2)
    enrolled = new[counts[new] > PROBES][: min(ENROLLED, len(new) // 3)]
    strangers = new[~np.isin(new, enrolled)]
    each = math.ceil(PROBES * len(strangers) / len(enrolled))
    asked = np.concatenate([enrolled, strangers])
    chosen = [rng.permutation(np.flatnonzero(labels == identity)) for identity in asked]
    calibration = _calibrated(subject, known, seed)
    templates = np.array([places[0] for places in chosen[: len(enrolled)]])
    own_probes = np.concatenate([places[1 : each + 1] for places in chosen[: len(enrolled)]])
    others = np.concatenate([places[:PROBES] for places in chosen[len(enrolled) :]])
    probes = np.concatenate([own_probes, others])
    scores = subject.siamese.score_matrix(subject.embeddings[probes], subject.embeddings[templates])
    best, named = scores.max(axis=1), enrolled[scores.argmax(axis=1)]
    own = np.arange(len(probes)) < len(own_probes)
    right = own & (named == labels[probes])
    points = {point.fmr: point.threshold for point in calibration.scale().points}
    with tempfile.TemporaryDirectory() as place:
        gallery = _enrol(subject, Path(place), templates, labels)
        with gallery:
            return {
                str(rate): {
                    **_asked(gallery, calibration, subject.embeddings[probes], labels[probes], own,
                             rate),
                    "oracle": float(np.mean(_over(best, best[~own], rate)[own] & right[own])),
                    "pairwise": _reached(points.get(rate), best[~own]),
                }
                for rate in RATES
            }  # fmt: skip


def _calibrated(subject: Subject, identities: IntArray, seed: int) -> Calibration:
    chosen = np.flatnonzero(np.isin(subject.dataset.owners(), identities))
    settings = CalibrationConfig(fmr=RATES, confidence=CONFIDENCE)
    return calibration_of(
        subject.embeddings[chosen],
        subject.dataset.subset(chosen),
        subject.siamese,
        fingerprint=_FINGERPRINT,
        settings=settings,
        seed=seed,
    )


def _enrol(subject: Subject, place: Path, templates: IntArray, labels: IntArray) -> Gallery:
    space = Space(_FINGERPRINT, subject.siamese.dim, "inner_product")
    gallery = Gallery.create(place / "gallery", space, log_searches=False)
    entries = [Entry(f"{place:032x}", str(labels[place]), "") for place in templates]
    gallery.add(subject.embeddings[templates], entries)
    return gallery


def _asked(
    gallery: Gallery,
    calibration: Calibration,
    probes: FloatArray,
    labels: IntArray,
    own: Any,
    rate: float,
) -> dict[str, Any]:
    """What the gallery answers: strangers taken for somebody, enrolled named rightly."""
    found = gallery.identify(probes, calibration, fpir=rate, candidates=1)
    if found[0].threshold is None:
        return {"refused": True}
    known = np.array([bool(one.known) for one in found])
    right = np.array([one.who == str(label) for one, label in zip(found, labels, strict=True)])
    return {
        "refused": False,
        "came": float(np.mean(known[~own])),
        "recognised": float(np.mean(right[own])),
    }


def _over(best: FloatArray, strangers: FloatArray, rate: float) -> Any:
    """Who reaches the threshold that these strangers would have chosen."""
    return best > np.quantile(strangers, 1 - rate, method="higher")


def _reached(threshold: float | None, strangers: FloatArray) -> float | None:
    """How many strangers reach a threshold made for pairs; None where there is none."""
    return None if threshold is None else float(np.mean(strangers >= threshold))


def metrics_of(name: str, found: Sequence[dict[str, Any]]) -> list[Metric]:
    """The figures of one data set."""
    made: list[Metric] = []
    for rate in RATES:
        suffix = "" if rate == MAIN_RATE else f"_at_{100 * rate:g}_percent"
        tried = [trial[str(rate)] for trial in found]
        kept = [one for one in tried if not one["refused"]]
        made.append(share(f"refused_{name}{suffix}", [one["refused"] for one in tried], lower=True))
        if kept:
            held = [one["came"] <= rate for one in kept]
            goal = 0.95 if rate == MAIN_RATE else None
            made.append(share(f"fpir_promise_held_{name}{suffix}", held, goal=goal))
            rights = [one["recognised"] for one in kept]
            oracle = float(np.mean([one["oracle"] for one in kept]))
            made.append(
                Metric(
                    f"detection_and_identification_rate_{name}{suffix}",
                    float(np.mean(rights)),
                    "rate",
                    low=float(np.quantile(rights, 0.025)),
                    high=float(np.quantile(rights, 0.975)),
                    method=f"middle 95 % of {len(rights)} trials",
                    anchors=(Anchor(oracle, "threshold chosen on the very strangers"),),
                )
            )
        trivial = [one["pairwise"] <= rate for one in tried if one["pairwise"] is not None]
        if trivial:
            made.append(share(f"fpir_promise_held_without_size_{name}{suffix}", trivial))
    return made


def details_of(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over the trials that kept or broke a promise."""
    told: dict[str, Any] = {}
    for rate in RATES:
        kept = [trial[str(rate)] for trial in found if not trial[str(rate)]["refused"]]
        if kept:
            came = [one["came"] for one in kept]
            told[str(rate)] = {"mean_fpir": float(np.mean(came)), "sd_of_fpir": float(np.std(came))}
    return told
