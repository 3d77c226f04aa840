"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from twinlens.calibration import Costs
from twinlens.registry import load_plugin

Model = Annotated[Path, typer.Argument(help="Folder that `twinlens train` wrote.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Seed = Annotated[int, typer.Option(min=0, help="Of all randomness.")]
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", help="Python file with components of your own; may be repeated."),
]

ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")]
Preset = Annotated[
    str | None,
    typer.Option(help="Settings that suit a use: faces, signatures, …; --config overrules them."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting, as a.b=c; overrules --config. May be repeated."),
]


Prior = Annotated[
    float | None,
    typer.Option(help="Share of matches among such comparisons; else that of the calibration."),
]
Fmr = Annotated[
    float | None, typer.Option(help="Decide by the threshold of this promised false match rate.")
]
CostFalseMatch = Annotated[
    float | None, typer.Option(help="Decide by least expected cost: of a wrong match (else 1).")
]
CostFalseNonMatch = Annotated[
    float | None, typer.Option(help="... of a match that is missed (else 1).")
]
CostReview = Annotated[
    float | None, typer.Option(help="... of answering unsure and having a person look.")
]


def costs_of(
    false_match: float | None, false_non_match: float | None, review: float | None
) -> Costs | None:
    """The costs that the command line names; None when it names none.

    Raises:
        ConfigError: a cost is out of range.
    """
    if false_match is None and false_non_match is None and review is None:
        return None
    return Costs(
        1.0 if false_match is None else false_match,
        1.0 if false_non_match is None else false_non_match,
        review,
    )


def load_plugins(paths: Sequence[Path] | None) -> None:
    """Import the plugin files that the command line names.

    Raises:
        PluginError: one is missing, fails to import or registers nothing.
    """
    for path in paths or ():
        load_plugin(path)
