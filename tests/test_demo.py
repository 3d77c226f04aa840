"""The demonstration, shortened."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from PIL import Image

from twinlens import demo as module
from twinlens.bundle import Bundle
from twinlens.demo import demo_config, run_demo, write_digits
from twinlens.errors import DataError


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = demo_config(0)
    train = dataclasses.replace(usual.train, steps=20)
    monkeypatch.setattr(module, "demo_config", lambda seed: dataclasses.replace(usual, train=train))


@pytest.mark.usefixtures("short")
def test_everything_is_where_it_says(tmp_path: Path) -> None:
    found = run_demo(tmp_path / "out")
    assert {p.name for p in found.known.iterdir()} == set("0123456")
    assert {p.name for p in found.unseen.iterdir()} == set("789")
    assert found.evaluation.identities == 3
    assert found.evaluation.examples == sum(1 for _ in found.unseen.rglob("*.png"))
    assert "<svg" in found.report.read_text()
    bundle = Bundle.load(found.model)
    for pair, same in zip(found.pairs, (True, False), strict=True):
        assert pair.same == same == (pair.left.parent == pair.right.parent)
        assert pair.score == pytest.approx(bundle.score(pair.left, pair.right))
    again = run_demo(tmp_path / "out")  # replaces itself, and is the same again
    assert Bundle.load(again.model).fingerprint == bundle.fingerprint


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="left alone"):
        run_demo(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_digits_are_dark_ink_on_white(tmp_path: Path) -> None:
    known, _ = write_digits(tmp_path)
    with Image.open(next((known / "0").iterdir())) as page:
        assert page.mode == "L"
        assert page.getpixel((0, 0)) == 255
        assert page.getextrema()[0] < 100
