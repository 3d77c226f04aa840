"""All figures that the data can carry, in one call."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from twinlens.calibration import Calibration
from twinlens.errors import DataError, EvidenceError
from twinlens.evaluation.answers import answer_figures
from twinlens.evaluation.bootstrap import FEWEST_UNITS, RESAMPLES, mean_interval
from twinlens.evaluation.comparisons import (
    MOST_GENUINE,
    MOST_IMPOSTORS,
    Drawn,
    draw_pairs,
    score_pairs,
)
from twinlens.evaluation.decisions import decision_figures
from twinlens.evaluation.few_shot import SHOTS, WAYS, few_shot_metrics, figure_name
from twinlens.evaluation.grades import correlations
from twinlens.evaluation.group_errors import Column, errors_by
from twinlens.evaluation.inputs import check_embeddings
from twinlens.evaluation.ranking import are_lists, evaluate_ranking
from twinlens.evaluation.result import Evaluation, GroupErrors
from twinlens.evaluation.retrieval import MOST_SCORES, search_all
from twinlens.evaluation.verification import (
    extremes,
    histogram,
    thinned_curve,
    verification_metrics,
)
from twinlens.functional.metrics import ScoreOrder
from twinlens.types import PLURALS, BoolArray, Compared, FloatArray, IntArray, Interval, Scorer

EPISODES = 1000
LARGEST_SHARE = 0.5
"""When one connected part of the given pairs holds more of them, examples are resampled instead."""

Figures = dict[str, Interval]
Reasons = dict[str, str]


@dataclass(frozen=True, slots=True)
class Caps:
    """How much is computed at most.

    Attributes:
        genuine, impostors: pairs compared, drawn evenly where there are more.
        scores: of queries with candidates in retrieval; queries are drawn where there are more. A
            learned comparator takes microseconds for each, so give it a few million at most.
        episodes: of N-way K-shot classification.
    """

    genuine: int = MOST_GENUINE
    impostors: int = MOST_IMPOSTORS
    scores: int = MOST_SCORES
    episodes: int = EPISODES


def evaluate_embeddings(
    embeddings: FloatArray,
    labels: IntArray,
    scorer: Scorer,
    *,
    groups: IntArray | None = None,
    calibration: Calibration | None = None,
    by: Column | None = None,
    seed: int = 0,
    caps: Caps | None = None,
) -> Evaluation:
    """Verification, retrieval and N-way K-shot classification of examples with identities.

    Time and memory are bounded by `caps`: nothing of size n · n is ever held.

    Args:
        embeddings: [n, dim] finite.
        labels: [n] identity; below 0 = unknown, left out.
        scorer: larger = more alike.
        groups: [n] group that a classification episode stays within; None = no groups.
        calibration: fitted on other identities, to be judged on these.
        by: groups examples, for the errors of each group; needs a calibration with a promise.
        seed: the same seed gives the same figures.
        caps: how much is computed at most.

    Raises:
        DataError: embeddings are not finite, or shapes do not match.
        EvidenceError: there are not two identities, or none has two examples.
    """
    check_embeddings(embeddings, labels, groups)
    caps = caps or Caps()
    known = _require_identities(labels)
    rng = np.random.default_rng(seed)
    drawn = draw_pairs(labels, rng, most_genuine=caps.genuine, most_impostors=caps.impostors)
    scores = score_pairs(embeddings, scorer, drawn.left, drawn.right)
    compared = Compared(
        scores,
        drawn.same,
        np.searchsorted(known, labels[drawn.left]),
        np.searchsorted(known, labels[drawn.right]),
        len(known),
        "identity",
        len(np.unique(labels[drawn.left[drawn.same]])),
    )
    found = search_all(embeddings, labels, scorer, rng, most_scores=caps.scores)
    metrics, absent = few_shot_metrics(
        embeddings, labels, scorer, groups=groups, episodes=caps.episodes, seed=seed
    )
    metrics["recall_at_1"] = mean_interval(found.recall_at_1, found.labels, rng)
    metrics["map_at_r"] = mean_interval(found.map_at_r, found.labels, rng)
    limits = _pair_limits(drawn)
    if len(found.labels) < found.eligible:
        limits.append(f"{len(found.labels):,} of {found.eligible:,} queries were drawn for search")
    unknown = int(np.sum(labels < 0))
    if unknown:
        limits.append(f"{unknown:,} examples without an identity were left out")
    points = () if calibration is None else calibration.scale().points
    borne: tuple[GroupErrors, ...] = ()
    if by is not None and points:
        borne = errors_by(compared, drawn.left, drawn.right, by, points[0].threshold)
    elif by is not None:
        limits.append(f"errors by {by.name} need a model that is calibrated and promises a rate")
    evaluation = _evaluation(
        "embeddings",
        compared,
        (drawn.left, drawn.right),
        counts=(len(labels) - unknown, len(known)),
        further=(metrics, absent),
        limits=limits,
        calibration=calibration,
        seed=seed,
    )
    name = by.name if by is not None and borne else ""
    return dataclasses.replace(evaluation, grouped_by=name, groups=borne)


def evaluate_pairs(
    scores: FloatArray,
    same: BoolArray,
    left: IntArray,
    right: IntArray,
    *,
    grades: FloatArray | None = None,
    calibration: Calibration | None = None,
    seed: int = 0,
) -> Evaluation:
    """Verification of given pairs, where identities are not known.

    Pairs that share an example hang together. The intervals resample the connected parts of the
    pairs; where one part holds more than half of the pairs, or there are fewer than ten, they
    resample examples, and a pair counts as the product of its two. Where the pairs are lists, three
    or more to one left example on average, the order of each question's candidates is measured,
    too, as `rank` does, by intervals that resample questions.

    Args:
        scores: [n] finite, larger = more alike.
        same: [n] truth.
        left, right: [n] numbers of the examples in each pair; of lists, left is the question.
        grades: [n] how alike each pair is said to be, where that is known.
        calibration: fitted on other pairs, to be judged on these.
        seed: the same seed gives the same figures.

    Source:
        Owen. The pigeonhole bootstrap. Annals of Applied Statistics 1, 2007.

    Raises:
        DataError: a score is not finite, or shapes do not match.
        EvidenceError: all pairs are the same, or all are different.
    """
    scores, same = np.asarray(scores), np.asarray(same, np.bool_)
    if left.shape != scores.shape or right.shape != scores.shape:
        raise DataError(
            f"left and right must name one example for each of {len(scores)} scores. "
            f"Got shapes {left.shape} and {right.shape}. Give as many as there are scores."
        )
    ScoreOrder.of(scores, same)  # refuses what cannot be evaluated
    examples = np.unique(np.concatenate([left, right]))
    compared = linked(scores, same, left, right)
    needs = "needs the identity of each example; the data gives pairs only"
    names = ["recall_at_1", "map_at_r", *(figure_name(n, k) for n in WAYS for k in SHOTS)]
    rng = np.random.default_rng([seed, 2])
    further: dict[str, Interval] = {}
    if calibration is not None:
        further |= answer_figures(compared, calibration, rng)
    if grades is not None:
        further |= correlations(scores, grades, compared.left, rng)
    limits: list[str] = []
    if are_lists(left):
        ranked = evaluate_ranking(scores, same, left, seed=seed)
        further |= ranked.metrics
        limits.append(
            f"questions that are ranked: {ranked.questions:,}; others, without a right candidate: "
            f"{ranked.unanswered:,}"
        )
    return _evaluation(
        "pairs",
        compared,
        (left, right),
        counts=(len(examples), None),
        further=(further, dict.fromkeys(names, needs)),
        limits=limits,
        calibration=calibration,
        seed=seed,
    )


def _evaluation(
    kind: Literal["embeddings", "pairs"],
    compared: Compared,
    positions: tuple[IntArray, IntArray],
    *,
    counts: tuple[int, int | None],
    further: tuple[Figures, Reasons],
    limits: list[str],
    calibration: Calibration | None,
    seed: int,
) -> Evaluation:
    order = ScoreOrder.of(compared.scores, compared.same)
    rng = np.random.default_rng([seed, 1])
    metrics, absent, band = verification_metrics(compared, order, rng, given=kind == "pairs")
    false_matches, false_non_matches = extremes(order, compared.scores, *positions)
    return Evaluation(
        kind=kind,
        examples=counts[0],
        identities=counts[1],
        genuine_pairs=len(order.genuine_order),
        impostor_pairs=len(order.impostor_order),
        metrics={**metrics, **further[0]},
        absent={**absent, **further[1]},
        method=_method(compared),
        limits=tuple(limits),
        curve=thinned_curve(order.weigh()),
        histogram=histogram(compared.scores, compared.same),
        false_matches=false_matches,
        false_non_matches=false_non_matches,
        seed=seed,
        decisions=None if calibration is None else decision_figures(compared, calibration),
        band=band,
    )


def _method(compared: Compared) -> str:
    return (
        f"95 % intervals: {RESAMPLES:,} draws of {compared.units:,} {PLURALS[compared.unit]} with "
        "replacement (subsets bootstrap, Bolle et al. 2004; ISO/IEC 19795-1:2021), percentiles; "
        f"widened to exact binomial bounds where they touch 0 or 1 or below {FEWEST_UNITS}"
    )


def linked(scores: FloatArray, same: BoolArray, left: IntArray, right: IntArray) -> Compared:
    """Given pairs and their units: connected parts, or examples where most hang together.

    Args:
        scores, same: [n].
        left, right: [n] numbers of the examples in each pair.
    """
    _, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    left, right = places[: len(left)], places[len(left) :]
    count = int(max(left.max(), right.max())) + 1
    graph = coo_matrix((np.ones(len(left), np.int8), (left, right)), shape=(count, count))
    parts, part = connected_components(graph, directed=False)
    if parts >= FEWEST_UNITS and np.bincount(part[left]).max() <= LARGEST_SHARE * len(left):
        unit, units, left, right = "component", int(parts), part[left], part[right]
    else:
        unit, units = "example", count
    evidence = len(np.unique(np.concatenate([left[same], right[same]])))
    return Compared(scores, same, left, right, units, unit, evidence)


def _require_identities(labels: IntArray) -> IntArray:
    """The known identities, ascending."""
    known, sizes = np.unique(labels[labels >= 0], return_counts=True)
    if len(known) < 2 or sizes.max() < 2:
        raise EvidenceError(
            "An evaluation needs at least two identities, one of them with two examples. "
            f"Got {len(known)} identities with at most {sizes.max(initial=0)} examples each. "
            "Add identities or examples."
        )
    return known


def _pair_limits(drawn: Drawn) -> list[str]:
    genuine = int(drawn.same.sum())
    counts = (
        ("genuine", genuine, drawn.genuine_total),
        ("impostor", len(drawn.same) - genuine, drawn.impostor_total),
    )
    return [
        f"{made:,} of {total:,} {kind} pairs were compared, drawn at random"
        for kind, made, total in counts
        if made < total
    ]
