"""Who is this, or nobody: the best candidate against a threshold made for strangers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twinlens.calibration import IdentificationPoint, IdentificationRefusal
from twinlens.gallery.entries import Hit
from twinlens.types import Interval


@dataclass(frozen=True, slots=True)
class Identification:
    """An answer to "who is this?".

    Attributes:
        known: True = it is `who`, False = nobody of the gallery, None = unsure, since no threshold
            could be promised.
        who: identity of the best candidate where it is known; None also where that has no name.
        score: of the best candidate; None where none is searched.
        candidates: the best item of each of the best identities, best first.
        enrolled: identities that were searched.
        fpir: promised share of strangers who are taken for somebody; None where none could be.
        threshold: scores of at least this are somebody; None where none could be promised.
        recognised: share of probes of enrolled identities that reach it, where that is known.
        why: in words.
    """

    known: bool | None
    who: str | None
    score: float | None
    candidates: tuple[Hit, ...]
    enrolled: int
    fpir: float | None
    threshold: float | None
    recognised: Interval | None
    why: str

    @property
    def word(self) -> str:
        """The identity, "nobody" or "unsure"."""
        if self.known:
            return self.who or f"item {self.candidates[0].item.id}"
        return "unsure" if self.known is None else "nobody"


def decide(
    hits: Sequence[Hit],
    rule: IdentificationPoint | IdentificationRefusal | None,
    enrolled: int,
    *,
    filtered: bool = False,
) -> Identification:
    """The answer for one probe.

    Args:
        hits: the best item of each of the best identities, best first.
        rule: the threshold for this gallery, or why there is none; None where none is enrolled.
        enrolled: identities that were searched.
        filtered: whether those are only some of the gallery.
    """
    candidates = tuple(hits)
    score = candidates[0].score if candidates else None
    if rule is None or score is None:
        why = (
            "nobody who is enrolled has what was filtered by" if filtered else "nobody is enrolled"
        )
        return Identification(False, None, None, (), enrolled, None, None, None, why)
    if isinstance(rule, IdentificationRefusal):
        return Identification(None, None, score, candidates, enrolled, None, None, None, str(rule))
    known = score >= rule.threshold
    promise = (
        f"the threshold {rule.threshold:.4g}, which at most {rule.fpir:g} of strangers reach with "
        f"any of {enrolled:,} enrolled, at {rule.confidence:.4g} confidence (bound "
        f"{rule.bound:.2g}, from {rule.grounds})"
    )
    return Identification(
        known=known,
        who=candidates[0].item.entry.identity if known else None,
        score=score,
        candidates=candidates,
        enrolled=enrolled,
        fpir=rule.fpir,
        threshold=rule.threshold,
        recognised=rule.recognised,
        why=f"{'at or above' if known else 'below'} {promise}",
    )
