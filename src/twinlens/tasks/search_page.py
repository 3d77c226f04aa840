"""What a search found, as one HTML page with the pictures in it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from twinlens.atomic import write_bytes
from twinlens.evaluation import page
from twinlens.evaluation.pictures import data_uri
from twinlens.gallery import Hit
from twinlens.tasks.search import Found


def write_search_page(path: Path, found: Sequence[Found], *, title: str) -> None:
    """Write each question and its answers, best first.

    Raises:
        WriteError: `path` cannot be written.
    """
    parts = [f"<h1>{escape(title)}</h1>"]
    for answer in found:
        asked = "".join(tile(query, Path(query).name) for query in answer.queries)
        hits = "".join(_hit(place, hit) for place, hit in enumerate(answer.hits, start=1))
        parts.append(
            page.section(
                f"Like {', '.join(Path(query).name for query in answer.queries)}",
                tiles(asked),
                tiles(hits) if hits else page.paragraph("Nothing was found."),
            )
        )
    write_bytes(path, page.page(title, parts).encode())


def tiles(inside: str) -> str:
    """Pictures side by side."""
    return f'<div class="tiles">{inside}</div>'


def tile(picture: str, *lines: str) -> str:
    """A picture over lines of plain text; a note in its place when it cannot be read."""
    uri = data_uri(Path(picture))
    seen = f'<img src="{uri}" alt="">' if uri else "<span>no picture</span>"
    text = "<br>".join(escape(line) for line in lines if line)
    return f'<figure><div class="side">{seen}</div><figcaption>{text}</figcaption></figure>'


def _hit(place: int, hit: Hit) -> str:
    entry = hit.item.entry
    labels = ", ".join(f"{key}={value}" for key, value in entry.metadata.items())
    return tile(
        entry.source,
        f"{place}. {hit.score:.4f}, item {hit.item.id}",
        entry.identity or Path(entry.source).name,
        labels,
    )
