"""Plots as inline SVG, each with its numbers. Drawn by matplotlib, coloured by the page's style."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from twinlens.errors import TwinlensError
from twinlens.evaluation.result import Band, Curve, Decisions, Histogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET, GENUINE, IMPOSTOR = "#101112", "#8a8b8c", "#1f6fb2", "#c2571a"
"""Stand for the style's variables, which differ in the light and in the dark."""
_VARIABLES = {INK: "--ink", QUIET: "--quiet", GENUINE: "--genuine", IMPOSTOR: "--impostor"}
_TICKS = (0.0001, 0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99)
_MOST_ROWS = 24
_MERGED = 3
"""Bins of a histogram that are one row of its table."""
_BAND = 0.2
"""How dense a band is drawn."""
_SIZE = (4.6, 3.5)
"""Inches; the page scales it to its column."""

Rows = list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing and what it shows.

    Attributes:
        title: above it.
        caption: how to read it.
        svg: markup.
        columns, rows: its numbers, as text.
    """

    title: str
    caption: str
    svg: str
    columns: tuple[str, ...]
    rows: Rows


def roc_plot(curve: Curve, band: Band | None = None) -> Plot:
    """True accept rate over false match rate, with the band that it lies in.

    Raises:
        TwinlensError: matplotlib is not installed. So for every plot here.
    """
    fmr, tar = np.array(curve.fmr), 1 - np.array(curve.fnmr)
    figure, axes = _figure()
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
    if band is not None:
        low, high = 1 - np.array(band.high), 1 - np.array(band.low)
        axes.fill_between(band.fmr, low, high, color=GENUINE, alpha=_BAND, linewidth=0)
    axes.plot([*fmr, 0], [*tar, 0], color=GENUINE, linewidth=1.8)
    axes.set(xlabel="false match rate", ylabel="true accept rate")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    columns = ("threshold", "false match rate", "true accept rate")
    steps = zip(curve.threshold, fmr, tar, strict=True)
    rows = [(f"{t:.4g}", f"{x:.5f}", f"{y:.4f}") for t, x, y in steps]
    caption = "Higher and further left is better; the broken line is chance."
    if band is not None:
        columns, rows, caption = (*columns, "from", "to"), _accepted(band), caption + _told(band)
    return Plot("ROC", caption, _svg(figure, "roc", "ROC curve"), columns, _some(rows))


def det_plot(curve: Curve, band: Band | None = None) -> Plot:
    """False non-match over false match rate, both on normal deviate axes, with its band.

    Source:
        Martin et al. The DET curve in assessment of detection task performance. Eurospeech 1997.
    """
    points = [(t, x, y) for t, x, y in zip(curve.threshold, curve.fmr, curve.fnmr, strict=True)]
    inner = [(x, y) for _, x, y in points if 0 < x < 1 and 0 < y < 1]
    figure, axes = _figure()
    low, high = float(ndtri(_TICKS[0])), float(ndtri(_TICKS[-1]))
    axes.plot([low, high], [low, high], color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
    if band is not None:
        x, below, above = (
            ndtri(np.clip(side, _TICKS[0], _TICKS[-1])) for side in (band.fmr, band.low, band.high)
        )
        axes.fill_between(x, below, above, color=GENUINE, alpha=_BAND, linewidth=0)
    if inner:
        x, y = ndtri(np.array(inner).T)
        axes.plot(x, y, color=GENUINE, linewidth=1.8, marker="o" if len(inner) < 12 else "", ms=3)
    ticks = [float(ndtri(tick)) for tick in _TICKS]
    names = [f"{100 * tick:g} %" for tick in _TICKS]
    axes.set_xticks(ticks, names, rotation=45)
    axes.set_yticks(ticks, names)
    axes.set(xlabel="false match rate", ylabel="false non-match rate")
    axes.set(xlim=(low, high), ylim=(low, high))
    columns = ("threshold", "false match rate", "false non-match rate")
    rows = [(f"{t:.4g}", f"{x:.5f}", f"{y:.5f}") for t, x, y in points]
    caption = (
        "Lower and further left is better; it crosses the broken line at the equal error rate."
    )
    if not inner:
        caption += " No line here: no threshold makes both kinds of error."
    if band is not None:
        columns, rows, caption = (*columns, "from", "to"), _missed(band), caption + _told(band)
    return Plot("DET", caption, _svg(figure, "det", "DET curve"), columns, _some(rows))


def histogram_plot(found: Histogram, names: tuple[str, str]) -> Plot:
    """How scores of both kinds of comparison lie, each as a share of its kind.

    Args:
        found: counts.
        names: of the kind that should score high, and of the other.
    """
    edges = np.array(found.edges)
    figure, axes = _figure()
    for counts, name, colour in (
        (found.impostor, names[1], IMPOSTOR),
        (found.genuine, names[0], GENUINE),
    ):
        share = np.array(counts) / max(1, sum(counts))
        axes.stairs(share, edges, fill=True, color=colour, alpha=0.28)
        axes.stairs(share, edges, color=colour, linewidth=1.4, label=name)
    axes.set(xlabel="score (larger = more alike)", ylabel="share of comparisons", ylim=(0, None))
    axes.legend(frameon=False, labelcolor=INK, fontsize=9)
    columns = ("score from", "to", *names)
    starts = np.arange(0, len(edges) - 1, _MERGED)  # so that the table is no longer than the others
    ends = edges[np.minimum(starts + _MERGED, len(edges) - 1)]
    merged = (np.add.reduceat(np.array(c), starts) for c in (found.genuine, found.impostor))
    bins = zip(edges[starts], ends, *merged, strict=True)
    rows = [(f"{a:.4g}", f"{b:.4g}", f"{g:,}", f"{i:,}") for a, b, g, i in bins]
    caption = "The less the two overlap, the fewer errors any threshold makes."
    return Plot("Scores", caption, _svg(figure, "scores", "Score histogram"), columns, rows)


def reliability_plot(found: Decisions) -> Plot:
    """Share of matches among comparisons that were given about the same probability.

    Source:
        Murphy, Winkler. Reliability of subjective probability forecasts. Applied Statistics, 1977.
    """
    figure, axes = _figure()
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
    sizes = 12 + 160 * np.sqrt(found.share)  # area by weight
    axes.plot(found.promised, found.came, color=GENUINE, linewidth=1.2)
    axes.scatter(found.promised, found.came, s=sizes, color=GENUINE, alpha=0.7, linewidth=0)
    axes.set(xlabel="probability promised", ylabel="share that was the same")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    columns = ("promised", "came", "share of comparisons")
    bins = zip(found.promised, found.came, found.share, strict=True)
    rows = [(f"{p:.3f}", f"{c:.3f}", f"{s:.4f}") for p, c, s in bins]
    caption = (
        "On the broken line a probability of 0.8 means that 8 of 10 are the same. Larger dots "
        f"stand for more comparisons, of which {found.prior:g} are taken to be matches."
    )
    return Plot(
        "Reliability", caption, _svg(figure, "reliability", "Reliability diagram"), columns, rows
    )


def history_plot(history: Sequence[Mapping[str, Any]]) -> Plot:
    """Loss, and validation score where it was measured, over the steps of training.

    Args:
        history: lines with the keys step, loss and validation (a number or None).
    """
    figure, axes = _figure()
    axes.plot([x["step"] for x in history], [x["loss"] for x in history], color=IMPOSTOR, lw=1.4)
    axes.set(xlabel="step")
    axes.set_ylabel("loss", color=IMPOSTOR)
    measured = [x for x in history if x.get("validation") is not None]
    if measured:
        beside = axes.twinx()
        _quieten(beside)
        beside.grid(visible=False)
        beside.spines["right"].set_visible(True)
        scores = [x["validation"] for x in measured]
        beside.plot([x["step"] for x in measured], scores, color=GENUINE, lw=1.6, marker="o", ms=3)
        beside.set_ylabel("validation score", color=GENUINE)
    rows = [
        (f"{x['step']:,}", f"{x['loss']:.4f}", "" if score is None else f"{score:.4f}")
        for x in history
        for score in [x.get("validation")]
    ]
    columns = ("step", "loss", "validation")
    caption = "The weights with the best validation score became the model."
    return Plot("Training", caption, _svg(figure, "history", "Loss"), columns, _some(rows))


def _told(band: Band) -> str:
    return (
        f" The band is the {100 * band.confidence:g} % interval at each false match rate by itself "
        "(pointwise), from drawing identities again; wider, by the exact binomial over identities, "
        "where hardly any errs; it ends where the evidence does."
    )


def _accepted(band: Band) -> Rows:
    """Threshold, false match rate and true accept rate with its interval."""
    return [
        (_score(t), f"{x:.5f}", f"{1 - y:.4f}", f"{1 - high:.4f}", f"{1 - low:.4f}")
        for t, x, y, low, high in _steps(band)
    ]


def _missed(band: Band) -> Rows:
    """Threshold, false match rate and false non-match rate with its interval."""
    return [
        (_score(t), f"{x:.5f}", f"{y:.5f}", f"{low:.5f}", f"{high:.5f}")
        for t, x, y, low, high in _steps(band)
    ]


def _steps(band: Band) -> Iterator[tuple[float | None, float, float, float, float]]:
    return zip(band.threshold, band.fmr, band.fnmr, band.low, band.high, strict=True)


def _score(threshold: float | None) -> str:
    return "above all" if threshold is None else f"{threshold:.4g}"


def _figure() -> tuple[Figure, Axes]:
    """An empty figure that belongs to no window and to no global state."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise TwinlensError(
            "A report needs matplotlib to draw. Got no such package. "
            "Install it with: pip install 'twinlens[plots]'"
        ) from error
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    _quieten(axes)
    axes.grid(color=QUIET, alpha=0.25, linewidth=0.6)
    return figure, axes


