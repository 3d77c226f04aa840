"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from twinlens.calibration import Costs
from twinlens.errors import ConfigError
from twinlens.registry import load_plugin

Model = Annotated[Path, typer.Argument(help="Folder that `twinlens train` wrote.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Seed = Annotated[int, typer.Option(min=0, help="Of all randomness.")]
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", help="Python file with components of your own; may be repeated."),
]

ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting, as a.b=c; overrules --config. May be repeated."),
]


GalleryFolder = Annotated[
    Path, typer.Argument(metavar="GALLERY", help="Folder that `twinlens gallery create` made.")
]
WhereTexts = Annotated[
    list[str] | None,
    typer.Option("--where", help="Only items with this metadata, as colour=red. May be repeated."),
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


def pairs_of(texts: Sequence[str] | None, option: str) -> dict[str, str]:
    """Name -> text, of options that read name=text.

    >>> pairs_of(["colour=red", "note=a=b"], "--where")
    {'colour': 'red', 'note': 'a=b'}

    Raises:
        ConfigError: one does not, or a name comes twice.
    """
    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name or name in found:
            raise ConfigError(
                f"{option} must read name=text, each name once. Got {text!r}. Write as colour=red."
            )
        found[name] = value
    return found


def load_plugins(paths: Sequence[Path] | None) -> None:
    """Import the plugin files that the command line names.

    Raises:
        PluginError: one is missing, fails to import or registers nothing.
    """
    for path in paths or ():
        load_plugin(path)
