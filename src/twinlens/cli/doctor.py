"""`twinlens doctor`: what went wrong in training, in words."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from twinlens.bundle import MANIFEST, Bundle
from twinlens.cli.options import AsJson, Plugins, load_plugins
from twinlens.errors import BundleError
from twinlens.training.doctor import watch
from twinlens.training.history import LOG, read_log


def doctor_command(
    model: Annotated[
        Path, typer.Argument(help="A model, or the .training folder of a run that goes on.")
    ],
    *,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Say whether training went well: each claim with its number and what to change.

    Exits 1 when a finding is an error, as the model should not be used then.
    """
    load_plugins(plugin)
    findings = _findings(model)
    if as_json:
        typer.echo(json.dumps({"findings": findings}, indent=2))
    for finding in () if as_json else findings:
        typer.echo(f"{finding['severity']}: {finding['message']}\n  {finding['advice']}")
    if any(finding["severity"] == "error" for finding in findings):
        raise typer.Exit(1)


def _findings(path: Path) -> list[Mapping[str, Any]]:
    if (path / MANIFEST).exists() or not (path / LOG).exists():
        return list(Bundle.load(path).evidence.get("doctor", ()))
    lines = read_log(path / LOG)
    if not lines:
        raise BundleError(f"{path / LOG} must hold log lines. Got none yet. Ask again later.")
    found = [dataclasses.asdict(finding) for finding in watch(lines)]
    last = lines[-1]
    going = f"Training is at step {last.step}, with a loss of {last.loss:.4f}."
    info = {"code": "unfinished", "severity": "info", "message": going, "number": last.loss}
    return [*found, {**info, "advice": "What needs embeddings is looked at when it is done."}]