def _quieten(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for spine in axes.spines.values():
        spine.set(color=QUIET, linewidth=0.8)
    axes.tick_params(colors=INK, labelsize=9, length=3, width=0.8, color=QUIET)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(color=INK, fontsize=9.5)
    axes.patch.set_visible(False)


def _svg(figure: Figure, name: str, label: str) -> str:
    """Inline markup: coloured by variables, as wide as its column, and equal for equal data."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue().decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    box = re.search(r'viewBox="[^"]+"', text)
    head = f'<svg role="img" aria-label="{label}" {box.group() if box else ""}>'
    text = head + text[text.index(">") + 1 :]
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    # Names differ at every drawing, and would meet those of the other plots on the page.
    known = {old: f"{name}-{i}" for i, old in enumerate(re.findall(r'\bid="([^"]+)"', text))}
    text = re.sub(r'\bid="([^"]+)"', lambda m: f'id="{known[m[1]]}"', text)
    return re.sub(r"#([\w-]+)(?=[\")])", lambda m: f"#{known.get(m[1], m[1])}", text)


def _some(rows: Rows) -> Rows:
    """At most `_MOST_ROWS` of the rows, evenly spaced, first and last kept."""
    if len(rows) <= _MOST_ROWS:
        return rows
    return [rows[i] for i in np.linspace(0, len(rows) - 1, _MOST_ROWS).round().astype(int)]
