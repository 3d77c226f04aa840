"""The command line: one file a command."""

from twinlens.cli.app import main

__all__ = ["main"]
