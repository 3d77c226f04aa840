"""`twinlens demo`: all of it, on handwritten digits that come with scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
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
    enrolled = [probe for probe in demo.probes if probe.enrolled]
    strangers = [probe for probe in demo.probes if not probe.enrolled]
    surest = max(enrolled, key=_score)
    lines = ["", "On numbers of the digits 7, 8 and 9, which training never saw:"]
    lines += [f"  {line}" for line in figures(demo.evaluation)]
    lines += [
        "",
        "Two pairs, decided:",
        *_decided("the same number", same),
        *_decided("different numbers", different),
        "",
        "Pictures, identified among enrolled numbers or refused:",
        *_counted(enrolled, strangers),
        *_identified("the surest of the enrolled", surest),
        *_identified("the least like any, of strangers", min(strangers, key=_score)),
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
        f"  twinlens search {demo.model} {demo.gallery} {surest.picture} -k 5",
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


def _counted(enrolled: Sequence[Probe], strangers: Sequence[Probe]) -> list[str]:
    named = [probe for probe in enrolled if probe.found.known]
    right = sum(probe.right for probe in named)
    taken = sum(not probe.right for probe in strangers)
    promised = enrolled[0].found.fpir
    return [
        f"  of {len(enrolled)} pictures of enrolled numbers {right} are named rightly, "
        f"{len(named) - right} wrongly, the others not at all",
        f"  of {len(strangers)} pictures of strangers {taken} are taken for somebody: "
        f"{taken / len(strangers):.1%}, at most {promised or 0:.0%} promised",
    ]


def _score(probe: Probe) -> float:
    score = probe.found.score
    assert score is not None  # somebody is enrolled
    return score


def _identified(truth: str, probe: Probe) -> list[str]:
    return [f"  {truth}: {probe.found.word}", f"    {probe.found.why}", f"    {probe.picture}"]
