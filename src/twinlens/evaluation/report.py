"""One HTML page that says what was tested, on whom, how good it is and how sure that is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from twinlens.atomic import write_bytes
from twinlens.errors import shortened
from twinlens.evaluation import page
from twinlens.evaluation.pictures import PicturePair, data_uri
from twinlens.evaluation.plots import (
    det_plot,
    histogram_plot,
    history_plot,
    reliability_plot,
    roc_plot,
)
from twinlens.evaluation.result import Decisions, Drift, Evaluation, Extreme

_MEANING = {
    "roc_auc": ("ROC-AUC", "a genuine pair scores above an impostor pair this often"),
    "eer": ("Equal error rate", "errors where both kinds are as frequent; smaller is better"),
    "recall_at_1": ("Recall at 1", "the most similar other example is of the same identity"),
    "map_at_r": ("MAP at R", "how purely the same identity fills the first R places"),
    "accuracy": ("Accuracy", "the likelier of same and different is right"),
    "f1": ("F1", "of those that are said to be the same, by the same threshold"),
    "pearson": ("Pearson", "correlation of scores with the given grades"),
    "spearman": ("Spearman", "correlation of their ranks"),
    "map": ("Mean average precision", "how far up the right candidates of a question stand"),
    "mrr": ("Mean reciprocal rank", "1 over the place of a question's first right candidate"),
    "accuracy_at_1": ("Accuracy of the first", "a question's first candidate is right"),
    "answerable_auc": (
        "ROC-AUC of answerable",
        "the best score of a question with a right candidate is above that of one without",
    ),
    "triplet_accuracy": ("Triplet accuracy", "given triplets in the right order"),
}
_LONGEST = 400
"""Characters of a text that are shown."""
_DRIFTED = 0.01
"""Chance under which a shift is called one; two are tested."""
_SIDES = ("train", "validation", "calibration", "test")


def write_report(
    path: Path,
    evaluation: Evaluation,
    *,
    title: str,
    facts: Mapping[str, str],
    audit: Mapping[str, Any] | None = None,
    history: Sequence[Mapping[str, Any]] = (),
    pairs: Sequence[PicturePair] = (),
    examples: Sequence[Path | str] | None = None,
    why: Callable[[Path | str, Path | str], Sequence[str]] | None = None,
    undecided: Sequence[str] = (),
    unfit: Sequence[str] = (),
    drift: Drift | None = None,
) -> Path:
    """Write an evaluation as one page that needs nothing beside it.

    Args:
        path: HTML file; replaced if it exists, whole or not at all.
        evaluation: the figures.
        title: of the page.
        facts: what was tested and on whom, name -> text.
        audit: of the split, as `dataclasses.asdict` of `twinlens.data.splits.Audit`.
        history: of training; lines with the keys step, loss and validation.
        pairs: comparisons to show.
        examples: file of each example that was evaluated, by position; with it the page shows the
            worst comparisons.
        why: lines on what makes two examples alike or not, to show with the worst comparisons.
        undecided: why rates cannot be promised, or why there is no calibration.
        unfit: what the model must not be used for.
        drift: of new inputs.

    Returns:
        `path`.

    Raises:
        TwinlensError: matplotlib is not installed (the extra `plots`).
        WriteError: `path` cannot be written.
    """
    parts = [
        _header(title, evaluation),
        page.section("What was tested, and on whom", page.facts_table(facts.items())),
        _metrics(evaluation),
        _decisions(evaluation.decisions, undecided),
        _groups(evaluation),
        _drift(drift),
        _pairs("Two comparisons" if len(pairs) == 2 else "Comparisons", pairs),
        _plots(evaluation, history),
        _worst(evaluation, examples, why),
        page.section("What the model must not be used for", page.bullets(unfit)) if unfit else "",
        _split(audit),
        _method(evaluation),
    ]
    write_bytes(path, page.page(title, parts).encode())
    return path


def metric_title(name: str) -> tuple[str, str]:
    """The name of a metric in words, and what it says.

    >>> metric_title("one_shot_5_way_1_shot")[0]
    '5-way 1-shot accuracy'
    >>> metric_title("tar_at_fmr_0.01")[0]
    'True accept rate at FMR 1 %'
    """
    if found := re.fullmatch(r"one_shot_(\d+)_way_(\d+)_shot", name):
        ways, shots = found.groups()
        known = "one example" if shots == "1" else f"{shots} examples"
        return f"{ways}-way {shots}-shot accuracy", f"the right one of {ways}, knowing {known} each"
    if found := re.fullmatch(r"tar_at_fmr_([\d.e-]+)", name):
        rate = f"{100 * float(found[1]):g} %"
        return (
            f"True accept rate at FMR {rate}",
            f"genuine pairs accepted while {rate} of others are",
        )
    if found := re.fullmatch(r"precision_at_recall_([\d.e-]+)", name):
        share = f"{100 * float(found[1]):g} %"
        return (
            f"Precision at recall {share}",
            f"of what is accepted, how much is genuine where {share} of the genuine are",
        )
    return _MEANING.get(name, (name, ""))


def _header(title: str, evaluation: Evaluation) -> str:
    high, low = _kinds(evaluation)
    numbers = [
        ("examples", f"{evaluation.examples:,}"),
        *([("identities", f"{evaluation.identities:,}")] if evaluation.identities else []),
        (f"{high} pairs", f"{evaluation.genuine_pairs:,}"),
        (f"{low} pairs", f"{evaluation.impostor_pairs:,}"),
    ]
    return f"<header><h1>{escape(title)}</h1>{page.counts(numbers)}</header>"


def _kinds(evaluation: Evaluation) -> tuple[str, str]:
    """Names of the comparisons that should score high, and of the others."""
    return ("nearer", "farther") if evaluation.kind == "triplets" else ("genuine", "impostor")


def _metrics(evaluation: Evaluation) -> str:
    rows: list[str] = []
    for name, found in evaluation.metrics.items():
        title, meaning = metric_title(name)
        rows.append(
            f'<tr><th scope="row">{escape(title)}</th><td class="number">{found.value:.4f}</td>'
            f'<td><span class="number">{found.low:.4f} – {found.high:.4f}</span>'
            f"<small>{escape(found.method)}</small></td>"
            f'<td class="meaning">{page.interval_bar(found)}</td>'
            f'<td class="quiet meaning">{escape(meaning)}</td></tr>'
        )
    head = "".join(
        f'<th scope="col"{shown}>{name}</th>'
        for name, shown in (
            ("measure", ""),
            ("value", ""),
            ("95 % interval", ""),
            ("0 to 1", " class=meaning"),
            ("what it says", " class=meaning"),
        )
    )
    parts = [
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    ]
    if evaluation.absent:
        absent = [(metric_title(name)[0], why) for name, why in evaluation.absent.items()]
        parts += ["<h3>Absent, and why</h3>", page.facts_table(absent)]
    return page.section("How good it is", *parts)


def _decisions(found: Decisions | None, undecided: Sequence[str]) -> str:
    """Whether what was promised on other identities came true on these."""
    parts: list[str] = []
    if found is not None and found.promises:
        columns = ("promised", "threshold", "what came", "rate of the other error", "held")
        rows = [
            (
                f"{p.error} rate {p.rate:g}",
                f"{p.threshold:.4g}",
                str(p.came),
                str(p.other),
                p.verdict,
            )
            for p in found.promises
        ]
        parts.append(page.table(columns, rows))
    if found is not None:
        parts.append(
            page.facts_table(
                [
                    ("Cllr", f"{found.cllr:.4f} bits; the least possible is {found.min_cllr:.4f}"),
                    ("Calibration error", f"{found.ece:.4f} (ECE, prior {found.prior:g})"),
                    ("Brier score", f"{found.brier:.4f}"),
                ]
            )
        )
    if undecided:
        parts += ["<h3>Not promised, and why</h3>", page.bullets(undecided)]
    return page.section("Whether its decisions hold", *parts) if parts else ""


def _groups(evaluation: Evaluation) -> str:
    if not evaluation.groups:
        return ""
    columns = (evaluation.grouped_by, "examples", "false match rate", "false non-match rate")
    rows = [
        (g.value, f"{g.examples:,}", str(g.fmr or "none compared"), str(g.fnmr or "none compared"))
        for g in evaluation.groups
    ]
    return page.section(
        f"Errors by {evaluation.grouped_by}",
        page.paragraph("At the first operating point, among comparisons within each group."),
        page.table(columns, rows),
    )


def _drift(found: Drift | None) -> str:
    if found is None:
        return ""
    verdict = (
        "New inputs look different: calibrate on data like them before relying on a decision."
        if min(found.energy_p, found.score_p) < _DRIFTED
        else "No shift was found that is larger than chance would make."
    )
    rows = [
        ("embeddings", f"energy distance {found.energy_distance:.4g}", f"{found.energy_p:.3g}"),
        ("scores", f"mean of two inputs {found.score_shift:+.4g}", f"{found.score_p:.3g}"),
    ]
    return page.section(
        "Drift of new inputs",
        page.paragraph(f"{found.new:,} new inputs against {found.known:,} evaluated. {verdict}"),
        page.table(("what", "shift", "p (permutation test)"), rows),
    )


def _plots(evaluation: Evaluation, history: Sequence[Mapping[str, Any]]) -> str:
    found = [histogram_plot(evaluation.histogram, _kinds(evaluation))]
    if evaluation.kind != "triplets":  # no single threshold means anything for triplets
        curve, band = evaluation.curve, evaluation.band
        found = [roc_plot(curve, band), det_plot(curve, band), *found]
    if evaluation.decisions is not None:
        found.append(reliability_plot(evaluation.decisions))
    if history:
        found.append(history_plot(history))
    return page.section("Curves", page.plots(found))


def _pairs(title: str, pairs: Sequence[PicturePair]) -> str:
    return page.section(title, _figures(pairs)) if pairs else ""


def _figures(pairs: Iterable[PicturePair]) -> str:
    return '<div class="pairs">' + "".join(_pair(pair) for pair in pairs) + "</div>"


def _pair(pair: PicturePair) -> str:
    sides = "".join(_side(side) for side in (pair.left, pair.right))
    why = f"<details open><summary>Why</summary>{page.bullets(pair.why)}</details>"
    return (
        f'<figure><div class="sides">{sides}</div>'
        f"<figcaption>{escape(pair.caption)}<br>score {pair.score:.4f}"
        f"{why if pair.why else ''}</figcaption></figure>"
    )


def _side(picture: Path | bytes | str) -> str:
    if isinstance(picture, str):
        return f'<div class="side"><span>{escape(shortened(picture, _LONGEST))}</span></div>'
    name = "" if isinstance(picture, bytes) else f"{picture.parent.name}/{picture.name}"
    uri = data_uri(picture)
    inner = (
        f"<span>{escape(name or 'no picture')}</span>"
        if uri is None
        else f'<img src="{uri}" alt="{escape(name)}" title="{escape(name)}">'
    )
    return f'<div class="side">{inner}</div>'


def _worst(
    evaluation: Evaluation,
    examples: Sequence[Path | str] | None,
    why: Callable[[Path | str, Path | str], Sequence[str]] | None,
) -> str:
    if examples is None or not (evaluation.false_matches or evaluation.false_non_matches):
        return ""

    def shown(extremes: Sequence[Extreme]) -> str:
        return _figures(
            PicturePair(
                left,
                right,
                _places(left, right),
                extreme.score,
                () if why is None else why(left, right),
            )
            for extreme in extremes
            for left, right in [(examples[extreme.left], examples[extreme.right])]
        )

    return page.section(
        "Where it is most wrong",
        "<h3>Different, yet most alike</h3>",
        shown(evaluation.false_matches),
        "<h3>The same, yet least alike</h3>",
        shown(evaluation.false_non_matches),
    )


def _places(left: Path | str, right: Path | str) -> str:
    """Where two files are; texts speak for themselves."""
    paths = [side for side in (left, right) if isinstance(side, Path)]
    return " and ".join(f"{path.parent.name}/{path.name}" for path in paths)


def _split(audit: Mapping[str, Any] | None) -> str:
    if audit is None:
        return ""
    known = [
        name for name in ("identities", "groups") if any(_count(audit[s][name]) for s in _SIDES)
    ]
    columns = ["examples", *known]
    rows = [(side, *(f"{_count(audit[side][name]):,}" for name in columns)) for side in _SIDES]
    shared = audit["shared_content_count"]
    content = (
        f"{shared} files have the same bytes on more than one side"
        if shared
        else "no file's bytes are on two sides"
    )
    checks = [*audit["checks"], content if audit["content_compared"] else "bytes were not compared"]
    return page.section(
        "How the data was split",
        page.paragraph(
            f"Each {audit['unit']} was kept whole; {audit['units']:,} in all, seed {audit['seed']}."
        ),
        page.table(("side", *columns), rows),
        page.paragraph("Checked:"),
        page.bullets(checks),
    )


def _count(found: int | Sequence[str]) -> int:
    return found if isinstance(found, int) else len(found)


def _method(evaluation: Evaluation) -> str:
    return page.section(
        "Method and limits",
        page.paragraph(f"{evaluation.method}. Seed {evaluation.seed}."),
        page.bullets(evaluation.limits) if evaluation.limits else "",
        page.paragraph(
            "The curves show every threshold; choosing one on these examples and reporting its "
            "errors on them too would flatter it.",
            quiet=True,
        ),
    )
