"""`python -m benchmarks` and the table, with a benchmark made for the occasion."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import __main__ as command
from benchmarks.catalogue import BENCHMARKS
from benchmarks.record import Anchor, Metric, Options, Result, record
from benchmarks.table import HEADER, markdown, row, saved

MISSED = Metric("missed", 0.5, "accuracy", goal=0.9)
REACHED = Metric("size", 3.0, "MB", direction="lower", goal=4.0, beyond=2.0)
REMARKABLE = Metric("ratio", 3.5, "ratio", goal=2.0, beyond=3.0, anchors=(Anchor(1.0, "peer"),))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[Options]]:
    """A benchmark named "pretend" that keeps what it was asked."""
    seen: list[Options] = []

    def run(options: Options) -> Result:
        seen.append(options)
        return Result((MISSED, REMARKABLE), options.seed_range(5))

    module = ModuleType("benchmarks.pretend")
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "benchmarks.pretend", module)
    monkeypatch.setitem(BENCHMARKS, "pretend", "nothing")
    monkeypatch.setattr(command, "CACHE", tmp_path / "cache")
    yield seen


def call(tmp_path: Path, *arguments: str) -> int:
    return command.main([*arguments, "--data", str(tmp_path)], results=tmp_path / "results")


def test_a_run_is_recorded_and_shown(
    asked: list[Options], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path, "pretend", "--seeds", "2") == 0
    assert asked[0].seeds == 2
    assert [made.name for made in saved(tmp_path / "results")] == ["pretend"]
    assert row("pretend", MISSED) in capsys.readouterr().out


def test_check_exits_1_under_a_goal(
    asked: list[Options], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path, "pretend", "--check") == 1
    assert capsys.readouterr().err == "under the goal: missed\n"


def test_a_quick_run_is_kept_apart(asked: list[Options], tmp_path: Path) -> None:
    assert call(tmp_path, "pretend", "--quick") == 0
    assert asked[0].quick
    assert not (tmp_path / "results").exists()
    assert (tmp_path / "cache" / "quick" / "pretend.json").exists()


def test_an_unknown_benchmark_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path, "omniglott") == 2
    error = capsys.readouterr().err
    assert "Did you mean 'omniglot'?" in error
    assert error.count("\n") == 1


def test_missing_data_is_one_line_and_exit_2(
    asked: list[Options], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["pretend", "--data", str(tmp_path / "none")], results=tmp_path) == 2
    assert "must be a folder" in capsys.readouterr().err
    assert asked == []


def test_seeds_must_be_at_least_one(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        call(tmp_path, "pretend", "--seeds", "0")
    assert stopped.value.code == 2


def test_the_table_says_what_was_reached() -> None:
    assert row("b", MISSED).split(" | ")[2:6] == ["**0.500** accuracy", "", "≥ 0.900", "**no**"]
    assert row("b", REACHED).split(" | ")[2:6] == ["**3** MB", "", "≤ 4 (≤ 2)", "yes"]
    assert row("b", REMARKABLE).split(" | ")[5] == "beyond"
    assert row("b", REMARKABLE).endswith("| 1 peer |")


def test_every_row_has_as_many_cells_as_the_header() -> None:
    made = record("b", Result((MISSED, REACHED, REMARKABLE)), quick=True, wall_s=1.0)
    rows = [line for line in markdown([made]).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {HEADER[0].count("|")}
    assert "A quick run" in markdown([made])


def test_the_table_of_nothing_is_a_header(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["table"], results=tmp_path) == 0
    assert capsys.readouterr().out.strip() == "\n".join(HEADER)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_of_the_catalogue_can_run(name: str) -> None:
    assert callable(importlib.import_module(f"benchmarks.{name}").run)
    assert re.fullmatch(r"[a-z_]+", name)
