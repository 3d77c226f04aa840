"""`twinlens train`: from examples to a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from twinlens.bundle import Bundle
from twinlens.cli import STOPPED
from twinlens.cli.options import AsJson, ConfigFile, Plugins, Preset, Settings, load_plugins
from twinlens.cli.progress import TrainingProgress
from twinlens.config import Config, changed, elsewhere, load_config
from twinlens.errors import ConfigError
from twinlens.fit import fit, work_folder
from twinlens.self_supervised import fit_copies
from twinlens.training.history import Everyone, Listener
from twinlens.training.tensorboard import TensorBoard


def train_command(
    data: Annotated[
        Path, typer.Argument(help="Folder with a folder for each class, or a CSV or JSONL file.")
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the model to be.")],
    config: ConfigFile = None,
    settings: Settings = None,
    preset: Preset = None,
    start: Annotated[
        Path | None,
        typer.Option(
            help="A model to go on from: its weights, and its settings where none are given."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of all randomness; short for --set seed=N.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint.")] = False,
    overwrite: Annotated[
        bool, typer.Option(help="Replace the model at --out, discard an unfinished training.")
    ] = False,
    self_supervised: Annotated[
        bool,
        typer.Option(help="Without classes: each picture and its changes are one, as for dedupe."),
    ] = False,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Folder for TensorBoard's event files.")
    ] = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Learn a similarity function from examples and save it as one folder.

    Ctrl-C saves the state and stops; --resume goes on as if nothing had happened.
    """  # fmt: skip
    load_plugins(plugin)
    earlier = None if start is None else Bundle.load(start)
    with TrainingProgress() as progress:
        listeners: list[Listener] = [progress]
        if tensorboard is not None:
            listeners.append(TensorBoard(tensorboard))
        try:
            if self_supervised:
                if resume or config is not None or preset is not None or start is not None:
                    raise ConfigError(
                        "--self-supervised must be told settings by --set, and starts anew. Got "
                        "--resume, --start, --config or --preset. Leave it out."
                    )
                bundle = fit_copies(
                    data,
                    out,
                    settings=settings or (),
                    seed=seed or 0,
                    overwrite=overwrite,
                    listener=Everyone(listeners),
                )
            else:
                bundle = fit(
                    data,
                    out,
                    config=_config(config, settings or [], preset, seed, earlier, resume=resume),
                    start=earlier,
                    resume=resume,
                    overwrite=overwrite,
                    listener=Everyone(listeners),
                )
        except KeyboardInterrupt as stop:
            typer.echo(_stopped(out), err=True)
            raise typer.Exit(STOPPED) from stop
    typer.echo(json.dumps(_facts(bundle, out), indent=2) if as_json else _summary(bundle, out))


def _config(
    path: Path | None,
    settings: list[str],
    preset: str | None,
    seed: int | None,
    start: Bundle | None,
    *,
    resume: bool,
) -> Config | None:
    """What the command line says; None when a resumed run shall keep what it was started with."""
    if resume and path is None and not settings and preset is None and seed is None:
        return None
    changes = [*settings, *([] if seed is None else [f"seed={seed}"])]
    if start is not None and path is None and preset is None:
        return changed(elsewhere(start.config), changes)
    return load_config(path, changes, preset=preset)


def _stopped(out: Path) -> str:
    if work_folder(out).exists():
        return "Stopped. What was learned is kept; go on with --resume."
    return "Stopped before the first step. Nothing is left behind."


def _facts(bundle: Bundle, out: Path) -> dict[str, Any]:
    kept = ("data", "training", "evaluation", "doctor")
    facts = {key: bundle.evidence[key] for key in kept}
    return {"model": bundle.fingerprint, "path": str(out), **facts}


def _summary(bundle: Bundle, out: Path) -> str:
    evidence = bundle.evidence
    training, metrics = evidence["training"], evidence["evaluation"].get("metrics", {})
    lines = [
        f"{out}: model {bundle.fingerprint}, {training['parameters']:,} parameters, "
        f"{training['steps']} steps in {training['seconds']:.0f} s."
    ]
    if metrics:
        whom = "identities" if evidence["split"]["test"]["identities"] else "examples"
        lines.append(f"On {whom} that training never saw:")
        lines += [
            f"  {name:24} {m['value']:.4f} [{m['low']:.4f}, {m['high']:.4f}]"
            for name, m in metrics.items()
        ]
    lines += [f"doctor: {f['message']} {f['advice']}" for f in evidence["doctor"]]
    lines.append(f"Next: twinlens compare {out} A B")
    return "\n".join(lines)
