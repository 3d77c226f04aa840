"""`twinlens check-data`: what it prints, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from drawings import write_glyphs
from twinlens.cli import check_data
from twinlens.cli.check_data import check_data_command
from twinlens.data import check


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(check_data_command)
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def flawed(tmp_path: Path) -> Path:
    write_glyphs(tmp_path, 8, 3)
    (tmp_path / "class00" / "bad.png").write_bytes(b"no picture")
    (tmp_path / "class01" / "copy.png").write_bytes((tmp_path / "class01" / "00.png").read_bytes())
    (tmp_path / "class02" / "notes.txt").touch()
    return tmp_path


def test_sound_data_exits_with_0(glyphs: Path) -> None:
    result = run(str(glyphs))
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        f"{glyphs}: 96 examples, 16 identities.",
        "errors: 0, warnings: 0, notes: 0. Training can start.",
    ]


def test_problems_are_lines_when_piped_and_exit_with_1(flawed: Path) -> None:
    result = run(str(flawed))
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert [line.partition(":")[0] for line in lines[1:-1]] == ["error", "warning", "note"]
    assert f"{flawed}/class00/bad.png" in lines[1] and "Training does not start." in lines[1]
    assert lines[-1] == "errors: 1, warnings: 1, notes: 1. Training cannot start."


def test_warnings_alone_exit_with_0(flawed: Path) -> None:
    (flawed / "class00" / "bad.png").unlink()
    assert run(str(flawed)).exit_code == 0


def test_json_is_all_of_it_and_nothing_else(flawed: Path) -> None:
    result = run(str(flawed), "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report == check.check_data(flawed).to_dict() | {"problems": report["problems"]}
    assert [problem["code"] for problem in report["problems"]] == [
        "unreadable-file", "duplicate", "unknown-file",
    ]  # fmt: skip


def test_many_problems_of_a_kind_are_counted_but_all_are_in_the_json(tmp_path: Path) -> None:
    write_glyphs(tmp_path, 8, 2)
    for number in range(25):
        (tmp_path / "class00" / f"{number}.txt").touch()
    lines = run(str(tmp_path)).output.splitlines()
    assert sum(line.startswith("note: ") for line in lines) == 20
    assert "... and 5 more of unknown-file; --json names all." in lines
    assert len(json.loads(run(str(tmp_path), "--json").stdout)["problems"]) == 25


def test_groups_can_be_left_out(tmp_path: Path) -> None:
    for group in range(3):
        write_glyphs(tmp_path, 4, 2, group=f"g{group}")
    assert "3 groups" in run(str(tmp_path)).output
    assert " groups" not in run(str(tmp_path), "--group", "none").output


def test_a_terminal_gets_a_table_that_keeps_what_looks_like_markup(
    flawed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = flawed / "class02" / "[bold]x.txt"
    strange.touch()
    console = Console(force_terminal=True, width=400, color_system=None)
    check_data._show(check.check_data(flawed), console)
    out = capsys.readouterr().out
    assert "what training does" in out
    assert str(strange) in out and str(flawed / "class00" / "bad.png") in out
    assert out.splitlines()[-1].endswith("Training cannot start.")


def test_what_looks_like_no_path_is_an_error_of_the_user(tmp_path: Path) -> None:
    result = run(str(tmp_path / "none"))
    assert result.exit_code != 0 and "must exist" in str(result.exception)
    assert run(str(tmp_path), "--group", "some").exit_code == 2
