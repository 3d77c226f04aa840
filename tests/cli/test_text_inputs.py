"""Texts as arguments, and files of texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from texts import train_small, write_labels
from twinlens.bundle import Bundle
from twinlens.cli import main
from twinlens.cli.inputs import warn_of_files

Run = Callable[..., tuple[int, Any, str]]
ASKED = ["how do I cook a fish", "tips to paint my house"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("probes"))


@pytest.fixture(scope="module")
def gallery(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("gallery")
    for arguments in (
        ("create", place / "g", model),
        ("add", place / "g", model, write_labels(place)),
    ):
        with pytest.raises(SystemExit):
            main(["gallery", *map(str, arguments)])
    return place / "g"


def test_probes_come_from_a_file_with_one_a_line_or_a_table(
    run: Run, model: Path, gallery: Path, tmp_path: Path
) -> None:
    (tmp_path / "probes.txt").write_text("\n".join(ASKED))
    (tmp_path / "probes.csv").write_text("text,identity\n" + "\n".join(f"{t},x" for t in ASKED))
    code, expected, _ = run("identify", model, gallery, *ASKED, "--json")
    assert code == 1 and len(expected["answers"]) == 2
    for name in ("probes.txt", "probes.csv"):
        code, found, err = run("identify", model, gallery, "--probes", tmp_path / name, "--json")
        assert sorted(found["answers"], key=str) == sorted(expected["answers"], key=str)
        assert err == ""


@pytest.mark.parametrize("given", [(), ("fish", "--probes", "probes.txt")])
def test_probes_are_arguments_or_a_file(
    given: tuple[str, ...], run: Run, model: Path, gallery: Path
) -> None:
    code, _, err = run("identify", model, gallery, *given)
    assert code == 2
    assert f"must be given PROBE... or --probes. Got {'both' if given else 'neither'}" in err


def test_a_text_that_names_a_file_is_told(
    run: Run, model: Path, gallery: Path, tmp_path: Path
) -> None:
    file = tmp_path / "probes.txt"
    file.write_text(ASKED[0])
    _, found, err = run("identify", model, gallery, file, ASKED[1], "--json")
    assert [answer["probe"] for answer in found["answers"]] == [str(file), ASKED[1]]
    assert err.count("is taken as a text") == 1
    assert "probes.txt" in err and "with --probes" in err
    for arguments in (("compare", model, file, ASKED[1]), ("search", model, gallery, file)):
        assert run(*arguments)[2].count("is taken as a text") == 1


def test_what_no_file_can_be_called_is_a_text(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warn_of_files(Bundle.load(model), ["a\0b", "long " * 5000, "fish"], instead="")
    assert capsys.readouterr().err == ""
