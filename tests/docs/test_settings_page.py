"""Every setting, command and option is documented."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer.main

from twinlens.cli.app import app
from twinlens.cli.settings_page import page

GUIDE = Path(__file__).parents[2] / "docs" / "guide"
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def test_the_page_of_settings_is_what_the_code_says() -> None:
    """Make it anew with: python -m twinlens.cli.settings_page > docs/guide/configuration.md."""
    assert (GUIDE / "configuration.md").read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name: str) -> None:
    text = (GUIDE / "command-line.md").read_text(encoding="utf-8")
    _, _, section = text.partition(f"## twinlens {name}\n")
    section = section.partition("\n## ")[0]
    assert section, f"docs/guide/command-line.md must have a section on {name}"
    below = getattr(COMMANDS[name], "commands", {})
    for inner in below:
        assert f"twinlens {name} {inner} " in section, f"{name} {inner}"
    for command in (COMMANDS[name], *below.values()):
        for parameter in command.params:
            options = [option for option in parameter.opts if option.startswith("--")]
            for option in options:
                if option not in ("--help", "--plugin"):
                    assert option in section, f"{option} of {name}"
