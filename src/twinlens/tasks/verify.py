"""Is an input of the same identity as its references? With a decision that can be trusted."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twinlens.bundle import Bundle, Input
from twinlens.calibration import Question, Scale, combined, not_calibrated
from twinlens.errors import EvidenceError
from twinlens.types import Decision


@dataclass(frozen=True, slots=True)
class Verification:
    """A decision, and what it rests on.

    Attributes:
        decision: same, different or unsure, with score, probability and the reason.
        scores: of the questioned input against each reference that was used, in order.
        used: how many references were used: the first ones, as many as the model is calibrated for.
        model: fingerprint.
    """

    decision: Decision
    scores: tuple[float, ...]
    used: int
    model: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            **dataclasses.asdict(self.decision),
            "decision": self.decision.word,
            "scores": list(self.scores),
            "references_used": self.used,
            "model": self.model,
        }


def verify(
    bundle: Bundle,
    references: Sequence[Input],
    questioned: Input,
    *,
    question: Question | None = None,
) -> Verification:
    """Decide whether an input is of the same identity as one or several references.

    Several references give one score, as the calibration says (`combine`). A model is calibrated
    for certain numbers of references; of those given the first are used, up to the largest such
    number, since no promise was made for another.

    Args:
        bundle: a calibrated model.
        references: of one identity; at least one.
        questioned: to be decided on.
        question: how to decide.

    Raises:
        EvidenceError: the model is not calibrated, or not for as few references.
        DataError: an input cannot be read; names the file.
        ConfigError: no such rate was promised, or the comparator is not symmetric.
    """
    scale = scale_for(bundle, len(references))
    used = list(references[: scale.references])
    embeddings = bundle.measured(bundle.embed([*used, questioned]))
    last = np.repeat(embeddings[-1:], len(used), axis=0)
    scores = bundle.scorer.score(embeddings[:-1], last)
    calibration = bundle.calibration
    assert calibration is not None  # `scale_for` has seen to it
    a, b = np.triu_indices(len(used), 1)
    mutual = bundle.scorer.score(embeddings[a], embeddings[b]).mean() if len(a) else 0.0
    score = float(combined(scores[None], calibration.combine, np.array([mutual]))[0])
    decision = calibration.decide(score, question, references=len(used))
    return Verification(decision, tuple(map(float, scores)), len(used), bundle.fingerprint)


def scale_for(bundle: Bundle, references: int) -> Scale:
    """What the scores of as many references mean.

    Raises:
        EvidenceError: the model is not calibrated, or not for so few references.
        ConfigError: its comparator is not symmetric.
    """
    bundle.siamese.require_symmetric("references of an identity")
    if bundle.calibration is None:
        raise EvidenceError(not_calibrated(bundle.evidence))
    return bundle.calibration.scale(references)
