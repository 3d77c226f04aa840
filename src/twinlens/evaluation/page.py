"""The pieces of an HTML page that stands alone: no script, no font, nothing loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from twinlens.evaluation.plots import Plot
from twinlens.types import Interval

STYLE = """
:root { color-scheme: light dark;
  --paper: #fdfdfc; --ink: #1b1d1f; --quiet: #6a6f75; --line: #dcdddf; --wash: #f3f4f4;
  --genuine: #1f6fb2; --impostor: #b9531a; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #15171a; --ink: #e7e8ea; --quiet: #979da5; --line: #33373c; --wash: #1d2024;
  --genuine: #6cb0ea; --impostor: #eb9460; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 3rem 1.25rem 4rem; background: var(--paper);
  color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  font-variant-numeric: tabular-nums; }
h1 { font-size: 1.9rem; line-height: 1.2; letter-spacing: -0.015em; margin: 0 0 0.4rem;
  overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 3rem 0 0.9rem; padding-top: 0.9rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 0.95rem; margin: 0; }
section > * + h3 { margin: 1.8rem 0 0.6rem; }
section > h2 + h3 { margin-bottom: 0.6rem; }
p { margin: 0.4rem 0; max-width: 44rem; }
.quiet, figcaption, caption { color: var(--quiet); font-size: 0.875rem; }
.counts { display: flex; flex-wrap: wrap; gap: 0.5rem 2.5rem; margin: 1.6rem 0 1.2rem; }
.counts div { display: flex; flex-direction: column-reverse; }
.counts dd { margin: 0; font-size: 1.6rem; font-weight: 600; line-height: 1.2; }
.counts dt { color: var(--quiet); font-size: 0.875rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.925rem; }
th, td { text-align: left; padding: 0.45rem 1rem 0.45rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
thead th { color: var(--quiet); font-weight: 500; font-size: 0.825rem; white-space: nowrap; }
tbody tr:last-child > * { border-bottom: 0; }
.facts th { width: 17rem; font-weight: 500; color: var(--quiet); }
.facts td { overflow-wrap: anywhere; }
.number { white-space: nowrap; }
small { display: block; color: var(--quiet); font-size: 0.775rem; line-height: 1.35;
  max-width: 13rem; }
.bar { display: block; position: relative; width: 9rem; height: 0.5rem; margin-top: 0.5em;
  background: var(--wash); border-radius: 0.25rem; box-shadow: inset 0 0 0 1px var(--line);
  print-color-adjust: exact; }
.bar i { position: absolute; top: 0; bottom: 0; min-width: 2px; border-radius: 0.25rem;
  background: var(--genuine); opacity: 0.4; }
.bar b { position: absolute; top: -0.2rem; bottom: -0.2rem; width: 3px; margin-left: -1.5px;
  border-radius: 1px; background: var(--genuine); }
.plots { display: grid; gap: 2.2rem 2.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); }
figure { margin: 0; break-inside: avoid; min-width: 0; }
.plots svg { display: block; width: 100%; height: auto; margin: 0.5rem 0; }
details { margin-top: 0.5rem; font-size: 0.875rem; }
summary { cursor: pointer; color: var(--quiet); }
details table { font-size: 0.8rem; } details th, details td { padding: 0.2rem 0.8rem 0.2rem 0; }
.pairs { display: grid; gap: 1.5rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 16rem), 1fr)); }
.sides { display: flex; gap: 0.5rem; margin-bottom: 0.5rem; }
.side { flex: 1; min-width: 0; aspect-ratio: 1; display: flex; align-items: center;
  justify-content: center; background: #fff; border: 1px solid var(--line); border-radius: 4px;
  overflow: hidden; }
.tiles { display: grid; gap: 1.2rem;
  grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); }
.tiles.wide { grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); }
.tiles.wide .side { aspect-ratio: 2; }
.tiles figcaption { margin-top: 0.4rem; overflow-wrap: anywhere; }
.side img { width: 100%; height: 100%; object-fit: contain; }
.side span { color: #555; font-size: 0.8rem; padding: 0.5rem; overflow-wrap: anywhere; }
.tiles { display: grid; gap: 1rem; margin: 0.8rem 0 1.4rem;
  grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); }
