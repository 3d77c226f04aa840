"""The command line: one file a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

STOPPED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line: `twinlens.cli.app`, which takes seconds to import PyTorch."""
    # OpenMP's threads spin while they wait for one another. That gains nothing on an idle machine,
    # and beside one other busy process training falls to a thirtieth. It is read once, by PyTorch.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        from twinlens.cli.app import run
    except KeyboardInterrupt:
        sys.exit(STOPPED)
    run(arguments)
