"""Whether promised error rates come true on identities that nothing was fitted on.

For each data set a model is trained on some identities. The others are dealt into two halves, 200
times anew: thresholds and probabilities are fitted on one half and tried on the other. On LFW the
seven folds take turns, each with the model that knows the other six; the details tell them apart.
Of texts, where pairs are given, those without a text that was trained on are tried; what is dealt
is the sets of pairs that texts connect, a question with all its candidates.

* `fmr_promise_held_<set>`: share of the trials, of those in which a false match rate of 1 % could
  be promised, in which the rate on the other half stayed under it; `..._at_0.1_percent` and
  `..._at_10_percent` likewise.
* `refused_<set>`: share of the trials in which it could not be promised.
* `fnmr_over_oracle_<set>`: what honesty costs: the false non-match rate at the promised threshold
  over that at the threshold which the other half itself would have chosen; of means over trials.
* `cllr_over_min_cllr_<set>`, `ece_<set>`: of the probabilities on the other half, means; the former
  of trials whose scores overlap, since min-Cllr is 0 in the others. Beside both stands what the map
  of all units would show, those it is tried on among them: what no calibration on other units can
  be expected to beat; and beside the latter what perfect probabilities would show on as many
  comparisons, if none shared an identity.
* `refusal_correct`: share of the cases with far too few identities in which 0.1 % was refused.

The other half is a sample too. Its own rate lies off the truth by about as much as that of the
first (the details give its standard deviation over trials), which is why bounds are made for as
many new identities and not for all there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import answers, faces, online_signatures, paraphrase, signatures
from benchmarks.lfw import read_lfw
from benchmarks.omniglot import CONFIG
from benchmarks.parts import Part, kept_part
from benchmarks.record import Anchor, Metric, Options, Result
from benchmarks.texts import TextPairs, quora, wikiqa
from benchmarks.trained import trained_model
from twinlens.bundle import Bundle
from twinlens.calibration import OperatingPoint
from twinlens.calibration.maps import Map, best_map
from twinlens.calibration.operating import Thresholds
from twinlens.config import load_config
from twinlens.data.dataset import Dataset
from twinlens.data.manifest import read_dataset
from twinlens.errors import EvidenceError
from twinlens.evaluation.bootstrap import clopper_pearson
from twinlens.functional.probability import (
    balanced_weights,
    cllr,
    expected_calibration_error,
    min_cllr,
    probability,
)
from twinlens.siamese import Siamese
from twinlens.tasks.comparisons import Impostors, compare_all
from twinlens.types import BoolArray, Compared, FloatArray

TRIALS, QUICK_TRIALS = 200, 3
RATES = (0.1, 0.01, 0.001)
MAIN_RATE = 0.01
CONFIDENCE = 0.95
PRIOR = 0.5
COMPARISONS = 500_000
"""Impostor comparisons of each half."""
BOUND = "the worst counted once more"
"""How promises are bounded: figures of another bound are made anew."""
MAP_OF_ALL = "the map of all, those tried among them"
CHANCES = 5
"""Draws of what a perfect map would be measured at."""
FEW = 5
"""Identities that can promise nothing at 0.1 %."""
_FEW = ("few_refused", "few_asked")
"""How often they were refused, in the details."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Identities that a model of some fingerprint was not trained on, embedded by it."""

    model: str
    dataset: Dataset
    embeddings: FloatArray
    siamese: Siamese
    impostors: Impostors = "all"

    @property
    def units(self) -> int:
        """Identities."""
        return len(self.dataset.identities())

    def compare(self, units: Sequence[int], seed: int) -> Compared:
        """All comparisons among some identities."""
        chosen = np.flatnonzero(np.isin(self.dataset.owners(), units))
        return compare_all(
            self.embeddings[chosen],
            self.dataset.subset(chosen),
            self.siamese,
            impostors=self.impostors,
            seed=seed,
            most=COMPARISONS,
        )


@dataclass(frozen=True, slots=True)
class Scored:
    """All comparisons that there are, made once: where each takes long, or pairs are given."""

    model: str
    every: Compared

    @property
    def units(self) -> int:
        """Identities, or connected parts of the given pairs."""
        return self.every.units

    def compare(self, units: Sequence[int], _seed: int) -> Compared:
        """All comparisons among some units."""
        sides = np.isin(self.every.left, units), np.isin(self.every.right, units)
        return self.every.chosen(sides[0] & sides[1])


