"""`twinlens demo`: all of it, on handwritten digits that come with scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twinlens.cli.options import Seed
from twinlens.cli.progress import TrainingProgress
from twinlens.demo import Demo, run_demo


def demo_command(
    *,
    out: Annotated[Path, typer.Option(help="Folder for everything.")] = Path("demo-out"),
    seed: Seed = 0,
) -> None:
    """Train on digits 0-6, evaluate on 7-9, compare two pairs, write a report.

    Takes about a minute on two cores.
    """
    with TrainingProgress() as progress:
        demo = run_demo(out, seed=seed, listener=progress)
    typer.echo(_summary(demo))


def _summary(demo: Demo) -> str:
    same, different = demo.pairs
    lines = ["", "On the digits 7, 8 and 9, which training never saw:"]
    lines += [f"  {name:26} {value}" for name, value in demo.evaluation.metrics.items()]
    lines += [f"  {name:26} absent: {why}" for name, why in demo.evaluation.absent.items()]
    lines += [
        "",
        "Two pairs (a larger score is more alike):",
        f"  the same digit    {same.score:7.4f}   {same.left}  {same.right}",
        f"  different digits  {different.score:7.4f}   {different.left}  {different.right}",
        "",
        "Where everything is:",
        f"  model     {demo.model}",
        f"  report    {demo.report}",
        f"  pictures  {demo.known}  {demo.unseen}",
        "",
        "What to try next:",
        f"  twinlens compare {demo.model} {same.left} {different.right}",
        f"  twinlens doctor {demo.model}",
        "  twinlens check-data YOUR_FOLDER",
        "  twinlens train YOUR_FOLDER --out YOUR_MODEL",
        "(The command lies in .venv/bin, if you came here by scripts/demo.)",
    ]
    return "\n".join(lines)
