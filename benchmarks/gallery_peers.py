"""LanceDB and Milvus Lite holding the same vectors, each at several of its own settings."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twinlens.types import FloatArray, IntArray

Search = Callable[[FloatArray], list[int]]
"""One query [dim] -> numbers of the best, as many as were asked for."""
EFFORTS = (32, 64, 128, 256)
PROBES = (4, 16, 64)
BUILD_S = 900.0
"""How long an index may take to be built."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One way of searching that a system offers.

    Attributes:
        name: of the index and its parameters.
        search: one query at a time.
    """

    name: str
    search: Search


def _module(name: str) -> Any:
    """A peer, which only some machines have: the extra `peers`."""
    return importlib.import_module(name)


def lancedb_settings(place: Path, vectors: FloatArray, k: int) -> Iterator[Setting]:
    """A table searched by comparing with all, by partitions, and by graphs. [n, dim] unit vectors.
    """  # fmt: skip
    lancedb, pa = _module("lancedb"), _module("pyarrow")
    rows = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    content = pa.table({"id": pa.array(np.arange(len(vectors))), "vector": rows})
    table: Any = lancedb.connect(str(place)).create_table("items", content)

    def asked(query: FloatArray) -> Any:
        return table.search(query).distance_type("dot").select(["id", "_distance"]).limit(k)

    def numbers(question: Any) -> list[int]:
        return question.to_arrow().column("id").to_pylist()

    yield Setting("all", lambda query: numbers(asked(query)))
    _index(table, "IVF_FLAT", max(1, round(len(vectors) ** 0.5)))
    for probes in PROBES:
        yield Setting(f"IVF_FLAT, {probes} probes", _with(asked, numbers, probes, None))
    _index(table, "IVF_HNSW_FLAT", 1)
    for effort in EFFORTS:
        yield Setting(f"IVF_HNSW_FLAT, ef {effort}", _with(asked, numbers, 1, effort))


def _with(
    asked: Callable[[FloatArray], Any],
    numbers: Callable[[Any], list[int]],
    probes: int,
    effort: int | None,
) -> Search:
    def search(query: FloatArray) -> list[int]:
        question = asked(query).nprobes(probes)
        return numbers(question if effort is None else question.ef(effort))

    return search


def _index(table: Any, kind: str, partitions: int) -> None:
    with warnings.catch_warnings():  # the newer call cannot name every kind
        warnings.simplefilter("ignore", DeprecationWarning)
        table.create_index(
            "dot",
            num_partitions=partitions,
            vector_column_name="vector",
            index_type=kind,
            replace=True,
        )


def milvus_settings(place: Path, vectors: FloatArray, k: int) -> Iterator[Setting]:
    """A collection searched by partitions and by a graph; comparing with all is slower."""
    pymilvus = _module("pymilvus")
    place.mkdir()
    kinds: dict[str, tuple[dict[str, int], list[dict[str, int]]]] = {
        "IVF_FLAT": ({"nlist": 512}, [{"nprobe": probes} for probes in PROBES]),
        "HNSW": ({"M": 32, "efConstruction": 100}, [{"ef": effort} for effort in EFFORTS]),
    }
    for kind, (parameters, searches) in kinds.items():
        client: Any = pymilvus.MilvusClient(str(place / f"{kind}.db"))
        schema = client.create_schema(auto_id=False)
        schema.add_field("id", pymilvus.DataType.INT64, is_primary=True)
        schema.add_field("vector", pymilvus.DataType.FLOAT_VECTOR, dim=vectors.shape[1])
        client.create_collection("items", schema=schema)
        for start in range(0, len(vectors), 1000):
            part = enumerate(vectors[start : start + 1000], start)
            client.insert("items", [{"id": i, "vector": vector} for i, vector in part])
        client.flush("items")
        index = client.prepare_index_params()
        index.add_index("vector", index_type=kind, metric_type="IP", params=parameters)
        client.create_index("items", index, timeout=BUILD_S)  # or it asks again while it builds
        client.load_collection("items")
        for asked in searches:
            yield Setting(f"{kind}, {asked}", _milvus_search(client, k, asked))
        client.close()


def _milvus_search(client: Any, k: int, asked: dict[str, int]) -> Search:
    def search(query: FloatArray) -> list[int]:
        found = client.search(
            "items", [query], limit=k, search_params={"metric_type": "IP", "params": asked}
        )
        return [hit["id"] for hit in found[0]]

    return search


def recall(found: list[list[int]], exact: IntArray) -> float:
    """Share of the exact answers that were found. [queries, k]."""
    hits = [len(set(a) & set(b)) for a, b in zip(found, exact.tolist(), strict=True)]
    return float(np.sum(hits) / exact.size)
