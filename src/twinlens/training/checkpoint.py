"""Training state on disk: one safetensors file, replaced atomically."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from twinlens.atomic import write_bytes
from twinlens.errors import TrainingError


@dataclass(slots=True)
class TrainingState:
    """All that a run needs to go on as if it had never stopped.

    Randomness is a function of (seed, step), so no generator state is kept.

    Attributes:
        step: steps done.
        seconds: spent in training so far.
        best_score: best validation score so far, or None.
        best_step: where it was.
        precision: as measured when the run began, or went on elsewhere.
        device: what it runs on: "cpu", or the name of a GPU.
        data: hash of what is trained on.
        start: fingerprint of the model that the first weights are of; "" = of none.
        run: tells this run from any other.
    """

    step: int = 0
    seconds: float = 0.0
    best_score: float | None = None
    best_step: int = 0
    precision: str = "float32"
    device: str = "cpu"
    data: str = ""
    start: str = ""
    run: str = field(default_factory=lambda: uuid4().hex)


def save_checkpoint(
    path: Path,
    *,
    state: TrainingState,
    config: dict[str, Any],
    modules: dict[str, nn.Module],
    optimiser: torch.optim.Optimizer,
) -> None:
    """Write modules, optimiser and state to one file; a kill leaves the old or the new one."""
    tensors: dict[str, Tensor] = {}
    for name, module in modules.items():
        for key, tensor in module.state_dict().items():
            tensors[f"{name}.{key}"] = tensor.contiguous()
    for index, entry in optimiser.state_dict()["state"].items():
        for key, tensor in entry.items():
            tensors[f"optimiser.{index}.{key}"] = tensor.contiguous()
    fields = {name: getattr(state, name) for name in TrainingState.__dataclass_fields__}
    header = {"state": json.dumps(fields), "config": json.dumps(config)}
    write_bytes(path, save({k: v.clone() for k, v in tensors.items()}, metadata=header))


def read_header(path: Path) -> tuple[TrainingState, dict[str, Any]]:
    """State and configuration of a checkpoint.

    Raises:
        TrainingError: it cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata()
        return TrainingState(**json.loads(header["state"])), json.loads(header["config"])
    except (OSError, SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise TrainingError(
            f"A checkpoint must be a file that this version wrote. Got {path}: {error}. "
            "Train again without --resume."
        ) from error


def load_checkpoint(
    path: Path, *, modules: dict[str, nn.Module], optimiser: torch.optim.Optimizer
) -> TrainingState:
    """Put a checkpoint's tensors back into modules and optimiser.

    Raises:
        TrainingError: it cannot be read or belongs to another network.
    """
    state, _ = read_header(path)
    with safe_open(path, framework="pt") as file:
        tensors: dict[str, Tensor] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    try:
        for name, module in modules.items():
            own = {
                k.removeprefix(f"{name}."): v
                for k, v in tensors.items()
                if k.startswith(f"{name}.")
            }
            module.load_state_dict(own)
    except RuntimeError as error:
        raise TrainingError(
            f"A checkpoint must fit the configuration. Got another network in {path}. "
            "Resume with the configuration that it was started with."
        ) from error
    _load_optimiser(optimiser, tensors)
    return state


def _load_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Moments are laid out in memory as their parameters are: the fused AdamW runs over raw memory
    and would pair the wrong numbers for channels-last kernels."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    entries: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimiser."):
            _, index, name = key.split(".", 2)
            like = parameters[int(index)]
            entry = entries.setdefault(int(index), {})
            entry[name] = tensor if tensor.ndim == 0 else torch.empty_like(like).copy_(tensor)
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": entries, "param_groups": groups})
