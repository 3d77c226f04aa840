"""`twinlens demo`: all of it, on handwritten digits that come with scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twinlens.cli.evaluate import figures
from twinlens.cli.options import Seed
from twinlens.cli.progress import TrainingProgress
from twinlens.demo import Demo, Probe, run_demo
from twinlens.tasks.report import ScoredPair


def demo_command(
    *,
    out: Annotated[Path, typer.Option(help="Folder for everything.")] = Path("demo-out"),
    seed: Seed = 0,
) -> None:
    """Train on numbers of the digits 0-6; calibrate, test and decide on numbers of 7-9; report.

    Takes about half a minute on two idle cores.
    """
    with TrainingProgress() as progress:
        demo = run_demo(out, seed=seed, listener=progress)
    typer.echo(_summary(demo))


def _summary(demo: Demo) -> str:
    same, different = demo.pairs
    known, stranger = demo.probes
    lines = ["", "On numbers of the digits 7, 8 and 9, which training never saw:"]
    lines += [f"  {line}" for line in figures(demo.evaluation)]
    lines += [
        "",
        "Two pairs, decided:",
        *_decided("the same number", same),
        *_decided("different numbers", different),
        "",
        "Two pictures, identified or not:",
        *_identified("a number that is enrolled", known),
        *_identified("a stranger", stranger),
        "",
        "Where everything is:",
        f"  model     {demo.model}",
        f"  report    {demo.report}",
        f"  gallery   {demo.gallery}",
        f"  pictures  {demo.numbers.known.parent}",
        "",
        "What to try next:",
        f"  twinlens compare {demo.model} {same.left} {different.right}",
        f"  twinlens calibrate {demo.model} {demo.numbers.own} --fmr 0.0001 --out strict",
        f"  twinlens search {demo.model} {demo.gallery} {known.picture} -k 5",
        f"  twinlens doctor {demo.model}",
        "  twinlens check-data YOUR_FOLDER",
        "  twinlens train YOUR_FOLDER --out YOUR_MODEL",
        "(The command lies in .venv/bin, if you came here by scripts/demo.)",
    ]
    return "\n".join(lines)


def _decided(truth: str, pair: ScoredPair) -> list[str]:
    decision = pair.decision
    assert decision is not None  # the demonstration decides on all its pairs
    return [
        f"  {truth}: {decision.word}, probability {decision.probability:.3f}",
        f"    {decision.why}",
        f"    {pair.left}  {pair.right}",
    ]


def _identified(truth: str, probe: Probe) -> list[str]:
    return [f"  {truth}: {probe.found.word}", f"    {probe.found.why}", f"    {probe.picture}"]
