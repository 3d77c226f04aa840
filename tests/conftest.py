"""Shared by all tests: one thread a process, tiny data made on the spot, a cache of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from drawings import write_glyphs
from settings import SMALL
from twinlens.bundle import Bundle
from twinlens.config import load_config
from twinlens.fit import fit

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def glyphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 identities with 6 drawings each."""
    return write_glyphs(tmp_path_factory.mktemp("glyphs"), 16, 6)


@pytest.fixture(scope="session")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 further identities with 6 drawings each, of other names."""
    return write_glyphs(tmp_path_factory.mktemp("strangers"), 8, 6, first=100)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Decoded data of tests stays out of the user's cache."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def model(glyphs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small trained model, not to be written to."""
    place = tmp_path_factory.mktemp("trained")
    config = load_config(None, [*SMALL, f'data.cache="{place / "cache"}"'])
    fit(glyphs, place / "model", config=config)
    return place / "model"


@pytest.fixture(scope="session")
def bundle(model: Path) -> Bundle:
    """The same, loaded."""
    return Bundle.load(model)