Tried = Subject | Scored


def run(options: Options) -> Result:
    """Trials for every data set."""
    subjects: dict[str, Callable[[Options], Tried | Sequence[Tried]]] = {
        "omniglot": omniglot,
        "lfw": lfw_people,
        "orl": orl_people,
        "bhsig_forgeries": lambda options: writers(options, "imitations"),
        "bhsig_strangers": lambda options: writers(options, "strangers"),
        "svc2004_forgeries": lambda options: pens(options, "imitations"),
        "svc2004_strangers": lambda options: pens(options, "strangers"),
        "quora": paraphrases,
        "wikiqa": answered,
    }
    parts = {
        name: tried(name, make(options), options)
        for name, make in subjects.items()
        if options.wants(name)
    }
    metrics = [metric for part in parts.values() for metric in part.metrics]
    details = {name: part.details for name, part in parts.items()}
    refused, asked = (sum(part[key] for part in details.values()) for key in _FEW)
    outcomes = [True] * refused + [False] * (asked - refused)
    metrics.append(share("refusal_correct", outcomes, goal=1.0))
    return Result(tuple(metrics), (0,), details)


def tried(name: str, subjects: Tried | Sequence[Tried], options: Options) -> Part:
    """All trials of a data set, done once; where it has several subjects, they take turns."""
    turns = [subjects] if isinstance(subjects, Tried) else list(subjects)
    trials = range(QUICK_TRIALS if options.quick else TRIALS)

    def part() -> Part:
        of_all = [best_map(one.compare(range(one.units), 0)) for one in turns]
        found = [
            trial(turns[seed % len(turns)], seed, of_all[seed % len(turns)]) for seed in trials
        ]
        few = [refuses_few(turns[seed % len(turns)], seed) for seed in trials]
        counts = dict(zip(_FEW, (sum(few), len(few)), strict=True))
        details = {**details_of(found), **counts}
        if len(turns) > 1:
            details["turns"] = [details_of(found[turn :: len(turns)]) for turn in range(len(turns))]
        return Part(tuple(metrics_of(name, found)), details)

    asked = {
        "models": [subject.model for subject in turns],
        "bound": BOUND,
        "beside": MAP_OF_ALL,
        "trials": len(trials),
        "comparisons": COMPARISONS,
    }
    return kept_part(f"trust-{name}", asked, part, options)


def omniglot(options: Options) -> Subject:
    """The 659 characters of the evaluation set, by a model trained on the background set."""
    evaluation = read_dataset(options.data.unpacked("images/omniglot_evaluation.zip"))
    return subject_of(omniglot_model(options), evaluation)


def omniglot_model(options: Options) -> Bundle:
    """The model of the background set."""
    background = read_dataset(options.data.unpacked("images/omniglot_background.zip"))
    steps = 40 if options.quick else 1500
    config = load_config(CONFIG, [f"train.steps={steps}", "modality.views=1"])
    return trained_model("trust-omniglot", background, config, options)


def lfw_people(options: Options) -> list[Subject]:
    """The people of each of LFW's folds, by a model of the other folds; one when quick."""
    lfw = read_lfw(options.data.unpacked("images/lfw_faces_dev.zip"))
    return [
        subject_of(
            faces.face_model(lfw, [fold], options),
            lfw.dataset.subset(np.flatnonzero(lfw.folds_of_people() == fold)),
        )
        for fold in (faces.FOLDS[:1] if options.quick else faces.FOLDS)
    ]


def orl_people(options: Options) -> Subject:
    """The 40 people of ORL, by a model of LFW: it knows other people from other cameras."""
    lfw = read_lfw(options.data.unpacked("images/lfw_faces_dev.zip"))
    orl = read_dataset(options.data.unpacked("images/orl_att_faces.zip"))
    return subject_of(faces.face_model(lfw, faces.FOLDS[:1], options), orl)


def writers(options: Options, impostors: Impostors) -> Scored:
    """60 writers of BHSig Hindi, by a model of the other 100."""
    bhsig = read_dataset(options.data.unpacked("images/signatures_bhsig_hindi.zip"))
    known, unseen = signatures.halves(bhsig, signatures.TRAIN_WRITERS)
    config = signatures.configuration("bhsig", 0, options)
    bundle = trained_model("signatures-bhsig-0", known, config, options)
    return scored_once(subject_of(bundle, unseen, impostors))


