"""Every python and bash block of every guide runs, in the order of the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDES = sorted(
    path
    for path in (ROOT / "docs" / "guide").glob("*.md")
    if re.search(r"^```(python|bash)$", path.read_text(encoding="utf-8"), re.MULTILINE)
)


def blocks(page: str) -> list[tuple[str, str]]:
    """(language, code) of each fenced block that is to be run."""
    return re.findall(r"^```(python|bash)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def script_of(page: str) -> str:
    """One bash script; the python blocks of a page share their names through one file."""
    lines = ["set -euo pipefail", ": > session.py"]
    for language, code in blocks(page):
        if language == "bash":
            lines.append(code)
            continue
        # names live on from block to block, so each run repeats only the imports and definitions
        lines.append(f"cat > block.py <<'END'\n{code}END")
        lines.append("cat session.py block.py > run.py && python run.py")
        kept = [line for line in code.splitlines() if re.match(r"(from|import) ", line)]
        lines.append("cat >> session.py <<'END'\n" + "\n".join(kept) + "\nEND")
    return "\n".join(lines)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_every_block_runs(guide: Path, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        ["bash", "-c", script_of(guide.read_text(encoding="utf-8"))],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def test_there_are_guides_to_run() -> None:
    assert any(guide.stem == "first-model" for guide in GUIDES)
