"""One HTML page on an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from twinlens.bundle import Bundle
from twinlens.calibration import not_calibrated
from twinlens.card import unfit_for
from twinlens.evaluation.pictures import PicturePair
from twinlens.evaluation.report import write_report
from twinlens.tasks.evaluate import Tested
from twinlens.tasks.words import align_words, compares_words
from twinlens.types import Decision


@dataclass(frozen=True, slots=True)
class ScoredPair:
    """Two inputs, whether they are the same, their score, and what was decided of it."""

    left: Path
    right: Path
    same: bool
    score: float
    decision: Decision | None = None

    @property
    def caption(self) -> str:
        """For a page."""
        truth = "the same" if self.same else "different"
        if self.decision is None:
            return truth
        return (
            f"{truth}; decided: {self.decision.word}, probability {self.decision.probability:.2f}"
        )


def report(bundle: Bundle, tested: Tested, page: Path, *, pairs: Sequence[ScoredPair] = ()) -> Path:
    """Write an evaluation, and what is known of the model's training, as one page.

    Args:
        bundle: the model.
        tested: what `evaluate` found.
        page: HTML file; replaced if it exists.
        pairs: to show, besides those where the model is most wrong.

    Returns:
        `page`.

    Raises:
        TwinlensError: matplotlib is not installed (the extra `plots`).
        WriteError: it cannot be written.
    """
    evidence, config = bundle.evidence, bundle.config
    seen, calibration = tested.seen_examples, bundle.calibration
    scores: dict[str, str] = {}
    if calibration is not None and calibration.normalisation is not None:
        scores["scores are normalised"] = str(calibration.normalisation)
    by_value = bundle.siamese.modality.by_value
    refs = tested.dataset.refs(config.modality.name)
    return write_report(
        page,
        tested.evaluation,
        title=f"How good a model is on {tested.dataset.root.name}",
        facts={
            "model": bundle.fingerprint,
            "network": f"{config.encoder.name}, compared by {config.comparator.name}, trained "
            f"with {config.loss.name}",
            **scores,
            "trained on": str(evidence.get("data", {}).get("name", "unknown")),
            "tested on": tested.dataset.root.name,
            "seen in training": f"{seen:,} examples, "
            + ("counted all the same" if tested.seen_included else "left out")
            if seen
            else "none of the examples, by name and by content",
        },
        audit=evidence.get("split"),
        history=evidence.get("history", ()),
        pairs=[PicturePair(pair.left, pair.right, pair.caption, pair.score) for pair in pairs],
        undecided=_undecided(bundle),
        unfit=unfit_for(config, evidence, calibration),
        drift=tested.drift,
        examples=[ref if by_value else Path(ref) for ref in refs],
        why=partial(_why, bundle) if compares_words(bundle) else None,
    )


def _why(bundle: Bundle, left: Path | str, right: Path | str) -> list[str]:
    """Which words of two texts found one another, and which have no partner."""
    return align_words(bundle, str(left), str(right)).in_short()


def _undecided(bundle: Bundle) -> list[str]:
    """Why rates cannot be promised."""
    if bundle.calibration is None:
        return [not_calibrated(bundle.evidence)]
    return [str(refusal) for scale in bundle.calibration.scales for refusal in scale.refusals]
