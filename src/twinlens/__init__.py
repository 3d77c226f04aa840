"""Siamese networks: learn a similarity function from few examples and trust its decisions."""

from __future__ import annotations

import importlib
from typing import Any

_PLACES = {"Bundle": "twinlens.bundle", "Siamese": "twinlens.siamese"}


def __getattr__(name: str) -> Any:
    """What users start from, imported when it is first asked for: torch takes seconds."""
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'twinlens' has no attribute {name!r}")
