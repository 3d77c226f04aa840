"""The demonstration, shortened."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from PIL import Image

from twinlens import demo as module
from twinlens.bundle import Bundle
from twinlens.demo import demo_config, run_demo, write_numbers
from twinlens.errors import DataError
from twinlens.gallery import Entry, Gallery


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = demo_config(0)
    train = dataclasses.replace(usual.train, steps=20, precision="float32")
    monkeypatch.setattr(module, "demo_config", lambda seed: dataclasses.replace(usual, train=train))


def entries_of(gallery: Path) -> list[Entry]:
    with Gallery.open(gallery) as opened:
        return [item.entry for item in opened.items(opened.ids())]


@pytest.mark.usefixtures("short")
def test_everything_is_where_it_says(tmp_path: Path) -> None:
    found = run_demo(tmp_path / "out")
    known, own, unseen = (
        {folder.name for folder in side.iterdir()}
        for side in (found.numbers.known, found.numbers.own, found.numbers.unseen)
    )
    assert set("".join(known)) == set("0123456")
    assert set("".join(own)) == set("".join(unseen)) == set("789")
    assert not own & unseen
    assert found.evaluation.identities == len(unseen) == 41
    assert found.evaluation.examples == 41 * 8
    assert found.evaluation.decisions is not None
    assert "<svg" in found.report.read_text()
    bundle = Bundle.load(found.model)
    for pair, same in zip(found.pairs, (True, False), strict=True):
        assert pair.same == same == (pair.left.parent == pair.right.parent)
        assert pair.score == pytest.approx(bundle.score(pair.left, pair.right))
        assert pair.decision is not None
    entries = entries_of(found.gallery)
    enrolled = {entry.identity for entry in entries}
    assert len(found.probes) == 41 * 8 - len(entries)  # all other pictures
    for probe in found.probes:
        assert probe.enrolled == (probe.picture.parent.name in enrolled)
        assert probe.found.enrolled == len(enrolled) == 10
    again = run_demo(tmp_path / "out")  # replaces itself, and is the same again
    assert Bundle.load(again.model).fingerprint == bundle.fingerprint


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="left alone"):
        run_demo(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_numbers_are_dark_ink_on_white(tmp_path: Path) -> None:
    known = write_numbers(tmp_path).known
    with Image.open(next(known.rglob("*.png"))) as page:
        assert page.mode == "L"
        assert page.getpixel((0, 0)) == 255
        assert page.getextrema()[0] < 100
