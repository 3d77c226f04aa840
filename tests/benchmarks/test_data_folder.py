"""Finding the data and unpacking archives that are not to be trusted."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from benchmarks import data
from benchmarks.data import VARIABLE, DataFolder, unpack
from twinlens.errors import DataError


def archive(path: Path, members: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as opened:
        for name, text in members.items():
            opened.writestr(name, text)
    return path


def test_the_named_folder_goes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, other = tmp_path / "named", tmp_path / "other"
    named.mkdir()
    other.mkdir()
    monkeypatch.setenv(VARIABLE, str(other))
    assert DataFolder.find(named).path == named
    assert DataFolder.find().path == other


def test_a_missing_folder_says_how_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none"))
    with pytest.raises(DataError, match=r"must be a folder.*--data"):
        DataFolder.find()


def test_an_archive_is_unpacked_once_and_anew_when_it_changes(tmp_path: Path) -> None:
    path = archive(tmp_path / "data" / "images" / "set.zip", {"a/1.txt": "one", "b.txt": ""})
    folder = DataFolder(tmp_path / "data", tmp_path / "cache")
    first = folder.unpacked("images/set.zip")
    assert (first / "a" / "1.txt").read_text() == "one"
    (first / "mark").touch()
    assert (folder.unpacked("images/set.zip") / "mark").exists()
    archive(path, {"a/1.txt": "two", "b.txt": ""})
    second = folder.unpacked("images/set.zip")
    assert second != first
    assert (second / "a" / "1.txt").read_text() == "two"


def test_the_only_outer_folder_is_entered(tmp_path: Path) -> None:
    archive(tmp_path / "set.zip", {"outer/a/1.txt": "", "outer/b/1.txt": ""})
    found = DataFolder(tmp_path, tmp_path / "cache").unpacked("set.zip")
    assert sorted(path.name for path in found.iterdir()) == ["a", "b"]


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"images/none\.zip must lie in"):
        DataFolder(tmp_path, tmp_path / "cache").unpacked("images/none.zip")


@pytest.mark.parametrize("name", ["../out.txt", "/out.txt", "a/../../out.txt", "..\\out.txt"])
def test_a_member_that_leads_outside_is_refused_and_nothing_is_written(
    tmp_path: Path, name: str
) -> None:
    archive(tmp_path / "set.zip", {"good.txt": "", name: "escaped"})
    folder = DataFolder(tmp_path, tmp_path / "cache")
    with pytest.raises(DataError, match="stay inside"):
        folder.unpacked("set.zip")
    assert list((tmp_path / "cache").iterdir()) == []
    assert not (tmp_path / "out.txt").exists()


def test_a_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as opened:
        opened.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="stay inside"):
        unpack(tmp_path / "set.zip", tmp_path / "target")


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MOST_BYTES", 10)
    archive(tmp_path / "set.zip", {"a": "12345678901"})
    with pytest.raises(DataError, match="at most 10 bytes"):
        unpack(tmp_path / "set.zip", tmp_path / "target")


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(b"no zip")
    with pytest.raises(DataError, match=r"set\.zip must be a zip archive"):
        unpack(tmp_path / "set.zip", tmp_path / "target")
