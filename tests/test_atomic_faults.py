"""Whole or not at all: after a kill at any line, on a full disk, in a sealed folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from twinlens.atomic import WriteError, new_folder, write_bytes

# Kills

KILLED = """
    import json, os, shutil, signal, sys
    from pathlib import Path
    from twinlens import atomic

    root, what = Path(sys.argv[1]), sys.argv[2]

    def fill(folder, text):
        for name in "ab":
            (folder / name).write_text(text[:3])
            with (folder / name).open("a") as file:
                file.write(text[3:])

    def act():
        if what == "file":
            with atomic.new_file(root / "x") as file:
                file.write(b"new")
                file.flush()
                file.write(b"new")
        else:
            with atomic.new_folder(root / "x", overwrite=what == "overwrite") as place:
                fill(place, "newnew")

    def start_anew():
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        if what == "file":
            (root / "x").write_bytes(b"oldold")
        elif what == "overwrite":
            (root / "x").mkdir()
            fill(root / "x", "oldold")

    def killed_at(line):
        pid = os.fork()
        if pid:
            return os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        seen = 0
        def count(frame, event, argument):
            nonlocal seen
            seen += event == "line"
            if seen == line:
                os.kill(os.getpid(), signal.SIGKILL)
            return count
        def trace(frame, event, argument):
            return count if frame.f_code.co_filename in (atomic.__file__, __file__) else None
        sys.settrace(trace)
        act()
        os._exit(0)

    def state(path):
        if path.is_dir():
            return "|".join(sorted(f"{p.name}={p.read_text()}" for p in path.iterdir()))
        return path.read_text() if path.exists() else "nothing"

    states, line, killed = [], 0, True
    while killed:
        line += 1
        start_anew()
        killed = killed_at(line)
        aside = sorted(state(path) for path in root.glob(".*.replaced"))
        states.append([state(root / "x"), aside])
    print(json.dumps(states))
"""


@pytest.mark.parametrize(
    ("what", "old", "new"),
    [
        ("file", "oldold", "newnew"),
        ("fresh", "nothing", "a=newnew|b=newnew"),
        ("overwrite", "a=oldold|b=oldold", "a=newnew|b=newnew"),
    ],
)
def test_a_kill_at_any_line_leaves_the_old_or_the_new(
    what: str, old: str, new: str, tmp_path: Path
) -> None:
    script = tmp_path / "killed.py"
    script.write_text(textwrap.dedent(KILLED))
    command = [sys.executable, str(script), str(tmp_path / "root"), what]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    states = json.loads(done.stdout)
    assert len(states) > 15
    assert states[0] == [old, []] and states[-1] == [new, []]
    turned = False
    for found, aside in states:
        turned |= found == new
        if found == "nothing" and what == "overwrite":  # for an instant, under a name that tells
            assert aside == [old]
        else:
            assert found == (new if turned else old)


# Disks


def mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a disk can only be mounted by root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    yield from mounted(tmp_path / "small", "size=64k")


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[Path]:
    """A folder that may not be written to, not even by root."""
    if os.geteuid() == 0:
        yield from mounted(tmp_path / "sealed", "ro")
    else:
        (tmp_path / "sealed").mkdir(mode=0o500)
        yield tmp_path / "sealed"


def as_file(path: Path, size: int) -> None:
    write_bytes(path, b"x" * size)


def as_folder(path: Path, size: int) -> None:
    with new_folder(path, overwrite=True) as place:
        (place / "a").write_bytes(b"x" * size)


@pytest.mark.parametrize("write", [as_file, as_folder])
def test_a_full_disk_keeps_the_old_and_gets_its_room_back(
    write: Callable[[Path, int], None], small_disk: Path
) -> None:
    write(small_disk / "it", 4096)
    free = shutil.disk_usage(small_disk).free
    with pytest.raises(WriteError, match="No space left on device. Free some space"):
        write(small_disk / "it", 2**20)
    assert [path.name for path in small_disk.iterdir()] == ["it"]
    assert shutil.disk_usage(small_disk).free == free
    write(small_disk / "it", 8192)


@pytest.mark.parametrize("write", [as_file, as_folder])
def test_a_sealed_folder_is_named(write: Callable[[Path, int], None], sealed: Path) -> None:
    with pytest.raises(WriteError, match=r"it must be writable.*Choose a place"):
        write(sealed / "it", 1)
