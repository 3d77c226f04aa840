"""Files and folders appear whole or not at all; see `test_atomic_faults` for kills and disks."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from twinlens.atomic import (
    WriteError,
    new_file,
    new_folder,
    require_writable,
    unfinished_files,
    write_bytes,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


# Files


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    for content in (b"old", b"", b"new" * 1000):
        write_bytes(tmp_path / "a.bin", content)
        assert (tmp_path / "a.bin").read_bytes() == content
        assert names(tmp_path) == ["a.bin"]


def test_nothing_is_there_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with new_file(path) as file:
        file.write(b"some")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"some"


def test_an_error_in_between_leaves_the_old_file(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a.bin", b"old")
    with pytest.raises(KeyError), new_file(tmp_path / "a.bin") as file:
        file.write(b"new")
        raise KeyError
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_a_folder_that_cannot_be_written_to_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_writable(tmp_path / "new" / "folder")
    assert names(tmp_path / "new" / "folder") == []

    def refused(**_: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "tmpabc"))

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    with pytest.raises(WriteError, match=f"^{tmp_path} must be writable. Got: Permission denied"):
        require_writable(tmp_path)


def test_unfinished_files_are_found_by_the_name_they_are_to_have(tmp_path: Path) -> None:
    path, link = tmp_path / "a.bin", tmp_path / "elsewhere" / "link"
    link.parent.mkdir()
    link.symlink_to(path)
    for other in ("a.bin", ".a.bin.backup", ".aXbin.0123456789ab", ".a.bin.0123456789ab.replaced"):
        (tmp_path / other).touch()
    assert unfinished_files(path) == unfinished_files(tmp_path / "none" / "a.bin") == []
    with new_file(path), new_file(tmp_path / "b.bin"):
        assert len(unfinished_files(path)) == 1
        assert unfinished_files(link) == unfinished_files(path)
    assert unfinished_files(path) == []


@pytest.mark.usefixtures("umask")
def test_a_new_file_is_as_open_as_any_and_a_replaced_one_as_before(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_bytes(path, b"")
    assert mode(path) == 0o640
    for kept in (0o600, 0o664):
        path.chmod(kept)
        write_bytes(path, b"more")
        assert mode(path) == kept


def test_a_private_file_is_never_open_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.touch(mode=0o600)
    with new_file(path):
        assert {mode(each) for each in tmp_path.iterdir()} == {0o600}


def test_a_link_keeps_leading_where_it_led(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real/a.bin")
    write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a.bin").read_bytes() == b"new"


def test_a_folder_or_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    for path in (tmp_path, Path(os.devnull)):
        with pytest.raises(WriteError, match="must be a file"):
            write_bytes(path, b"x")
        assert not path.is_file()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=r"a\.bin must be writable. Got: No such file"):
        write_bytes(tmp_path / "none" / "a.bin", b"x")


# Folders


def fill(folder: Path, text: str) -> None:
    (folder / "sub").mkdir()
    for name in ("a", "sub/b"):
        (folder / name).write_text(text)


def content(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "some" / "where"
    with new_folder(path) as place:
        fill(place, "new")
        assert place.parent == path.parent and not path.exists()
    assert content(path) == {"a": "new", "sub/b": "new"}
    assert names(path.parent) == ["where"]


def test_an_error_in_between_leaves_no_folder_or_the_old_one(tmp_path: Path) -> None:
    for overwrite in (False, True):
        with pytest.raises(KeyError), new_folder(tmp_path / "a", overwrite=overwrite) as place:
            fill(place, "new")
            raise KeyError
        assert names(tmp_path) == []
    with new_folder(tmp_path / "a") as place:
        fill(place, "old")
    with pytest.raises(KeyError), new_folder(tmp_path / "a", overwrite=True) as place:
        fill(place, "new")
        raise KeyError
    assert content(tmp_path / "a") == {"a": "old", "sub/b": "old"}
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("what", ["folder", "file", "empty", "link"])
def test_overwriting_replaces_all_that_was_there(what: str, tmp_path: Path) -> None:
    path, real = tmp_path / "a", tmp_path / "a"
    if what == "file":
        path.write_text("old")
    else:
        if what == "link":
            real = tmp_path / "real"
            path.symlink_to(real)
        real.mkdir()
        if what != "empty":
            (real / "old").write_text("old")
    before = names(tmp_path)
    with new_folder(path, overwrite=True) as place:
        fill(place, "new")
    assert content(real) == {"a": "new", "sub/b": "new"}
    assert names(tmp_path) == before
    assert path.is_symlink() == (what == "link")


def test_what_is_there_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    for path in (tmp_path / "full", tmp_path / "full" / "a"):
        with pytest.raises(WriteError, match="must be new"), new_folder(path):
            pytest.fail("the block must not run")
    (tmp_path / "empty").mkdir()
    with new_folder(tmp_path / "empty") as place:
        fill(place, "new")
    assert content(tmp_path / "empty")


def test_what_came_in_between_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(WriteError), new_folder(path) as place:
        fill(place, "mine")
        path.mkdir()
        fill(path, "theirs")
    assert content(path) == {"a": "theirs", "sub/b": "theirs"}
    assert names(tmp_path) == ["a"]


def test_the_old_folder_comes_back_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rename = tmp_path / "a", Path.replace
    with new_folder(path) as place:
        fill(place, "old")
    refused: list[Path] = []

    def refuse_once(self: Path, target: Path) -> Path:
        if target == path and not refused:
            refused.append(self)
            raise PermissionError(1, "Operation not permitted")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", refuse_once)
    refusal = pytest.raises(WriteError, match="Operation not permitted")
    with refusal, new_folder(path, overwrite=True) as place:
        fill(place, "new")
    assert refused and content(path) == {"a": "old", "sub/b": "old"}
    assert names(tmp_path) == ["a"]


def test_the_working_folder_has_a_name_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    with new_folder(Path()) as place:
        fill(place, "new")
    assert content(tmp_path / "a")


@pytest.mark.usefixtures("umask")
def test_a_new_folder_is_as_open_as_any_and_a_replaced_one_as_before(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with new_folder(path):
        pass
    assert mode(path) == 0o750
    path.chmod(0o700)
    with new_folder(path, overwrite=True) as place:
        assert mode(place) == 0o700
    assert mode(path) == 0o700
