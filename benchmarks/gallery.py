"""Search speed, durable adds, opening and size of a gallery, beside the databases that people use.

200,000 unit vectors of width 128 in 2,000 clusters, queries drawn near stored ones, the ten most
alike, one query at a time. Each system is taken at the fastest of its own settings that finds 99 %
of them; a gallery has none and tunes itself. No query is asked twice; they run in rounds, and the
median round counts.

* `qps`: queries a second through `Gallery.search`, items and their metadata included.
* `qps_ratio_to_milvus_lite`, `qps_ratio_to_lancedb`, `qps_ratio_to_faiss` (the bare graph).
* `recall_at_10`: of the gallery.
* `add_per_second`: durable, in batches of 1,000, by itself; `first_search_seconds`: the index.
* `open_seconds`: in a new process, to the first answer, without the imports.
* `bytes_per_item_on_disk`, `bytes_per_item_in_memory`.
* `search_ms_at_N`: how it grows, exact search and graph.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import faiss as untyped_faiss
import numpy as np

from benchmarks.data import ROOT
from benchmarks.gallery_peers import Search, Setting, lancedb_settings, milvus_settings, recall
from benchmarks.record import Anchor, Metric, Options, Result
from twinlens.gallery import Entry, Gallery, Space
from twinlens.types import FloatArray

faiss: Any = untyped_faiss

COUNT, DIM, CLUSTERS, K = 200_000, 128, 2_000, 10
QUICK_COUNT = 5_000
QUERIES, ROUNDS = 200, 5
BATCH = 1_000
LEAST_RECALL = 0.99
SIZES = (1_000, 5_000, 20_000, 50_000)
SLOW_S = 0.05
"""A setting slower than this is timed on fewer queries."""
SLOW_QUERIES = 50


def run(options: Options) -> Result:
    """Fill a gallery, measure it, then each peer with the same vectors."""
    count = QUICK_COUNT if options.quick else COUNT
    vectors, queries = clusters(count)
    _, exact = faiss.knn(queries, vectors, K, metric=faiss.METRIC_INNER_PRODUCT)
    details: dict[str, Any] = {"items": count}
    metrics: list[Metric] = []
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        added = fill(place / "gallery", vectors)
        opened = opened_anew(place / "gallery", queries)
        with Gallery.open(place / "gallery") as gallery:
            numbers(gallery, queries[0])
            found: list[list[int]] = []
            ours = timed(lambda query: numbers(gallery, query), queries, found)
            stats = gallery.stats()
        metrics += _own(ours, recall(found, exact), added, opened, stats, count)
        bare = bare_graph(vectors)
        peers: dict[str, Callable[[], Iterable[Setting]]] = {
            "faiss": lambda: [Setting(f"ef {e}", bare(e)) for e in (16, 32, 64, 128)],
            "lancedb": lambda: lancedb_settings(place / "lance", vectors, K),
            "milvus_lite": lambda: milvus_settings(place / "milvus", vectors, K),
        }
        goals = {"faiss": 1 / 1.2, "lancedb": 10.0, "milvus_lite": 50.0}
        for name, settings in peers.items():
            if not options.wants(name):
                continue
            tried = [tried_setting(setting, queries, exact) for setting in settings()]
            details[name] = tried
            good = [one for one in tried if one["recall"] >= LEAST_RECALL]
            best = max(good, key=lambda one: one["qps"])
            metrics.append(
                Metric(
                    f"qps_ratio_to_{name}",
                    ours / best["qps"],
                    "ratio",
                    goal=None if name == "faiss" else goals[name],
                    beyond=goals[name] if name == "faiss" else None,
                    anchors=(Anchor(best["qps"], f"queries a second, {name}: {best['name']}"),),
                )
            )
        if options.wants("growth"):
            metrics += [growth(place / f"g{n}", vectors[:n], queries) for n in SIZES if n < count]
    return Result(tuple(metrics), details=details)


def clusters(count: int, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Unit vectors around centres, and queries near some. [count, DIM], [QUERIES · ROUNDS, DIM]."""
    rng = np.random.default_rng(seed)
    centres = unit(rng.normal(size=(min(CLUSTERS, count), DIM)))
    noise = rng.normal(size=(count, DIM)) / np.sqrt(DIM)
    vectors = unit(centres[rng.integers(len(centres), size=count)] + 0.5 * noise)
    near = vectors[rng.integers(count, size=QUERIES * ROUNDS)]
    return vectors, unit(near + 0.2 * rng.normal(size=near.shape) / np.sqrt(DIM))


