"""One HTML page on one questioned input: the decision, and all that it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from twinlens.atomic import write_bytes
from twinlens.bundle import Bundle, Input
from twinlens.calibration import Calibration, OperatingPoint, RejectionPoint, Scale
from twinlens.card import unfit_for
from twinlens.errors import ConfigError
from twinlens.evaluation import page
from twinlens.evaluation.pictures import data_uri, embedded, png
from twinlens.tasks.explain import explain, explanation_picture, parts_of
from twinlens.tasks.verify import Verification, scale_for

MOST_EXPLAINED = 3
"""References against which it is shown where the questioned input differs."""
_COMBINED = {
    "mean": "their mean",
    "max": "the largest of them",
    "median": "their median",
    "relative": "their mean, less how alike the references are to one another",
}


@dataclass(frozen=True, slots=True)
class Case:
    """What was decided on.

    Attributes:
        references: of the claimed identity, in order; the first `found.used` were used.
        questioned: the input in question.
        found: the decision.
    """

    references: Sequence[Input]
    questioned: Input
    found: Verification

    @property
    def used(self) -> Sequence[Input]:
        """References behind the decision."""
        return self.references[: self.found.used]


def report_case(bundle: Bundle, case: Case, path: Path) -> Path:
    """Write the page; it needs nothing beside it.

    Args:
        bundle: the model that decided.
        case: what was decided.
        path: HTML file; replaced if it exists, whole or not at all.

    Returns:
        `path`.

    Raises:
        EvidenceError: the model is not calibrated.
        WriteError: `path` cannot be written.
    """
    scale = scale_for(bundle, case.found.used)
    calibration = bundle.calibration
    assert calibration is not None  # `scale_for` has seen to it
    parts = [
        _header(case),
        _decision(case, calibration),
        _inputs(bundle, case),
        _differences(bundle, case),
        _evidence(scale, calibration),
        page.section(
            "What the model must not be used for",
            page.bullets(unfit_for(bundle.config, bundle.evidence, calibration)),
        ),
    ]
    title = f"Is {_name(case.questioned)} of the same as its references?"
    write_bytes(path, page.page(title, parts).encode())
    return path


def _header(case: Case) -> str:
    decision = case.found.decision
    numbers = [
        ("decision", decision.word),
        ("probability of the same", f"{decision.probability:.3f}"),
        ("score", f"{decision.score:.4f}"),
        ("references used", f"{case.found.used} of {len(case.references)}"),
    ]
    name = escape(_name(case.questioned))
    return f"<header><h1>{name}: {decision.word}</h1>{page.counts(numbers)}</header>"


def _decision(case: Case, calibration: Calibration) -> str:
    decision = case.found.decision
    facts = [
        ("why", decision.why[:1].upper() + decision.why[1:]),
        ("probability", f"{decision.probability:.4f}, where {decision.prior:g} of such "
         "comparisons are matches"),
        ("questioned", str(case.questioned)),
        ("references", ", ".join(map(str, case.used))),
        ("model", case.found.model),
    ]  # fmt: skip
    if len(case.used) > 1:
        how = _COMBINED[calibration.combine]
        facts.insert(
            2, ("score", f"{decision.score:.4f}: of the scores with each reference, {how}")
        )
    if calibration.normalisation is not None:
        facts.append(("scores are normalised", str(calibration.normalisation)))
    return page.section("What was decided, and why", page.facts_table(facts))


def _inputs(bundle: Bundle, case: Case) -> str:
    tiles = [(_shown(bundle, case.questioned), f"in question: {_name(case.questioned)}")]
    for place, reference in enumerate(case.references):
        told = (
            f"score {case.found.scores[place]:.4f}"
            if place < case.found.used
            else "not used: the model is not calibrated for as many references"
        )
        tiles.append((_shown(bundle, reference), f"reference: {_name(reference)}; {told}"))
    return page.section("What was compared", page.tiles(tiles))


def _differences(bundle: Bundle, case: Case) -> str:
    """What makes the questioned input like each reference, or unlike it."""
    title = "Where it is alike, and where it differs"
    try:
        parts_of(bundle)
    except ConfigError:
        name = bundle.config.modality.name
        return page.section(title, page.paragraph(f"Inputs of {name} cannot be taken apart."))
    figures = list(_explained(bundle, case))
    left = len(case.used) - len(figures)
    return page.section(
        title,
        page.paragraph(
            "The reference on the left, the questioned input on the right. Red parts make the two "
            "alike: without them the score falls. Blue parts make them different."
        ),
        page.tiles(figures, wide=True),
        page.paragraph(f"{left} further references are not shown.", quiet=True) if left else "",
    )


def _explained(bundle: Bundle, case: Case) -> Iterator[tuple[str | None, str]]:
    for reference in case.used[:MOST_EXPLAINED]:
        found = explain(bundle, reference, case.questioned)
        picture = explanation_picture(bundle, found, reference, case.questioned)
        verdict = "" if found.trusted else " Do not rely on this picture."
        yield (
            embedded(picture),
            f"{_name(reference)}, score {found.score:.4f}. Taking away what is marked as alike "
            f"lowers it by {found.deletion:.4f}, taking away as much at random by "
            f"{found.random_deletion:.4f}.{verdict}",
        )


def _evidence(scale: Scale, calibration: Calibration) -> str:
    columns = ("promised", "threshold", "measured", "bound", "other error", "evidence")
    rows = [
        (
            promised,
            f"{point.threshold:.4g}",
            f"{point.measured:.2g}",
            f"{point.bound:.2g} at {point.confidence:.4g}",
            other,
            f"{point.identities:,} identities, {point.comparisons:,} comparisons, worth "
            f"{point.effective:,.0f} independent ones",
        )
        for point, promised, other in _promises(scale)
    ]
    again = (
        f" It was calibrated {calibration.repeats} times before on some of these identities, which "
        "makes each promise worth less."
        if calibration.repeats
        else ""
    )
    text = (
        f"Calibrated on {calibration.data['identities']:,} identities of "
        f"{calibration.data['name']} that training did not see, for {scale.references} "
        f"{'reference' if scale.references == 1 else 'references'}: {scale.genuine:,} genuine and "
        f"{scale.impostors:,} impostor comparisons. All promises hold together at "
        f"{calibration.confidence:g} confidence on as many new identities.{again}"
    )
    refused = page.bullets(map(str, scale.refusals)) if scale.refusals else ""
    return page.section(
        "What the thresholds rest on",
        page.paragraph(text),
        page.table(columns, rows) if rows else "",
        f"<h3>Not promised, and why</h3>{refused}" if refused else "",
    )


def _promises(scale: Scale) -> Iterator[tuple[OperatingPoint | RejectionPoint, str, str]]:
    for point in scale.points:
        yield point, f"same: false match rate {point.fmr:g}", f"non-matches {point.fnmr}"
    for point in scale.rejections:
        yield point, f"different: false non-match rate {point.fnmr:g}", f"matches {point.fmr}"


def _shown(bundle: Bundle, item: Input) -> str | None:
    """An input as a picture inside the page; None where it is none."""
    if isinstance(item, (str, Path)) and (uri := data_uri(Path(item))) is not None:
        return uri
    try:
        parts = parts_of(bundle)
    except ConfigError:
        return None
    return embedded(png(parts.drawn(item, bundle.prepared(item), np.zeros(parts.shape))))


def _name(item: Input) -> str:
    return f"{Path(item).parent.name}/{Path(item).name}" if isinstance(item, (str, Path)) else "it"
