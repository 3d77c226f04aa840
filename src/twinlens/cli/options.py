"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from twinlens.calibration import Costs, Question
from twinlens.errors import ConfigError
from twinlens.gallery import Cipher
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


GalleryFolder = Annotated[
    Path, typer.Argument(metavar="GALLERY", help="Folder that `twinlens gallery create` made.")
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key",
        envvar="TWINLENS_GALLERY_KEY",
        help="File that `twinlens gallery key` made, of an encrypted gallery.",
    ),
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
    float | None,
    typer.Option(help="Answer same by the threshold of this promised false match rate."),
]
Fnmr = Annotated[
    float | None,
    typer.Option(help="Answer different by the threshold of this promised false non-match rate."),
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


def cipher_of(key: Path | None) -> Cipher | None:
    """What encrypts with the key of a file; None without one.

    Raises:
        ConfigError: it is no file of a key, or the package for it is missing.
    """
    return None if key is None else Cipher.from_file(key)


def question_of(
    prior: float | None,
    fmr: float | None,
    fnmr: float | None,
    cost_false_match: float | None,
    cost_false_non_match: float | None,
    cost_review: float | None,
) -> Question:
    """How the command line asks to decide; by costs where it names one.

    Raises:
        ConfigError: a number is out of range.
    """
    costs = None
    if (cost_false_match, cost_false_non_match, cost_review) != (None, None, None):
        costs = Costs(
            1.0 if cost_false_match is None else cost_false_match,
            1.0 if cost_false_non_match is None else cost_false_non_match,
            cost_review,
        )
    return Question(prior, fmr, fnmr, costs)


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
