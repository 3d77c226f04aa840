"""The `twinlens` command: its subcommands, and what becomes of an error.

Exit codes: 0 = done, 1 = the answer is "no" or a check fell short, 2 = bad use or bad input,
130 = stopped by Ctrl-C.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from twinlens.cli.calibrate import calibrate_command
from twinlens.cli.check import check_command
from twinlens.cli.check_data import check_data_command
from twinlens.cli.compare import compare_command
from twinlens.cli.components import components_command
from twinlens.cli.dedupe import dedupe_command
from twinlens.cli.demo import demo_command
from twinlens.cli.doctor import doctor_command
from twinlens.cli.embed import embed_command
from twinlens.cli.evaluate import evaluate_command
from twinlens.cli.gallery import gallery_app
from twinlens.cli.identify import identify_command
from twinlens.cli.paraphrase import paraphrase_app
from twinlens.cli.rank import rank_command
from twinlens.cli.search import search_command
from twinlens.cli.train import train_command
from twinlens.cli.verify import verify_command
from twinlens.errors import TwinlensError
from twinlens.registry import load_entry_points

BAD_USE = 2
_DEBUG = "--debug"

app = typer.Typer(
    name="twinlens",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error that a user can cause becomes one line and exit code 2."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # a file name may be any bytes, and must not end what was done with the file
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        load_entry_points()
        app(given, prog_name="twinlens")
    except TwinlensError as error:
        if _DEBUG in given:
            raise
        _fail(str(error))
    except OSError as error:  # of the system: a terminal gone, a disk full, a file moved away
        if _DEBUG in given:
            raise
        _fail(f"{error.filename or 'the system'} must work. Got: {error.strerror}.")


def _fail(message: str) -> None:
    print(f"twinlens: {message}", file=sys.stderr)
    sys.exit(BAD_USE)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"twinlens {version('twinlens')}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option(_DEBUG, help="Show the traceback of an error.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Siamese networks: learn a similarity function from few examples and trust its decisions."""


app.command("train")(train_command)
app.command("compare")(compare_command)
app.command("verify")(verify_command)
app.command("rank")(rank_command)
app.add_typer(paraphrase_app, name="paraphrase")
app.command("calibrate")(calibrate_command)
app.command("evaluate")(evaluate_command)
app.add_typer(gallery_app, name="gallery")
app.command("search")(search_command)
app.command("identify")(identify_command)
app.command("dedupe")(dedupe_command)
app.command("embed")(embed_command)
app.command("doctor")(doctor_command)
app.command("check-data")(check_data_command)
app.command("check")(check_command)
app.command("components")(components_command)
app.command("demo")(demo_command)
