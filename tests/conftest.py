"""Shared by all tests: one thread a process, and tiny data made on the spot."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from drawings import write_glyphs

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def glyphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 identities with 6 drawings each."""
    return write_glyphs(tmp_path_factory.mktemp("glyphs"), 16, 6)
