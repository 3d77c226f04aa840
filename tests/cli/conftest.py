"""Commands of the entry point that a shell calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from twinlens.cli import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any, str]]:
    """Call a command in this process. -> (exit code, output, read where it is JSON; errors)."""

    def call(*arguments: object) -> tuple[int, Any, str]:
        with pytest.raises(SystemExit) as exit:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        code = exit.value.code
        read = json.loads(out) if "--json" in arguments and out else out
        return code if isinstance(code, int) else 0, read, err

    return call
