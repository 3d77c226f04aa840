"""The whole tree of errors that a user can cause.

Every message reads: *what* must be *how*. Got *value*. *What to do.*
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TwinlensError(Exception):
    """Base of every error that a user can cause; the command line prints it and exits 2."""


class ConfigError(TwinlensError):
    """A setting is unknown, of the wrong type, or does not fit the data."""


class DataError(TwinlensError):
    """Input data is missing, unreadable or contradicts itself. Names file and row."""


class EvidenceError(TwinlensError):
    """The data cannot support the number that was asked for."""


class BundleError(TwinlensError):
    """A saved model is incomplete, damaged, of another version, or does not belong here."""


class GalleryError(TwinlensError):
    """A gallery is missing, damaged, busy, or of another model; or what it is asked cannot be."""


class TrainingError(TwinlensError):
    """Training cannot start or cannot go on."""


class PluginError(TwinlensError):
    """A plugin file cannot be loaded or breaks the contract of its kind."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known name, or lists all of them.

    >>> nearest("tripet", ["triplet", "supcon"])
    "Did you mean 'triplet'?"
    >>> nearest("zzz", ["triplet", "supcon"])
    'Known: supcon, triplet.'
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known: {', '.join(known)}." if known else "None is known."


def shortened(text: str, most: int = 80) -> str:
    """The start of a long text, for messages.

    >>> shortened("word " * 20, most=12)
    'word word wo…'
    """
    return text if len(text) <= most else f"{text[:most]}…"
