"""`twinlens calibrate`: what a model's scores mean on data of your own."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from twinlens.bundle import Bundle
from twinlens.calibration import Calibration, OperatingPoint, RejectionPoint, Scale
from twinlens.card import units_of
from twinlens.cli.options import AsJson, Model, Plugins, load_plugins
from twinlens.cli.progress import counting
from twinlens.config import CalibrationConfig
from twinlens.errors import ConfigError
from twinlens.tasks.calibrate import calibrate, cohort_of

REFUSED = 1


def calibrate_command(
    model: Model,
    data: Annotated[
        Path,
        typer.Argument(help="Folder with a folder for each class, or a CSV or JSONL file."),
    ],
    *,
    fmr: Annotated[
        list[float] | None,
        typer.Option(help="False match rate to promise; may be repeated."),
    ] = None,
    fnmr: Annotated[
        list[float] | None,
        typer.Option(help="False non-match rate to promise for different; may be repeated."),
    ] = None,
    confidence: Annotated[
        float | None, typer.Option(help="Of all promises together, between 0 and 1.")
    ] = None,
    prior: Annotated[
        float | None, typer.Option(help="Share of matches among the comparisons to be made.")
    ] = None,
    references: Annotated[
        list[int] | None,
        typer.Option(help="Number of references to calibrate for; may be repeated."),
    ] = None,
    combine: Annotated[
        Literal["mean", "max", "median", "relative"] | None,
        typer.Option(help="How the scores against several references become one."),
    ] = None,
    normalise: Annotated[
        Literal["none", "z", "t", "s", "adaptive_s"] | None,
        typer.Option(help="How scores are normalised by a cohort of other identities."),
    ] = None,
    cohort: Annotated[
        Path | None,
        typer.Option(help="Folder or table of that cohort; else the one that the model holds."),
    ] = None,
    impostors: Annotated[
        Literal["all", "strangers", "imitations"],
        typer.Option(help="Whom to keep out: strangers, imitations (forgeries), or all."),
    ] = "all",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the calibrated model; else it replaces MODEL.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the model at --out.")] = False,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Fit probabilities and thresholds on identities that training never saw.

    Exit 1 when a rate cannot be promised; what can be is saved all the same.
    """
    load_plugins(plugin)
    bundle = Bundle.load(model)
    place = out or model
    Bundle.require_free(place, overwrite=overwrite or out is None)
    given: dict[str, Any] = {
        "fmr": tuple(fmr) if fmr else None,
        "fnmr": tuple(fnmr) if fnmr else None,
        "confidence": confidence,
        "prior": prior,
        "references": tuple(references) if references else None,
        "combine": combine,
        "normalise": normalise,
    }
    changed = {name: value for name, value in given.items() if value is not None}
    settings: CalibrationConfig = dataclasses.replace(bundle.config.calibration, **changed)
    if cohort is not None and settings.normalise == "none":
        raise ConfigError(
            "--cohort must go with --normalise. Got none. Name z, t, s or adaptive_s."
        )
    with counting("embedding") as progress:
        members = cohort_of(bundle, cohort, progress=progress) if cohort else bundle.cohort
        found = calibrate(
            bundle,
            data,
            settings=settings,
            impostors=impostors,
            cohort=members,
            progress=progress,
        )
    Bundle.save(
        place,
        siamese=bundle.siamese,
        config=dataclasses.replace(bundle.config, calibration=settings),
        evidence=bundle.evidence,
        calibration=found,
        cohort=members,
        overwrite=overwrite or out is None,
    )
    typer.echo(json.dumps(found.to_dict(), indent=2) if as_json else _summary(found, place))
    if any(scale.refusals for scale in found.scales):
        raise typer.Exit(REFUSED)


def _summary(found: Calibration, place: Path) -> str:
    lines = [f"{place}: calibrated on {units_of(found.data)}."]
    if found.normalisation is not None:
        lines.append(f"Scores are normalised: {found.normalisation}.")
    for scale in found.scales:
        lines += _described(scale)
    if found.repeats:
        lines.append(
            f"This is calibration {found.repeats + 1} on these identities. A promise that is "
            "sought until it is found is worth less than one made at once."
        )
    return "\n".join(lines)


def _described(scale: Scale) -> list[str]:
    plural = "s" if scale.references > 1 else ""
    return [
        f"Against {scale.references} reference{plural}: {scale.genuine:,} genuine and "
        f"{scale.impostors:,} impostor comparisons; {scale.map.name} map, "
        f"Cllr {scale.cllr:.3f} bits (least possible {scale.min_cllr:.3f}).",
        *(
            f"  same: false match rate {point.fmr:g} {_grounds(point)}, false non-match rate "
            f"{point.fnmr}"
            for point in scale.points
        ),
        *(
            f"  different: false non-match rate {point.fnmr:g} {_grounds(point)}, false match "
            f"rate {point.fmr}"
            for point in scale.rejections
        ),
        *(f"  refused: {refusal}" for refusal in scale.refusals),
    ]


def _grounds(point: OperatingPoint | RejectionPoint) -> str:
    return (
        f"at {point.confidence:.4g} confidence: threshold {point.threshold:.4f}, bound "
        f"{point.bound:.2g}, measured {point.measured:.2g}"
    )
