"""File names that are no UTF-8 are told as well as can be, whatever the terminal takes."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from twinlens.cli import main

STRANGE = os.fsdecode(b"caf\xe9.png")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> tuple[object, str]:
    """Call a command whose output must be UTF-8. -> (exit code, output)."""
    written = io.BytesIO()
    with monkeypatch.context() as patched, pytest.raises(SystemExit) as exit:
        patched.setattr(sys, "stdout", io.TextIOWrapper(written, "utf-8", write_through=True))
        main(list(map(str, arguments)))
    return exit.value.code, written.getvalue().decode()


def test_a_folder_with_a_strange_name_is_enrolled_but_for_it_and_searched_by_it(
    monkeypatch: pytest.MonkeyPatch, model: Path, glyphs: Path, tmp_path: Path
) -> None:
    folder, gallery, report = tmp_path / "new", tmp_path / "g", tmp_path / "out.html"
    shutil.copytree(min(glyphs.iterdir()), folder / "Ann")
    shutil.copy(min((folder / "Ann").iterdir()), folder / "Ann" / STRANGE)
    assert run(monkeypatch, "gallery", "create", gallery, model)[0] == 0
    code, out = run(monkeypatch, "gallery", "add", gallery, model, folder, "--json")
    facts = json.loads(out)
    assert (code, facts["added"], facts["without_identity"]) == (1, 6, 0)
    assert "a file name must be UTF-8 text. Got other bytes. Rename it." in facts["problems"][0]
    query = folder / "Ann" / STRANGE
    code, out = run(monkeypatch, "search", model, gallery, query, "--report", report)
    assert (code, "caf\\udce9.png:" in out) == (0, True)
    text = report.read_text("utf-8")
    assert "Like caf\\udce9.png" in text
    assert text.count("data:image/png;base64,") == 7
