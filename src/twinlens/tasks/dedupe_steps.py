"""Clusters of pictures -> the steps of a plan: the best of each is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from twinlens.duplicates.clusters import Cluster, Pair
from twinlens.duplicates.plan import Step
from twinlens.duplicates.quality import Quality
from twinlens.gallery import Item


def steps_of(
    near: Sequence[Cluster],
    items: Sequence[Item],
    paths: Mapping[str, list[Path]],
    folder: Path,
    *,
    threshold: float,
) -> list[Step]:
    """Clusters of distinct contents, and exact copies of each, as steps.

    Args:
        near: of positions in `items`.
        items: what is known of each content, its quality among it.
        paths: the files of each content.
        folder: that paths are told relative to.
        threshold: score from which the model says that two are copies.
    """
    clustered = {member for cluster in near for member in cluster.members}
    alone = [
        Cluster((place,), ())
        for place, item in enumerate(items)
        if place not in clustered and len(paths[item.entry.content]) > 1
    ]
    steps: list[Step] = []
    for number, cluster in enumerate(sorted([*near, *alone], key=lambda c: c.members), start=1):
        steps += _steps(number, cluster, items, paths, folder, threshold)
    return steps


def _steps(
    number: int,
    cluster: Cluster,
    items: Sequence[Item],
    paths: Mapping[str, list[Path]],
    folder: Path,
    threshold: float,
) -> Iterator[Step]:
    """The files of one cluster, the best first."""
    quality = {member: _quality(items[member]) for member in cluster.members}
    order = sorted(cluster.members, key=lambda member: quality[member], reverse=True)
    joined = _joined(cluster.links, order[0])
    for member in order:
        entry = items[member].entry
        files = sorted(paths[entry.content], key=_age)
        for copy, path in enumerate(files):
            kind = "exact" if copy else "best" if member == order[0] else "near"
            other, score, told_by = "", "", ""
            if copy:
                other, told_by = _name(files[0], folder), "content"
            elif kind == "near":
                link = joined[member]
                partner = link.left if link.right == member else link.right
                other = _name(paths[items[partner].entry.content][0], folder)
                score = f"{link.score:.4f}"
                told_by = "model" if link.score >= threshold else "hash"
            yield Step(
                cluster=number,
                action="keep" if kind == "best" else "move",
                path=_name(path, folder),
                kind=kind,
                score=score,
                joined_by=other,
                told_by=told_by,
                width=quality[member].width,
                height=quality[member].height,
                sharpness=quality[member].sharpness,
                bytes=quality[member].bytes,
                content=entry.content,
            )


def _joined(links: Sequence[Pair], best: int) -> dict[int, Pair]:
    """The pair that ties each of the others to the best one, or to what is tied to it already.

    So each pair is told once, also the one that joined two groups.
    """
    of: defaultdict[int, list[Pair]] = defaultdict(list)
    for link in links:
        of[link.left].append(link)
        of[link.right].append(link)
    tied: dict[int, Pair] = {}
    reached = [best]
    for member in reached:
        for link in of[member]:
            other = link.left if link.right == member else link.right
            if other != best and other not in tied:
                tied[other] = link
                reached.append(other)
    return tied


def _age(path: Path) -> tuple[int, int, str]:
    """Of files with the same bytes the oldest is taken for the original, then the shortest name."""
    return path.stat().st_mtime_ns, len(str(path)), str(path)


def texts_of(quality: Quality) -> dict[str, str]:
    """As a gallery keeps it."""
    return {name: str(getattr(quality, name)) for name in Quality.__slots__}


def _quality(item: Item) -> Quality:
    texts = item.entry.metadata
    return Quality(
        int(texts["pixels"]),
        float(texts["sharpness"]),
        int(texts["bytes"]),
        int(texts["width"]),
        int(texts["height"]),
    )


def _name(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder.absolute()))
