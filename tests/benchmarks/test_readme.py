"""What the README shows is what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.table import END, START, insert, markdown, saved
from twinlens.errors import DataError

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_shows_the_recorded_results() -> None:
    """Bring it up to date with: python -m benchmarks table --into README.md."""
    _, _, rest = README.read_text(encoding="utf-8").partition(START)
    shown, _, _ = rest.partition(END)
    assert shown.strip() == markdown(saved()).strip()


def test_a_page_keeps_all_but_what_lies_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{START}\nold\n{END}\nafter\n")
    insert(page, "new")
    insert(page, "new")
    assert page.read_text() == f"before\n{START}\nnew\n{END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(DataError, match="marks"):
        insert(page, "new")
