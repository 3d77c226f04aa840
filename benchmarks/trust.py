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
from typing import Any

import numpy as np

from benchmarks.parts import Part, kept_part
from benchmarks.record import Anchor, Metric, Options, Result
from benchmarks.trust_subjects import (
    COMPARISONS,
    Tried,
    answered,
    lfw_people,
    omniglot,
    orl_people,
    paraphrases,
    pens,
    writers,
)
from twinlens.calibration import OperatingPoint
from twinlens.calibration.maps import Map, best_map
from twinlens.calibration.operating import Thresholds
from twinlens.errors import EvidenceError
from twinlens.evaluation.bootstrap import clopper_pearson
from twinlens.functional.probability import (
    balanced_weights,
    cllr,
    expected_calibration_error,
    min_cllr,
    probability,
)
from twinlens.types import BoolArray, Compared, FloatArray

TRIALS, QUICK_TRIALS = 200, 3
RATES = (0.1, 0.01, 0.001)
MAIN_RATE = 0.01
CONFIDENCE = 0.95
PRIOR = 0.5
BOUND = "the worst counted once more"
"""How promises are bounded: figures of another bound are made anew."""
MAP_OF_ALL = "the map of all, those tried among them"
"""Anchor of what no calibration on other units can be expected to beat."""
CHANCES = 5
"""Draws of what a perfect map would be measured at."""
FEW = 5
"""Identities that can promise nothing at 0.1 %."""
_FEW = ("few_refused", "few_asked")
"""How often they were refused, in the details."""


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
        turn_of = [seed % len(turns) for seed in trials]
        found = [trial(turns[turn], seed, of_all[turn]) for seed, turn in enumerate(turn_of)]
        few = [refuses_few(turns[turn], seed) for seed, turn in enumerate(turn_of)]
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


def trial(subject: Tried, seed: int, of_all: Map) -> dict[str, Any]:
    """Calibrate on half of the units and try on the other half, beside the map of all units."""
    order = np.random.default_rng(seed).permutation(subject.units)
    half = subject.units // 2
    known = subject.compare(order[:half].tolist(), seed)
    new = subject.compare(order[half:].tolist(), seed)
    thresholds = Thresholds(known)
    llr, llr_of_all = best_map(known).llr(new.scores), of_all.llr(new.scores)
    return {
        "rates": {
            str(rate): _tried(thresholds.operating_point(rate, CONFIDENCE), new, rate)
            for rate in RATES
        },
        "cllr": cllr(llr, new.same),
        "cllr_of_all": cllr(llr_of_all, new.same),
        "min_cllr": min_cllr(new.scores, new.same),
        "ece": _ece(llr, new.same),
        "ece_of_all": _ece(llr_of_all, new.same),
        "ece_of_chance": ece_of_chance(llr, new.same, seed),
    }


def _ece(llr: FloatArray, same: BoolArray) -> float:
    """Of the probabilities at the stated prior."""
    return expected_calibration_error(probability(llr, PRIOR), same, balanced_weights(same, PRIOR))


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
