"""What went wrong in training, in words, with the number behind each claim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from twinlens.training.history import LogLine
from twinlens.types import FloatArray, IntArray

COLLAPSED = 0.98
"""Mean cosine of strangers above which the embedding may tell nothing apart."""
SEPARATED = 0.5
"""Standard deviations between genuine pairs and strangers above which it does all the same: of two
such, the genuine one has the higher score in 64 %. A network that has just begun has as much."""
EACH, COMPARED = 4, 200
"""Examples of an identity, and in all, that are compared for this."""
SPREAD = 1e-3
"""Relative spread of the dimensions under which all embeddings are one point."""
FEW_DIMENSIONS = 0.05
"""Share of dimensions in use under which the embedding is needlessly narrow."""
EMPTY_MINING = 0.5
"""Share of empty batches above which mining starves the loss."""
INACTIVE = 0.02
"""Share of active tuples under which almost nothing is learned from a batch."""
APART = 0.15
"""Gap between the scores on train and validation identities that is worth a word."""
DOMINANT = 10.0
"""Size of the largest class over the median class that is worth a word."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One claim about a training run.

    Attributes:
        code: stable name of the claim.
        severity: "error" = do not use the model, "warning" = it could be better, "info".
        message: what was seen, in words.
        number: the number behind it; None when there is none.
        advice: what to change.
    """

    code: str
    severity: Literal["info", "warning", "error"]
    message: str
    number: float | None
    advice: str


@dataclass(frozen=True, slots=True)
class Symptoms:
    """What the doctor looks at.

    Attributes:
        lines: the log.
        embeddings: of examples with labels, [n, dim]; unseen ones where there are any.
        compare: positions of some of them, [m] -> the comparator's scores of each two, [m, m], by
            what is learned alone.
        labels: [n].
        class_sizes: examples of each training identity.
        train_score, validation_score: the same measure on seen and unseen identities.
    """

    lines: Sequence[LogLine]
    embeddings: FloatArray
    compare: Callable[[IntArray], FloatArray]
    labels: IntArray
    class_sizes: IntArray
    train_score: float | None = None
    validation_score: float | None = None


def diagnose(symptoms: Symptoms) -> list[Finding]:
    """All findings, worst first; a single "healthy" one when nothing was found."""
    found = [
        *watch(symptoms.lines),
        *_collapse(symptoms),
        *_dimensions(symptoms.embeddings),
        *_parted(symptoms.train_score, symptoms.validation_score),
        *_past_best(symptoms.lines),
        *_dominance(symptoms.class_sizes),
    ]
    if not found:
        return [
            Finding(
                "healthy",
                "info",
                "Nothing unusual: the embedding is spread out and the loss had work to do.",
                symptoms.validation_score,
                "Nothing to change.",
            )
        ]
    order = {"error": 0, "warning": 1, "info": 2}
    return sorted(found, key=lambda finding: order[finding.severity])


def watch(lines: Sequence[LogLine]) -> list[Finding]:
    """Findings that the log alone shows; cheap enough to run during training."""
    recent = lines[-max(1, len(lines) // 4) :]
    found: list[Finding] = []
    empty = _mean_part(recent, "empty_share")
    if empty is not None and empty > EMPTY_MINING:
        found.append(
            Finding(
                "empty_mining",
                "warning",
                f"Mining found nothing in {empty:.0%} of the latest batches.",
                empty,
                "Use a softer miner (miner=batch_all), a larger margin, or more identities a "
                "batch (sampler.identities).",
            )
        )
    active = _mean_part(recent, "active_share")
    if active is not None and active < INACTIVE and (empty is None or empty <= EMPTY_MINING):
        found.append(
            Finding(
                "inactive_loss",
                "warning",
                f"Only {active:.1%} of the tuples of the latest batches still had a loss.",
                active,
                "Mine harder tuples (miner=semi_hard or batch_hard), raise loss.margin, or stop "
                "earlier: there is little left to learn from this data.",
            )
        )
    if len(lines) >= 8:
        first, last = np.mean([x.loss for x in lines[:2]]), np.mean([x.loss for x in recent])
        if last > 0.98 * first:
            found.append(
                Finding(
                    "no_progress",
                    "warning",
                    f"The loss ended at {last / first:.0%} of where it began.",
                    float(last / first),
                    "Lower train.learning_rate, check the labels with `twinlens check-data`, or "
                    "train longer.",
                )
            )
    return found


def effective_dimensions(embeddings: FloatArray) -> float:
    """How many dimensions an embedding uses: exp of the entropy of its covariance spectrum.

    Source:
        Roy, Vetterli. The effective rank: a measure of effective dimensionality. EUSIPCO 2007.

    >>> round(effective_dimensions(np.eye(4)), 1)
    3.0
    """
    centred = embeddings - embeddings.mean(0)
    spectrum = np.linalg.svd(centred, compute_uv=False) ** 2
    total = spectrum.sum()
    if total <= 1e-12:
        return 0.0
    share = spectrum[spectrum > 1e-12 * total] / total
    return float(np.exp(-(share * np.log(share)).sum()))


def _collapse(symptoms: Symptoms) -> list[Finding]:
    embeddings, labels = symptoms.embeddings, symptoms.labels
    if len(embeddings) < 2:
        return []
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    unit = unit[:2000]
    cosine = unit @ unit.T
    strangers = labels[: len(unit), None] != labels[None, : len(unit)]
    if not strangers.any():
        return []
    alike = float(cosine[strangers].mean())
    spread = float(embeddings.std(0).mean() / max(float(np.abs(embeddings).mean()), 1e-12))
    if spread > SPREAD and (alike <= COLLAPSED or _separation(symptoms) > SEPARATED):
        return []
    return [
        Finding(
            "collapse",
            "error",
            f"Training has collapsed: strangers have a mean cosine of {alike:.3f}, so everything "
            "looks alike.",
            alike,
            "Lower train.learning_rate, use a loss with many negatives (loss=supcon), or, where a "
            "miner finds pairs, start with an easier one (miner=all_pairs or batch_all).",
        )
    ]


def _separation(symptoms: Symptoms) -> float:
    """How far genuine scores lie over those of strangers, in standard deviations of the latter.

    A network can hold all embeddings in a narrow cone and still tell them apart there, and rows of
    parts are not compared by their cosine at all.
    """
    chosen = _few_of_each(symptoms.labels)
    scores, labels = symptoms.compare(chosen), symptoms.labels[chosen]
    same = labels[:, None] == labels[None]
    genuine, strangers = scores[same & ~np.eye(len(scores), dtype=np.bool_)], scores[~same]
    if not (len(genuine) and len(strangers)):
        return 0.0
    return float(genuine.mean() - strangers.mean()) / max(float(strangers.std()), 1e-6)


def _few_of_each(labels: IntArray) -> IntArray:
    """Positions of up to `EACH` examples of an identity, `COMPARED` in all. [n] -> [m]."""
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    rank = np.arange(len(labels)) - np.searchsorted(ordered, ordered)
    return order[rank < EACH][:COMPARED]


def _dimensions(embeddings: FloatArray) -> list[Finding]:
    count, dim = embeddings.shape
    if count < 2 * dim:
        return []
    used = effective_dimensions(embeddings)
    if used >= max(2.0, FEW_DIMENSIONS * dim):
        return []
    return [
        Finding(
            "few_dimensions",
            "warning",
            f"The embedding uses about {used:.1f} of its {dim} dimensions.",
            used,
            f"Set encoder.dim to {max(8, int(4 * used))}, or train on more identities.",
        )
    ]


def _parted(train: float | None, validation: float | None) -> list[Finding]:
    if train is None or validation is None or train - validation < APART:
        return []
    return [
        Finding(
            "overfitting",
            "warning",
            f"Identities seen in training score {train:.3f}, unseen ones {validation:.3f}: the "
            "network has learned the training identities rather than what makes two things alike.",
            train - validation,
            "Bring more identities (more examples of each help less), strengthen the "
            "augmentation, raise train.weight_decay, or use a smaller encoder.",
        )
    ]


def _past_best(lines: Sequence[LogLine]) -> list[Finding]:
    scores = [(x.step, x.validation) for x in lines if x.validation is not None]
    if len(scores) < 4:
        return []
    best_step, best = max(scores, key=lambda item: item[1])
    last = scores[-1][1]
    if best - last < 0.02:
        return []
    return [
        Finding(
            "past_its_best",
            "info",
            f"Validation was best at step {best_step} ({best:.3f}) and ended at {last:.3f}; the "
            "best weights were kept.",
            best - last,
            f"Set train.steps to about {best_step}, or train.patience to stop by itself.",
        )
    ]


def _dominance(sizes: IntArray) -> list[Finding]:
    if len(sizes) < 2:
        return []
    ratio = float(sizes.max() / max(1.0, float(np.median(sizes))))
    if ratio < DOMINANT:
        return []
    return [
        Finding(
            "dominant_class",
            "warning",
            f"The largest class has {sizes.max()} examples, {ratio:.0f} times the median class.",
            ratio,
            "Bring more examples of the others. Batches already draw identities evenly "
            "(sampler=identities); with given pairs, balance them.",
        )
    ]


def _mean_part(lines: Sequence[LogLine], name: str) -> float | None:
    values = [line.parts[name] for line in lines if name in line.parts]
    return float(np.mean(values)) if values else None