def pens(options: Options, impostors: Impostors) -> Scored:
    """The 40 users of SVC2004's second task, by a model of the first task's: without pressure."""
    tasks = online_signatures.read_tasks(options)
    config = online_signatures.configuration(0, options, pressure=False)
    bundle = trained_model("online-task1", tasks[1], config, options)
    return scored_once(subject_of(bundle, tasks[2], impostors))


def scored_once(subject: Subject) -> Scored:
    """Where a comparison takes long, all are made at once."""
    return Scored(subject.model, subject.compare(range(subject.units), 0))


def paraphrases(options: Options) -> Scored:
    """Pairs of Quora's questions of which neither was trained on."""
    train, test = (quora(options.data, side) for side in ("train", "test"))
    config = paraphrase.settings("quora", options, 0)
    bundle = trained_model("quora-0", train.dataset("quora"), config, options)
    return scored_pairs(bundle, test.apart_from(train))


def answered(options: Options) -> Scored:
    """Questions of WikiQA with sentences, none of which was trained on."""
    train, test = (wikiqa(options.data, side) for side in ("train", "test"))
    config = answers.settings(options, 0)
    name = "wikiqa-sentence"
    bundle = trained_model(f"{name}-0", train.dataset(name), config, options)
    return scored_pairs(bundle, test.apart_from(train))


def scored_pairs(bundle: Bundle, pairs: TextPairs) -> Scored:
    """Given pairs, each once, with the units that a calibration counts."""
    dataset = pairs.dataset("pairs")
    embeddings = bundle.embed(dataset.refs(bundle.config.modality.name), batch_size=256)
    return Scored(bundle.fingerprint, compare_all(embeddings, dataset, bundle.siamese))


def subject_of(bundle: Bundle, dataset: Dataset, impostors: Impostors = "all") -> Subject:
    embeddings = bundle.embed(dataset.refs(bundle.config.modality.name))
    return Subject(bundle.fingerprint, dataset, embeddings, bundle.siamese, impostors)


def trial(subject: Tried, seed: int, of_all: Map) -> dict[str, Any]:
    """Calibrate on half of the units and try on the other half, beside the map of all units."""
    order = np.random.default_rng(seed).permutation(subject.units)
    half = subject.units // 2
    known = subject.compare(order[:half].tolist(), seed)
    new = subject.compare(order[half:].tolist(), seed)
    thresholds = Thresholds(known)
    llr = best_map(known).llr(new.scores)
    return {
        "rates": {
            str(rate): _tried(thresholds.operating_point(rate, CONFIDENCE), new, rate)
            for rate in RATES
        },
        **_measured(llr, new.same),
        **{
            f"{key}_of_all": value
            for key, value in _measured(of_all.llr(new.scores), new.same).items()
        },
        "min_cllr": min_cllr(new.scores, new.same),
        "ece_of_chance": ece_of_chance(llr, new.same, seed),
    }


def _measured(llr: FloatArray, same: BoolArray) -> dict[str, float]:
    """How good log-likelihood ratios are."""
    weights = balanced_weights(same, PRIOR)
    ece = expected_calibration_error(probability(llr, PRIOR), same, weights)
    return {"cllr": cllr(llr, same), "ece": ece}


def ece_of_chance(llr: FloatArray, same: BoolArray, seed: int) -> float:
    """The calibration error that perfect probabilities show on as many comparisons, by chance.

    Truths are drawn by what the probabilities promise, as if no comparison shared an identity with
    another; those that do make it larger.

    Args:
        llr: log-likelihood ratios, [n].
        same: [n], for the share of matches.
        seed: of the draws.

    Source:
        Bröcker, Smith. Increasing the reliability of reliability diagrams. Weather and Forecasting
        22, 2007 (consistency resampling).
    """
    rng = np.random.default_rng([seed, 2])
    share_same = float(same.mean())
    likely, stated = probability(llr, share_same), probability(llr, PRIOR)
    found: list[float] = []
    for _ in range(CHANCES):
        drawn = rng.random(len(llr)) < likely
        weights = np.where(drawn, PRIOR / share_same, (1 - PRIOR) / (1 - share_same))
        found.append(expected_calibration_error(stated, drawn, weights / weights.sum()))
    return float(np.mean(found))


