"""A model in words, for whoever finds its folder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from twinlens.calibration import Calibration, Scale, not_calibrated
from twinlens.config import Config


def card(
    config: Config,
    evidence: Mapping[str, Any],
    calibration: Calibration | None,
    fingerprint: str,
) -> str:
    """The model card, as Markdown.

    Args:
        config: resolved.
        evidence: as `fit` makes it; sections that it lacks are left out.
        calibration: what a score means, if that is known.
        fingerprint: of the model.

    Source:
        Mitchell et al. Model cards for model reporting. FAT* 2019.
    """
    sections = (
        ("What it is", _what(config, fingerprint)),
        ("What it was trained on", _data(evidence)),
        (
            f"How good it is on {'identities' if _named(evidence) else 'examples'} it never saw",
            _figures(evidence.get("evaluation", {})),
        ),
        ("What a score means", _decisions(calibration, evidence)),
        ("How training went", _training(evidence)),
        ("What it must not be used for", _bullets(unfit_for(config, evidence, calibration))),
    )
    return "\n".join(f"## {title}\n\n{text}\n" for title, text in sections if text)


def unfit_for(
    config: Config, evidence: Mapping[str, Any], calibration: Calibration | None
) -> list[str]:
    """What the model must not be used for, as what is known of it says; in words.

    Args:
        config: resolved.
        evidence: as `fit` makes it.
        calibration: what a score means, if that is known.
    """
    train: Mapping[str, int] = evidence.get("split", {}).get("train", {})
    learned = f" It learned from {_counted(train)} of {evidence['data']['name']}." if train else ""
    limits = [
        f"Other inputs than {config.modality.name} files like those it was tested on: other "
        "cameras, scanners, people or conditions need a test and a calibration of their own "
        f"(twinlens evaluate, twinlens calibrate).{learned}"
    ]
    if calibration is None:
        return [*limits, f"Decisions of any kind. {not_calibrated(evidence)}"]
    return limits + _undecidable(calibration)


def _counted(held: Mapping[str, Any]) -> str:
    """How many examples, and of how many identities where these are known.

    >>> _counted({"examples": 1200, "identities": 0})
    '1,200 examples'
    """
    found = f"{held['examples']:,} examples"
    return f"{found} of {held['identities']:,} identities" if held["identities"] else found


def units_of(data: Mapping[str, Any]) -> str:
    """Of what a calibration knows how many there are: identities, else examples."""
    if data["identities"]:
        return f"{data['identities']:,} identities"
    return f"{data['examples']:,} examples"


def _named(evidence: Mapping[str, Any]) -> bool:
    """Whether the data names identities; given pairs and triplets have none."""
    train = evidence.get("split", {}).get("train")
    return train is None or bool(train["identities"])


_IMPOSTORS = {
    "all": "of strangers and of imitations together; of either alone it may be above",
    "strangers": "of strangers; nothing is promised of forgeries and other imitations",
    "imitations": "of imitations (forgeries); nothing is promised of strangers",
}


def _undecidable(calibration: Calibration) -> list[str]:
    """What a calibration makes no promise of."""
    scale, data = calibration.scale(calibration.scales[0].references), calibration.data
    kind = "strangers" if data.get("imitations") == 0 else str(data["impostors"])
    refused = [str(refusal) for one in calibration.scales for refusal in one.refusals]
    limits: list[str] = []
    if scale.points:
        least = scale.points[-1].fmr
        limits += [
            f"Decisions that need a false match rate below {least:g}: that is the lowest promised, "
            f"{_IMPOSTORS[kind]}. It rests on {units_of(data)} of {data['name']}.",
            f"Search among many by that threshold: the rate is one of single comparisons, so that "
            f"among {math.ceil(1 / least):,} strangers about one is taken for the same.",
        ]
    if not scale.rejections:
        limits.append(
            'Relying on "different" where a match that is missed does harm: no false non-match '
            "rate is promised (twinlens calibrate --fnmr)."
        )
    if refused:
        limits.append(f"What was refused: {' '.join(refused)}")
    return [
        *limits,
        f"Probabilities where matches are rarer or more frequent than {calibration.prior:g} of "
        "all comparisons, unless that is stated (--prior).",
    ]


def _bullets(texts: Sequence[str]) -> str:
    return "\n".join(f"* {text}" for text in texts)


def _what(config: Config, fingerprint: str) -> str:
    return (
        f"A Siamese network: `{config.modality.name}` inputs, encoder `{config.encoder.name}`, "
        f"compared by `{config.comparator.name}`, trained with the loss `{config.loss.name}`. "
        f"Fingerprint `{fingerprint}`. A score is larger when two inputs are more alike. "
        "Every setting is in `config.toml`."
    )


def _data(evidence: Mapping[str, Any]) -> str:
    audit: Mapping[str, Any] = evidence.get("split", {})
    if not audit:
        return ""
    columns = ["examples", *(["identities"] if _named(evidence) else [])]
    rows = [f"| side | {' | '.join(columns)} |", f"| --- |{' --- |' * len(columns)}"]
    for side in ("train", "validation", "calibration", "test"):
        counts = " | ".join(str(audit[side][column]) for column in columns)
        rows.append(f"| {side} | {counts} |")
    shared = audit["shared_content_count"]
    checked = f"Split by {audit['unit']}; {', '.join(audit['checks'])}. " + (
        f"**{shared} files lie, byte for byte, on more than one side.**" if shared else ""
    )
    start: str = evidence.get("training", {}).get("start", "")
    earlier = len(evidence.get("identities", {}).get("earlier", ()))
    before = (
        f" Its first weights were those of the model `{start}`, which knew {earlier:,} identities: "
        "they count as seen, too."
        if start
        else ""
    )
    return "\n".join([*rows, "", checked.strip() + before])


def _figures(evaluation: Mapping[str, Any]) -> str:
    metrics: Mapping[str, Mapping[str, float]] = evaluation.get("metrics", {})
    rows = [
        f"| {name} | {m['value']:.4f} | {m['low']:.4f} to {m['high']:.4f} |"
        for name, m in metrics.items()
    ]
    head = ["| metric | value | 95 % interval |", "| --- | --- | --- |"] if rows else []
    absent: Any = evaluation.get("absent", {})
    reasons = (
        [f"{name}: {why}" for name, why in absent.items()]
        if isinstance(absent, Mapping)
        else [str(absent)]
    )
    without = ["", *(f"Absent: {reason}" for reason in reasons)] if reasons else []
    return "\n".join([*head, *rows, *without]).strip()


def _decisions(calibration: Calibration | None, evidence: Mapping[str, Any]) -> str:
    if calibration is None:
        return f"A score orders comparisons and no more. {not_calibrated(evidence)}"
    head = [
        f"Calibrated on {units_of(calibration.data)} of "
        f"{calibration.data['name']}, which training did not see. Probabilities take "
        f"{calibration.prior:g} of all comparisons for matches. The promises of one table hold "
        f"together at {calibration.confidence:g} confidence on as many new identities.",
    ]
    if calibration.normalisation is not None:
        head.append(f"Scores are normalised: {calibration.normalisation}.")
    return "\n\n".join([*head, *map(_promises, calibration.scales)])


def _promises(scale: Scale) -> str:
    against = f"{scale.references} reference{'s' if scale.references > 1 else ''}"
    rows = [
        f"| {promised} | {p.threshold:.4g} | {p.measured:.2g}, bound {p.bound:.2g} | "
        f"{other.value:.2g} ({other.low:.2g} to {other.high:.2g}) |"
        for p, promised, other in (
            *((p, f"same: false match rate {p.fmr:g}", p.fnmr) for p in scale.points),
            *((p, f"different: false non-match rate {p.fnmr:g}", p.fmr) for p in scale.rejections),
        )
    ]
    head = [
        f"| promised, against {against} | threshold | measured | rate of the other error |",
        "| --- | --- | --- | --- |",
    ]
    return "\n".join([*(head + rows if rows else []), *(f"\n{r}" for r in scale.refusals)])


def _training(evidence: Mapping[str, Any]) -> str:
    facts: Mapping[str, Any] = evidence.get("training", {})
    findings: Sequence[Mapping[str, Any]] = evidence.get("doctor", ())
    lines = [
        f"{facts['steps']} steps in {facts['seconds']:.0f} s ({facts['precision']}, "
        f"{facts.get('device', 'cpu')}), "
        f"{facts['parameters']:,} parameters."
        if facts
        else "",
        *(f"- {f['severity']}: {f['message']} {f['advice']}" for f in findings),
    ]
    return "\n".join(line for line in lines if line)
