from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinlens.data.duplicates import content_hash, content_hashes, identity_hash
from twinlens.errors import DataError


@pytest.mark.parametrize("size", [0, 1, 2**18 + 3])
def test_the_hash_is_blake2b_of_the_bytes(size: int, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * size)
    assert content_hash(str(path)) == hashlib.blake2b(b"x" * size, digest_size=16).hexdigest()


def test_equal_bytes_have_one_hash_whatever_the_name(tmp_path: Path) -> None:
    contents = {"a": b"1", "b": b"2", "c": b"1"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    a, b, c = content_hashes([str(tmp_path / name) for name in contents])
    assert a == c != b and len(a) == 32


def test_all_unreadable_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(DataError, match="No such file"):
        content_hash(str(tmp_path / "none"))
    with pytest.raises(DataError) as error:
        content_hashes(
            [str(tmp_path / name) for name in ("none", "a", "neither")] + [str(tmp_path)]
        )
    assert "Got 3:" in str(error.value)
    for name in ("none", "neither", "Is a directory"):
        assert name in str(error.value)


@given(one=st.text(max_size=5), other=st.text(max_size=5))
def test_identities_are_told_apart_but_not_told(one: str, other: str) -> None:
    assert (identity_hash(one) == identity_hash(other)) == (one == other)
    assert len(identity_hash(one)) == 32
