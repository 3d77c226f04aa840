"""A file moves whole or stays; where it cannot get a second name, a checked copy does."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from twinlens.duplicates.moving import clear, is_halfway, move
from twinlens.errors import DataError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    return path


@pytest.fixture(params=[None, errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP])
def _links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param is not None:
        refused = OSError(request.param, os.strerror(request.param))
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(refused))


@pytest.mark.usefixtures("_links")
def test_a_file_moves_and_nothing_else_is_left(source: Path, tmp_path: Path) -> None:
    os.utime(source, ns=(10**18, 10**18))
    source.chmod(0o640)
    target = tmp_path / "to" / "b.png"
    move(source, target)
    assert target.read_bytes() == b"one"
    assert (target.stat().st_mtime_ns, target.stat().st_mode & 0o777) == (10**18, 0o640)
    assert [path.name for path in tmp_path.rglob("*.*")] == ["b.png"]


@pytest.mark.usefixtures("_links")
def test_nothing_is_written_over(source: Path, tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"two")
    with pytest.raises(DataError, match="File exists"):
        move(source, tmp_path / "b.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]
    assert (tmp_path / "b.png").read_bytes() == b"two"


def test_another_reason_than_the_disk_is_told(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = PermissionError(errno.EACCES, "Permission denied")
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(refused))
    with pytest.raises(DataError, match="Got: Permission denied"):
        move(source, tmp_path / "b.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_copy_with_other_bytes_is_not_taken(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = OSError(errno.EXDEV, "Invalid cross-device link")
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(refused))
    monkeypatch.setattr(shutil, "copyfileobj", lambda _, new: new.write(b"on"))
    with pytest.raises(DataError, match="must have the same bytes"):
        move(source, tmp_path / "b.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert source.read_bytes() == b"one"


def test_what_is_at_the_new_place_is_the_file_itself_or_not(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.png"
    assert not is_halfway(source, target)
    for data, own in ((b"one", True), (b"two", False), (b"", False)):
        target.write_bytes(data)
        assert is_halfway(source, target) is own
    target.unlink()
    target.symlink_to(source)
    assert not is_halfway(source, target)
    target.unlink()
    target.hardlink_to(source)
    assert is_halfway(source, target)
    clear(target)
    assert target.exists()
    assert not is_halfway(source, source)