def unit(vectors: FloatArray) -> FloatArray:
    """Of length 1, float32. [..., dim]."""
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def fill(folder: Path, vectors: FloatArray) -> dict[str, float]:
    """Add all in batches. -> items a second, and seconds until the index answers."""
    space = Space("f" * 16, DIM, "inner_product")
    with Gallery.create(folder, space, log_searches=False) as gallery:
        started = time.perf_counter()
        for start in range(0, len(vectors), BATCH):
            part = range(start, min(start + BATCH, len(vectors)))
            entries = [Entry(f"{n:032x}", f"identity {n // 3}", f"{n}.png") for n in part]
            gallery.add(vectors[part.start : part.stop], entries)
        rate = len(vectors) / (time.perf_counter() - started)
        started = time.perf_counter()
        gallery.search(vectors[:1], K)
        return {"rate": rate, "index_s": time.perf_counter() - started}


def opened_anew(folder: Path, queries: FloatArray) -> dict[str, float]:
    """Open and search in a process of its own. -> seconds, and bytes that the gallery takes."""
    code = (
        "import json, sys, time, numpy as np; from benchmarks.gallery import resident\n"
        "from twinlens.gallery import Gallery\n"
        "query = np.array(json.loads(sys.argv[2]), np.float32)[None]\n"
        "before, started = resident(), time.perf_counter()\n"
        "gallery = Gallery.open(sys.argv[1]); gallery.search(query, 10)\n"
        "print(json.dumps({'seconds': time.perf_counter() - started,\n"
        "  'bytes': resident() - before}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), json.dumps(queries[0].tolist())],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    return json.loads(done.stdout)


def resident() -> int:
    """Bytes of this process in memory. Linux only."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("/proc/self/status must name VmRSS")


def numbers(gallery: Gallery, query: FloatArray) -> list[int]:
    """Places in `clusters` of what is most alike."""
    return [int(hit.item.entry.content, 16) for hit in gallery.search(query[None], K)[0]]


def bare_graph(vectors: FloatArray) -> Callable[[int], Search]:
    """FAISS alone, by the effort of a search."""
    graph = faiss.IndexHNSWFlat(DIM, 32, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = 100
    graph.add(vectors)

    def at(effort: int) -> Search:
        asked = faiss.SearchParametersHNSW(efSearch=effort)
        return lambda query: graph.search(query[None], K, params=asked)[1][0].tolist()

    return at


def tried_setting(setting: Setting, queries: FloatArray, exact: Any) -> dict[str, Any]:
    """How fast a setting is, and how much it finds."""
    started = time.perf_counter()
    setting.search(unit(queries[0] + queries[1]))
    setting.search(unit(queries[2] + queries[3]))
    some = queries[:SLOW_QUERIES] if time.perf_counter() - started > 2 * SLOW_S else queries
    found: list[list[int]] = []
    qps = timed(setting.search, some, found)
    return {"name": setting.name, "qps": qps, "recall": recall(found, exact[: len(some)])}


def timed(search: Search, queries: FloatArray, found: list[list[int]]) -> float:
    """Queries a second, the median of rounds; what each found is appended."""
    taken: list[float] = []
    for part in np.array_split(queries, ROUNDS):
        started = time.perf_counter()
        for query in part:
            found.append(search(query))
        taken.append((time.perf_counter() - started) / len(part))
    return 1 / float(np.median(taken))


def growth(folder: Path, vectors: FloatArray, queries: FloatArray) -> Metric:
    """Milliseconds of a search among fewer."""
    fill(folder, vectors)
    with Gallery.open(folder) as gallery:
        numbers(gallery, queries[0])
        rate = timed(lambda query: numbers(gallery, query), queries, [])
    return Metric(f"search_ms_at_{len(vectors)}", 1000 / rate, "ms", "lower")


def _own(
    qps: float,
    found: float,
    added: dict[str, float],
    opened: dict[str, float],
    stats: Any,
    count: int,
) -> list[Metric]:
    on_disk = (stats.store_bytes + stats.index_bytes) / count
    return [
        Metric("qps", qps, "queries/s"),
        Metric("recall_at_10", found, "rate", goal=LEAST_RECALL),
        Metric("add_per_second", added["rate"], "items/s", goal=20_000),
        Metric("first_search_seconds", added["index_s"], "s", "lower"),
        Metric("open_seconds", opened["seconds"], "s", "lower", goal=2.0),
        Metric("bytes_per_item_on_disk", on_disk, "bytes", "lower"),
        Metric("bytes_per_item_in_memory", opened["bytes"] / count, "bytes", "lower", goal=2147),
        Metric(f"search_ms_at_{count}", 1000 / qps, "ms", "lower"),
    ]
