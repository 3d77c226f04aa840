"""Every example keeps its contract and trains from the command line like a built-in."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from settings import SMALL
from twinlens.bundle import Bundle
from twinlens.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit:
        main([str(argument) for argument in arguments])
    return exit.value.code if isinstance(exit.value.code, int) else 0


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_keeps_its_contract(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run("check", file)
    out = capsys.readouterr().out
    assert code == 0, out
    assert ", 0 broken." in out


@pytest.mark.parametrize(
    ("file", "table"),
    [
        ("lifted_loss", '[loss]\nname = "lifted"\nmargin = 0.5\n'),
        ("dilated_encoder", '[encoder]\nname = "dilated"\ndim = 8\nwidth = 8\n'),
        (
            "easy_positive_miner",
            '[loss]\nname = "triplet"\n[miner]\nname = "easy_positive"\nslack = 0.2\n',
        ),
    ],
)
def test_an_example_is_configured_from_toml_and_trained(
    glyphs: Path, tmp_path: Path, file: str, table: str
) -> None:
    (tmp_path / "config.toml").write_text(table)
    plugin = EXAMPLES / f"{file}.py"
    settings = [s for s in SMALL if not (s.startswith("encoder.") and "encoder" in file)]
    changes = [part for setting in settings for part in ("--set", setting)]
    code = run("train", glyphs, "--out", tmp_path / "model", "--plugin", plugin, "--config",
               tmp_path / "config.toml", *changes)  # fmt: skip
    assert code == 0
    stored = tomllib.loads((tmp_path / "model" / "config.toml").read_text())
    for kind, settings_of in tomllib.loads(table).items():
        assert stored[kind].items() >= settings_of.items()
    a, b = sorted(glyphs.rglob("*.png"))[:2]
    assert run("compare", tmp_path / "model", a, b, "--plugin", plugin) == 0
    assert Bundle.load(tmp_path / "model").score(a, b) <= 1.0001


def test_a_component_that_breaks_its_contract_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (EXAMPLES / "dilated_encoder.py").read_text()
    masked = "(x + torch.relu(layer(x))) * real"
    assert masked in text
    careless = text.replace('"dilated"', '"careless"').replace(masked, masked[1:-8])
    (tmp_path / "careless.py").write_text(careless)
    assert run("check", tmp_path / "careless.py") == 1
    out = capsys.readouterr().out
    assert "padding" in out
    assert "BROKEN" in out