.tiles figcaption { overflow-wrap: anywhere; margin-top: 0.3rem; }
ul { padding-left: 1.1rem; margin: 0.5rem 0; } li { margin: 0.2rem 0; max-width: 44rem; }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); }
.scroll + .facts { margin-top: 1.2rem; }
@media (max-width: 40rem) { body { padding-top: 1.5rem; } .facts th { width: 8rem; }
  .meaning { display: none; }
  .stacked thead { display: none; } .stacked tr { display: block; padding: 0.5rem 0;
    border-bottom: 1px solid var(--line); }
  .stacked tbody tr > * { display: flex; justify-content: space-between; gap: 1rem; border: 0;
    padding: 0.15rem 0; text-align: right; }
  .stacked td::before { content: attr(data-name); color: var(--quiet); text-align: left; } }
@media print { :root { color-scheme: light; --paper: #fff; --ink: #000; --quiet: #555;
  --line: #ccc; --wash: #f3f4f4; --genuine: #1f6fb2; --impostor: #b9531a; }
  body { max-width: none; padding: 0; font-size: 10.5pt; } h2, h3 { break-after: avoid; }
  .plots { grid-template-columns: 1fr 1fr; } tr { break-inside: avoid; }
  .scroll { overflow: visible; } summary { display: none; } details { margin-top: 0.2rem; }
  details::details-content { content-visibility: visible; display: block; }
  details table { font-size: 7pt; } details thead th { font-size: 7pt; white-space: normal; }
  details th, details td { padding: 0.05rem 0.4rem 0.05rem 0; }
  .pairs { grid-template-columns: 1fr 1fr 1fr; } }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """A whole document around the parts. What UTF-8 cannot hold is written out, as \\udcff.

    A file name on Linux may be any bytes; those that are no UTF-8 stand for themselves in Python.
    """
    document = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )
    return document.encode(errors="backslashreplace").decode()


def section(title: str, *parts: str) -> str:
    """A heading and what follows."""
    return "\n".join(["<section>", f"<h2>{escape(title)}</h2>", *parts, "</section>"])


def paragraph(text: str, *, quiet: bool = False) -> str:
    """A paragraph of plain text."""
    opened = '<p class="quiet">' if quiet else "<p>"
    return f"{opened}{escape(text)}</p>"


def bullets(texts: Iterable[str]) -> str:
    """A list of plain texts."""
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, stacked: bool = True) -> str:
    """A table of plain texts; the first of each row is its head.

    Args:
        columns: names.
        rows: as many texts each.
        stacked: whether a row becomes a block, a line for each column, where the screen is narrow.
    """
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(
            f'<td data-name="{escape(name)}"><span>{escape(text)}</span></td>'
            for name, text in zip(columns[1:], rest, strict=True)
        )
        + "</tr>"
        for first, *rest in rows
    )
    return (
        f'<div class="scroll"><table{" class=stacked" if stacked else ""}>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def facts_table(facts: Iterable[tuple[str, str]]) -> str:
    """Names and values as plain text."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in facts
    )
    return f'<table class="facts"><tbody>{rows}</tbody></table>'


def counts(numbers: Iterable[tuple[str, str]]) -> str:
    """A row of large numbers, each over its name."""
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(number)}</dd></div>" for name, number in numbers
    )
    return f'<dl class="counts">{cells}</dl>'


def interval_bar(found: Interval) -> str:
    """The interval as a band on a scale from 0 to 1, and the value as a mark in it."""
    low, high, value = (100 * min(1.0, max(0.0, x)) for x in (found.low, found.high, found.value))
    return (
        f'<span class="bar" aria-hidden="true"><i style="left:{low:.2f}%;'
        f'width:{high - low:.2f}%"></i><b style="left:{value:.2f}%"></b></span>'
    )


def tiles(found: Iterable[tuple[str | None, str]], *, wide: bool = False) -> str:
    """Pictures, each over its caption.

    Args:
        found: data URI, or None where there is no picture, and caption.
        wide: whether each is two pictures side by side.
    """
    figures = "".join(
        '<figure><div class="side">'
        + (f'<img src="{uri}" alt="">' if uri else "<span>no picture</span>")
        + f"</div><figcaption>{escape(caption)}</figcaption></figure>"
        for uri, caption in found
    )
    return f'<div class="tiles{" wide" if wide else ""}">{figures}</div>'


def figure(plot: Plot) -> str:
    """A plot under its title, over its caption and its numbers."""
    numbers = table(plot.columns, plot.rows, stacked=False)
    return (
        f"<figure><h3>{escape(plot.title)}</h3>{plot.svg}"
        f"<figcaption>{escape(plot.caption)}</figcaption>"
        f"<details><summary>The numbers</summary>{numbers}</details>"
        "</figure>"
    )


def plots(found: Iterable[Plot]) -> str:
    """Plots side by side where there is room."""
    return '<div class="plots">' + "\n".join(figure(plot) for plot in found) + "</div>"
