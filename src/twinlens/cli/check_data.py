"""`twinlens check-data`: all that is wrong with a data set, before any time goes into training."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from twinlens.cli.options import ConfigFile, Plugins, Preset, Settings, load_plugins
from twinlens.config import load_config
from twinlens.data.check import DataReport, check_data
from twinlens.data.problems import Problem

_MOST_OF_A_CODE = 20
_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


def check_data_command(
    path: Annotated[
        Path, typer.Argument(help="Folder with a folder for each class, or a CSV or JSONL file.")
    ],
    *,
    config: ConfigFile = None,
    settings: Settings = None,
    preset: Preset = None,
    plugin: Plugins = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with every problem.")
    ] = False,
) -> None:
    """Read every file of a data set and name all problems and what training does about each.

    Exits 1 when something would stop training.
    """
    load_plugins(plugin)
    wanted = load_config(config, settings or [], preset=preset)
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("reading files", total=None)
        report = check_data(
            path,
            modality=wanted.modality,
            data=wanted.data,
            seed=wanted.seed,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if as_json:
        typer.echo(json.dumps(report.to_dict(), indent=2))
    else:
        _show(report, Console())
    if not report.can_train:
        raise typer.Exit(1)


def _show(report: DataReport, console: Console) -> None:
    shown, hidden = _shortened(report.problems)
    lines = [_summary(report)]
    if console.is_terminal:
        console.print(lines.pop(), markup=False)
        if shown:
            console.print(_table(shown))
    else:
        lines += [f"{p.severity}: {p} {p.training}" for p in shown]
    lines += [
        f"... and {count} more of {code}; --json names all." for code, count in hidden.items()
    ]
    lines.append(
        f"errors: {report.count('error')}, warnings: {report.count('warning')}, "
        f"notes: {report.count('note')}. "
        + ("Training can start." if report.can_train else "Training cannot start.")
    )
    for line in lines:
        typer.echo(line)


def _shortened(problems: tuple[Problem, ...]) -> tuple[list[Problem], Counter[str]]:
    """The first problems of each code, and how many more each has."""
    seen: Counter[str] = Counter()
    shown: list[Problem] = []
    for problem in problems:
        seen[problem.code] += 1
        if seen[problem.code] <= _MOST_OF_A_CODE:
            shown.append(problem)
    more = {code: count - _MOST_OF_A_CODE for code, count in seen.items()}
    return shown, Counter({code: count for code, count in more.items() if count > 0})


def _table(problems: list[Problem]) -> Table:
    table = Table("", "where", "what", "what training does", show_lines=True)
    for problem in problems:
        severity = Text(problem.severity, style=_COLOURS[problem.severity])
        cells = (Text(problem.where, overflow="fold"), Text(problem.message))
        table.add_row(severity, *cells, Text(problem.training))
    return table


def _summary(report: DataReport) -> str:
    counts = [(report.examples, "examples"), (report.identities, "identities")]
    counts += [(report.groups, "groups"), (report.pairs, "pairs"), (report.triplets, "triplets")]
    return f"{report.path}: " + ", ".join(f"{n:,} {name}" for n, name in counts if n) + "."
