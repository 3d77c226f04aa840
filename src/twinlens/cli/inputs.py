"""What the arguments of a command are taken for, and what is told of inputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import typer

from twinlens.bundle import Bundle

_SHOWN = 20


def some_of(what: str, of: Sequence[object]) -> list[str]:
    """A line for each of the first inputs of which something is told, and how many more there are.

    Args:
        what: became of them.
        of: inputs, or what is wrong with them.
    """
    lines = [f"{what}: {one}" for one in of[:_SHOWN]]
    more = len(of) - _SHOWN
    return [*lines, f"... and {more:,} more; --json names all."] if more > 0 else lines


def warn_of_files(bundle: Bundle, given: Iterable[str], *, instead: str) -> None:
    """Tell, on standard error, of each argument that is taken as a text though it names a file.

    Args:
        bundle: the model; where its inputs are files, there is nothing to tell.
        given: the arguments.
        instead: what to do to have a file read.
    """
    if not bundle.siamese.modality.by_value:
        return
    for text in given:
        if _is_file(text):
            typer.echo(
                f"twinlens: {text!r} is taken as a text, though a file has this name. {instead}",
                err=True,
            )


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # a text may be what no name of a file can be
        return False
