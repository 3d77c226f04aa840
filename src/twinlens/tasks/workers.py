"""Embedding a large collection in many processes, here or on a cluster: a job of Ray Data.

Only files are read and embedded there; what is done with the vectors stays with whoever asked, who
gets them a part at a time, in order. So a gallery is filled by one writer, and a job that was cut
off goes on by being asked for again: what is enrolled is not asked for twice.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import socket
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from twinlens.bundle import Bundle
from twinlens.errors import BundleError, ConfigError, TwinlensError, shortened
from twinlens.registry import load_plugin
from twinlens.tasks.readable import Embedded, embed_readable

_MEMORY = 512 * 2**20
"""Bytes that processes of this machine share for what is under way."""
_PATIENCE = 5.0
"""Seconds for a cluster to answer."""
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # tell nobody
    "RAY_DATA_LOG_LEVEL": "ERROR",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
"""Of the environment, where nothing else is set."""

Rows = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Workers:
    """Who embeds.

    Attributes:
        count: processes; each holds the model and uses one core.
        address: of a Ray cluster, as `ray.init` takes it; None: processes of this machine.
        plugins: files that the model needs; on a cluster every machine must have them, and the
            model and the inputs, at the same path.
    """

    count: int
    address: str | None = None
    plugins: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"Workers must be at least 1. Got {self.count}. Name 1 or more.")


def embed_on_workers(
    model: Path, inputs: Sequence[str], *, workers: Workers, fingerprint: str, at_once: int
) -> Iterator[Embedded]:
    """Embed inputs part by part, in order; those that are broken are told.

    The memory of this process does not grow with their number, but for a line each.

    Args:
        model: folder of the model, which each worker loads.
        inputs: paths, which each worker must be able to read, or values.
        workers: who does it.
        fingerprint: which model it must be.
        at_once: inputs of each part.

    Raises:
        TwinlensError: Ray is not installed (the extra `ray`) or cannot be reached, or a worker
            fails again and again or has another model.

    Source:
        Moritz et al. Ray: a distributed framework for emerging AI applications. OSDI 2018.
    """
    if not inputs:
        return
    folder, *plugins = (str(path.absolute()) for path in (model, *workers.plugins))
    with _ray(workers) as ray:
        data = ray.data
        items = [{"place": place, "input": text} for place, text in enumerate(inputs)]
        parts = data.from_items(items).map_batches(
            _Embedder,
            fn_constructor_args=(folder, fingerprint, plugins),
            compute=data.ActorPoolStrategy(size=workers.count),
            batch_size=at_once,
        )
        done = 0
        try:
            for rows in parts.iter_batches(batch_size=at_once):
                done += len(rows["place"])
                yield _embedded(rows, done)
        except ray.exceptions.RayError as error:
            raise TwinlensError(
                f"Workers must embed what they are given. Got {_reason(error)}. What was stored "
                "before is kept; see to it and ask again."
            ) from error


class _Embedder:
    """What a worker runs: it loads the model once."""

    def __init__(self, model: str, fingerprint: str, plugins: Sequence[str]) -> None:
        for plugin in plugins:
            load_plugin(Path(plugin))
        self.bundle = Bundle.load(Path(model))
        if self.bundle.fingerprint != fingerprint:
            raise BundleError(
                f"The model in {model} must be {fingerprint} for every worker. Got "
                f"{self.bundle.fingerprint}. Copy it to every machine."
            )

    def __call__(self, rows: Rows) -> dict[str, Any]:
        count = len(rows["place"])
        vectors = np.zeros((count, self.bundle.siamese.dim), np.float32)
        readable = np.zeros(count, bool)
        problems: list[str] = []
        inputs = [str(text) for text in rows["input"]]
        for part in embed_readable(self.bundle, inputs):
            vectors[part.places] = part.vectors
            readable[part.places] = True
            problems += part.problems
        told = np.full(count, "", object)
        told[~readable] = problems
        return {
            "place": rows["place"], "vector": vectors, "readable": readable, "problem": told
        }  # fmt: skip


def _embedded(rows: Rows, done: int) -> Embedded:
    readable = np.asarray(rows["readable"], bool)
    places: list[int] = np.asarray(rows["place"])[readable].tolist()
    problems = [str(text) for text in np.asarray(rows["problem"], object)[~readable]]
    return Embedded(places, np.asarray(rows["vector"], np.float32)[readable], problems, done)


@contextlib.contextmanager
def _ray(workers: Workers) -> Generator[Any]:
    """Ray, connected; left as it was found, when somebody else had connected it."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        ray: Any = importlib.import_module("ray")
        importlib.import_module("ray.data")
    except ImportError as error:
        raise TwinlensError(
            f"Workers must have the package {error.name}. Got none. Install it: pip install "
            "twinlens[ray]."
        ) from error
    own = not ray.is_initialized()
    if own:
        _connect(ray, workers)
    context = ray.data.DataContext.get_current()
    options = context.execution_options
    before = context.enable_progress_bars, options.preserve_order
    context.enable_progress_bars, options.preserve_order = False, True
    try:
        yield ray
    finally:
        context.enable_progress_bars, options.preserve_order = before
        if own:
            ray.shutdown()


def _connect(ray: Any, workers: Workers) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    here = {
        "num_cpus": workers.count, "include_dashboard": False, "object_store_memory": _MEMORY
    }  # fmt: skip
    try:
        if workers.address is None:
            ray.init(address="local", **here, **quiet)
        else:
            _require_listening(workers.address)
            ray.init(address=workers.address, **quiet)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise TwinlensError(
            f"Ray must be reached at {workers.address or 'this machine'}. Got {_reason(error)}. "
            "Start it, or leave the address out for processes of this machine."
        ) from error


def _require_listening(address: str) -> None:
    """Raise OSError where nobody answers: Ray itself would go on trying for many minutes."""
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.port is not None:
        socket.create_connection((place.hostname, place.port), timeout=_PATIENCE).close()


def _reason(error: BaseException) -> str:
    """The line of a long report that says what went wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return shortened((lines or [type(error).__name__])[-1].rstrip("."), 300)
