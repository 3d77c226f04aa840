from __future__ import annotations

import inspect

import pytest

from twinlens import errors
from twinlens.errors import TwinlensError, nearest


def test_every_error_is_of_the_one_tree() -> None:
    classes = [cls for _, cls in inspect.getmembers(errors, inspect.isclass)]
    assert {cls for cls in classes if issubclass(cls, Exception)} == {
        TwinlensError,
        *TwinlensError.__subclasses__(),
    } & set(classes)
    assert all(cls.__doc__ for cls in classes if issubclass(cls, TwinlensError))


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("tripet", ["triplet", "supcon"], "Did you mean 'triplet'?"),
        ("learning_rat", ["learning_rate", "steps"], "Did you mean 'learning_rate'?"),
        ("zzz", ["b", "a"], "Known: a, b."),
        ("x", [], "None is known."),
    ],
)
def test_the_nearest_name_or_all_of_them(name: str, known: list[str], hint: str) -> None:
    assert nearest(name, known) == hint
    assert nearest(name, iter(known)) == hint
