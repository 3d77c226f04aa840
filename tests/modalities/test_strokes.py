"""Pen paths: three kinds of file, what is made of them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from twinlens.errors import ConfigError, DataError
from twinlens.modalities import Strokes
from twinlens.modalities.pen import PenPath, read_pen
from twinlens.testing import broken, check_component
from twinlens.types import FloatArray


def path_of(count: int = 60, **more: FloatArray) -> PenPath:
    angle = np.linspace(0, 5, count)
    return PenPath({"x": np.cos(angle) * 100, "y": np.sin(angle) * 40 + 7, **more})


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_contract() -> None:
    assert [str(result) for result in broken(check_component("modality", "strokes"))] == []


def test_svc_text_is_read(tmp_path: Path) -> None:
    rows = ["3", "10 20 0 1 900 500 30", "11 21 10 1 901 501 40", "12 22 20 0 902 502 0"]
    found = read_pen(write(tmp_path / "u1s1.TXT", "\n".join(rows)))
    assert found.columns["pressure"].tolist() == [30, 40, 0]
    assert found.columns["azimuth"].tolist() == [900, 901, 902]
    assert found.columns["down"].tolist() == [1, 1, 0]
    four = read_pen(write(tmp_path / "u.txt", "3\n1 2 0 1\n2 3 10 1\n3 4 20 1\n"))
    assert set(four.columns) == {"x", "y", "time", "down"}


def test_a_csv_names_its_columns(tmp_path: Path) -> None:
    text = "T;Y;X;Force;note\n0;1;2;3;9\n10;2;3;4;9\n20;3;4;5;9\n"
    found = read_pen(write(tmp_path / "a.csv", text))
    assert found.columns["x"].tolist() == [2, 3, 4]
    assert found.columns["pressure"].tolist() == [3, 4, 5]
    assert "note" not in found.columns


def test_inkml_traces_are_joined_with_the_pen_up_between(tmp_path: Path) -> None:
    text = """<ink xmlns="http://www.w3.org/2003/InkML">
      <traceFormat><channel name="X"/><channel name="Y"/><channel name="F"/></traceFormat>
      <trace>1 2 30, 2 3 31</trace><trace>5 5 10, 6 6 11, 7 7 12</trace></ink>"""
    found = read_pen(write(tmp_path / "a.inkml", text))
    assert found.columns["x"].tolist() == [1, 2, 5, 6, 7]
    assert found.columns["pressure"].tolist() == [30, 31, 10, 11, 12]
    assert found.columns["down"].tolist() == [1, 0, 1, 1, 0]


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("a.txt", "", "number of points"),
        ("a.txt", "5\n1 2 0 1\n", "5 points. Got 1"),
        ("a.txt", "1\n1 2 0 1\n", "at least 3 points"),
        ("a.txt", "3\n1 2 3\n1 2 3\n1 2 3\n", "4 or 7"),
        ("a.txt", "3\n1 2 0 1\n2 x 0 1\n3 4 0 1\n", "row 3.*'x'"),
        ("a.txt", "3\n1 2 0 1\n2 3 10\n3 4 20 1\n", "row 3 must have 4"),
        ("a.txt", "3\n1 2 0 1\n1 2 10 1\n1 2 20 1\n", "must move"),
        ("a.txt", "3\n1 2 30 1\n2 2 20 1\n3 2 10 1\n", "must not decrease"),
        ("a.csv", "a,b\n1,2\n", "name x and y"),
        ("a.csv", "x,y\n1,2\nnan,3\n4,5\n", "x must be finite"),
        ("a.inkml", "<ink><trace>1 2", "well-formed"),
        ("a.inkml", "<ink/>", "Got none"),
        ("a.inkml", '<!DOCTYPE a [<!ENTITY b "c">]><ink/>', "entities"),
    ],
)
def test_what_is_no_path_is_refused_with_the_file(
    name: str, text: str, word: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=rf"{name}.*{word}"):
        read_pen(write(tmp_path / name, text))


def test_repeated_times_count_as_usual_steps() -> None:
    time = np.array([0.0, 10, 20, 20, 30, 40, 50, 60, 70, 1000, 1010, 1005])
    found = path_of(12, time=time).clock()
    assert (np.diff(found) > 0).all()
    assert np.diff(found).max() == 5.0  # a pause


def test_place_and_size_leave_no_trace() -> None:
    modality = Strokes(points=50)
    here = path_of()
    there = PenPath({"x": here.columns["x"] * 3 + 900, "y": here.columns["y"] * 3 - 50})
    np.testing.assert_allclose(modality.prepare(here), modality.prepare(there), atol=1e-4)
    assert modality.prepare(here).shape == (modality.channels, 50)


def test_columns_that_all_files_have_are_used(tmp_path: Path) -> None:
    for number in range(3):
        extra = ",pressure" if number else ",pressure,azimuth"
        rows = [f"{i},{i * i},{i}{',4' if 'azimuth' in extra else ''}" for i in range(1, 9)]
        write(tmp_path / f"{number}.csv", "\n".join([f"x,y{extra}", *rows]))
    refs = [str(tmp_path / f"{number}.csv") for number in range(3)]
    settled = Strokes.settle({"columns": ("auto",), "points": 20}, refs)
    assert settled["columns"] == ("pressure",)
    modality = Strokes(points=20, columns=("pressure",))
    assert modality.channels == Strokes(points=20, columns=()).channels + 1
    with pytest.raises(DataError, match="pressure"):
        modality.prepare(path_of())
    with pytest.raises(ConfigError, match=r"modality\.columns"):
        Strokes(columns=("colour",))


def test_augmentation_derives_movement_anew() -> None:
    modality = Strokes(points=60, rotation_deg=90, noise=0.0, speed=0.3)
    values = torch.from_numpy(np.stack([modality.prepare(path_of())] * 4))
    found = modality.augment(values, None, torch.Generator().manual_seed(0))
    from twinlens.functional.dynamics import DERIVED, derive

    kept = found.shape[1] - len(DERIVED)
    assert torch.allclose(found[:, kept:], derive(found[:, :2], found[:, kept - 1 : kept]))
    assert not torch.allclose(found, values, atol=0.1)


def test_a_straightened_stretch_tells_nothing_and_the_rest_is_as_it_was() -> None:
    count = 80
    rng = np.random.default_rng(0)
    path = path_of(count, pressure=rng.random(count), down=(np.arange(count) % 10 > 2) * 1.0)
    modality = Strokes(points=count, columns=("down", "pressure"))
    array = modality.prepare(path)
    gone = np.zeros(count, np.bool_)
    gone[30:50] = True
    found = modality.straightened(array, gone)
    kept = 5  # x, y, down, pressure and the duration
    np.testing.assert_allclose(found[:kept, ~gone], array[:kept, ~gone], atol=1e-6)
    inside = found[:, 29:51]
    for row in (0, 1, 3):
        np.testing.assert_allclose(np.diff(inside[row], 2), 0, atol=1e-5)
    np.testing.assert_array_equal(found[2], array[2])  # where the pen was down is kept
    assert modality.down(found).tolist() == (array[2] >= 0.5).tolist()
    assert not np.allclose(found[kept:, 35:45], array[kept:, 35:45], atol=0.01)
    np.testing.assert_allclose(
        modality.straightened(array, np.zeros(count, np.bool_)), array, atol=1e-5
    )
    assert Strokes(points=9, columns=()).down(array[:3, :9]).all()
