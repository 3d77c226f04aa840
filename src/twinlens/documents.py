"""Long settings, as a tokeniser that was trained, in files beside a configuration.

A configuration is for people to read, and a vocabulary is not. What is longer than a line of it is
kept in a file of its own, which the configuration names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from twinlens.errors import ConfigError

_LONGEST = 1000
"""Characters of a setting that stays where it is."""
_MARK = "file:"
_NAME = re.compile(r"[a-z]+\.[a-z_]+\.txt")


def is_document(name: str) -> bool:
    """Whether a file's name is one that `taken_out` gives.

    >>> is_document("modality.tokenizer.txt"), is_document("../modality.tokenizer.txt")
    (True, False)
    """
    return _NAME.fullmatch(name) is not None


def taken_out(table: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """A configuration without its long settings, and their text by the name of their file.

    >>> short, documents = taken_out({"modality": {"name": "text", "tokenizer": "{" * 2000}})
    >>> short["modality"]["tokenizer"], list(documents)
    ('file:modality.tokenizer.txt', ['modality.tokenizer.txt'])
    """
    documents: dict[str, str] = {}

    def out(part: str, key: str, value: Any) -> Any:
        if not (isinstance(value, str) and len(value) > _LONGEST):
            return value
        name = f"{part}.{key}.txt"
        documents[name] = value
        return f"{_MARK}{name}"

    return _changed(table, out), documents


def put_back(table: Mapping[str, Any], documents: Mapping[str, str]) -> dict[str, Any]:
    """What `taken_out` was given.

    Raises:
        ConfigError: the configuration names a document that is not there.
    """

    def back(part: str, key: str, value: Any) -> Any:
        if not (isinstance(value, str) and value.startswith(_MARK)):
            return value
        name = value.removeprefix(_MARK)
        if name not in documents:
            raise ConfigError(f"{part}.{key} must name a file of the model. Got {name!r}.")
        return documents[name]

    return _changed(table, back)


def _changed(table: Mapping[str, Any], change: Callable[[str, str, Any], Any]) -> dict[str, Any]:
    """The table with each setting of each part of it changed."""
    return {
        part: {key: change(part, key, value) for key, value in inner.items()}
        if isinstance(inner, Mapping)
        else inner
        for part, inner in table.items()
    }
