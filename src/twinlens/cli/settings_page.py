"""The page of every setting, made from the code: `python -m twinlens.cli.settings_page`.

A test compares docs/guide/configuration.md with it, so that no setting goes undocumented.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

from twinlens import presets
from twinlens.assemble import BUILT_IN
from twinlens.config import CalibrationConfig, Config, DataConfig, TrainConfig
from twinlens.registry import KINDS, Kind, lookup, names, settings_of

_INTRODUCTION = """\
# Every setting

A configuration is a TOML file (`--config FILE.toml`), changed by any number of `--set a.b=c`. All
settings have defaults. An unknown one is an error that names the nearest. The resolved
configuration, with every value that training used, is `config.toml` in the model.

```toml
seed = 7

[encoder]
name = "convnet"
dim = 64

[loss]
name = "triplet"
margin = 0.2

[miner]
name = "semi_hard"
```

`--set loss=triplet` changes the name, `--set loss.margin=0.1` a setting. A list is
`--set encoder.widths=[32,64]`. `loss`, `miner` and `sampler` are "auto" unless named: what fits
the data is taken (for labels `supcon`, for pairs `contrastive`, for triplets `triplet`), and
written into the model.

`--preset NAME` starts from the settings of a use instead of the defaults; they are at the end of
this page. `--config` and `--set` overrule them.

This page is made from the code by `python -m twinlens.cli.settings_page`.
"""


def page() -> str:
    """The whole page, as Markdown."""
    assert len(BUILT_IN) == len(KINDS)  # each room registers what is in it
    parts = [
        _INTRODUCTION,
        f"## Top level\n\n{_table({'seed': (Config().seed, 'of all randomness')})}",
        f"## data\n\n{_table(_fields(DataConfig))}",
        f"## train\n\n{_table(_fields(TrainConfig))}",
        f"## calibration\n\n{_table(_fields(CalibrationConfig))}",
        *(_kind(kind) for kind in KINDS),
        *(f"## --preset {name}\n\n```toml\n{presets.text(name)}```" for name in presets.names()),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _kind(kind: Kind) -> str:
    sections = [f"## {kind}"]
    for name in names(kind):
        cls = lookup(kind, name)
        summary = (inspect.getdoc(cls) or "").partition("\n")[0]
        described = _described(inspect.getdoc(cls.__init__) or "")
        rows = {key: (value, described[key]) for key, value in settings_of(kind, name).items()}
        sections.append(f"### {kind} = {name}\n\n{summary}")
        sections.append(_table(rows) if rows else "No settings.")
    return "\n\n".join(sections)


def _fields(cls: type[Any]) -> dict[str, tuple[Any, str]]:
    described = _described(inspect.getdoc(cls) or "")
    return {f.name: (f.default, described[f.name]) for f in dataclasses.fields(cls)}


def _described(docstring: str) -> dict[str, str]:
    """Name -> text, from the Args or Attributes of a docstring; "a, b: text" describes both."""
    _, _, block = re.sub(r"^Attributes:", "Args:", docstring, flags=re.M).partition("Args:")
    found: dict[str, str] = {}
    for keys, text in _entries(block):
        found |= {key.strip(): re.sub(r"\s+", " ", text).strip() for key in keys.split(",")}
    return found


def _entries(block: str) -> list[tuple[str, str]]:
    """The entries of one indentation; what is indented further goes on with the entry before."""
    lines = [line for line in block.split("\n") if line.strip()]
    if not lines:
        return []
    margin = min(len(line) - len(line.lstrip()) for line in lines)
    found: list[tuple[str, str]] = []
    for line in lines:
        text = line[margin:]
        entry = re.match(r"([a-z_]+(?:, [a-z_]+)*): (.*)", text)
        if entry:
            found.append((entry[1], entry[2]))
        elif text.startswith(" ") and found:
            found[-1] = (found[-1][0], f"{found[-1][1]} {text}")
        else:
            break
    return found


def _table(rows: dict[str, tuple[Any, str]]) -> str:
    head = "| setting | default | meaning |\n| --- | --- | --- |"
    lines = [
        f"| `{key}` | `{_toml(value)}` | {text.replace('|', chr(92) + '|')} |"
        for key, (value, text) in rows.items()
    ]
    return "\n".join([head, *lines])


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


if __name__ == "__main__":
    print(page(), end="")