def _tried(point: object, new: Compared, rate: float) -> dict[str, float] | None:
    """What came of a promise; None where it was refused."""
    if not isinstance(point, OperatingPoint):
        return None
    impostors, genuine = new.scores[~new.same], new.scores[new.same]
    oracle = np.quantile(impostors, 1 - rate, method="higher")
    return {
        "came": float(np.mean(impostors >= point.threshold)),
        "fnmr": float(np.mean(genuine < point.threshold)),
        "oracle": float(np.mean(genuine < oracle)),
    }


def refuses_few(subject: Tried, seed: int) -> bool:
    """Whether five units are refused a promise of 0.1 %."""
    few = np.random.default_rng([seed, 1]).permutation(subject.units)[:FEW]
    try:
        point = Thresholds(subject.compare(few.tolist(), seed)).operating_point(0.001, CONFIDENCE)
    except EvidenceError:  # they have comparisons of one kind only
        return True
    return not isinstance(point, OperatingPoint)


def metrics_of(name: str, found: Sequence[dict[str, Any]]) -> list[Metric]:
    """The figures of one data set."""
    made: list[Metric] = []
    for rate in RATES:
        suffix = "" if rate == MAIN_RATE else f"_at_{100 * rate:g}_percent"
        tried = [trial["rates"][str(rate)] for trial in found]
        kept = [one for one in tried if one is not None]
        made.append(share(f"refused_{name}{suffix}", [one is None for one in tried], lower=True))
        if not kept:
            continue
        goal = 0.95 if rate == MAIN_RATE else None
        held = [one["came"] <= rate for one in kept]
        made.append(share(f"fmr_promise_held_{name}{suffix}", held, goal=goal))
        fnmr, oracle = (float(np.mean([one[key] for one in kept])) for key in ("fnmr", "oracle"))
        if oracle > 0:
            key = f"fnmr_over_oracle_{name}{suffix}"
            made.append(Metric(key, fnmr / oracle, "ratio", "lower", goal=1.3))
    if overlapping := [trial for trial in found if trial["min_cllr"] > 0]:
        ratio, ratio_of_all = (
            float(np.mean([trial[key] / trial["min_cllr"] for trial in overlapping]))
            for key in ("cllr", "cllr_of_all")
        )
        anchors = (Anchor(ratio_of_all, MAP_OF_ALL),)
        key = f"cllr_over_min_cllr_{name}"
        made.append(Metric(key, ratio, "ratio", "lower", goal=1.1, beyond=1.05, anchors=anchors))
    ece, ece_of_all, chance = (
        float(np.mean([trial[key] for trial in found]))
        for key in ("ece", "ece_of_all", "ece_of_chance")
    )
    anchors = (Anchor(ece_of_all, MAP_OF_ALL), Anchor(chance, "perfect probabilities, by chance"))
    made.append(Metric(f"ece_{name}", ece, "rate", "lower", goal=0.02, anchors=anchors))
    return made


def details_of(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means, and the noise with which a trial measures."""
    told: dict[str, Any] = {"cllr": float(np.mean([trial["cllr"] for trial in found]))}
    for rate in RATES:
        kept = [one for trial in found if (one := trial["rates"][str(rate)]) is not None]
        if kept:
            told[str(rate)] = {
                "promised": len(kept),
                "held": sum(one["came"] <= rate for one in kept),
                "mean_fmr": float(np.mean([one["came"] for one in kept])),
                "sd_of_fmr": float(np.std([one["came"] for one in kept])),
                "fnmr": float(np.mean([one["fnmr"] for one in kept])),
                "oracle_fnmr": float(np.mean([one["oracle"] for one in kept])),
            }
    return told


def share(
    key: str, held: Sequence[bool], *, goal: float | None = None, lower: bool = False
) -> Metric:
    """How often something came true, with its interval."""
    value = float(np.mean(held))
    low, high = clopper_pearson(value, len(held))
    method = f"exact binomial over {len(held)} trials (which share identities)"
    direction = "lower" if lower else "higher"
    return Metric(key, value, "rate", direction, low=low, high=high, method=method, goal=goal)
