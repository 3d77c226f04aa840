"""Optimiser, schedule, weight average and precision."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from twinlens.config import TrainConfig
from twinlens.errors import TrainingError

_ROUNDS = 6
"""Of timing each precision; the first plans its kernels."""


def build_optimiser(modules: Iterable[nn.Module], config: TrainConfig) -> torch.optim.AdamW:
    """AdamW that decays matrices and kernels but not biases, scales and norms.

    Raises:
        TrainingError: there is nothing to train.

    Source:
        Loshchilov, Hutter. Decoupled weight decay regularization. ICLR 2019.
    """
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    if not parameters:
        raise TrainingError(
            "Training must have weights to change. Got a network whose weights are all held still. "
            "Set modality.frozen=false or encoder.frozen=false, or take comparator=learned."
        )
    return torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
        fused=True,
    )


def learning_rate(step: int, progress: float, config: TrainConfig) -> float:
    """The learning rate of a step.

    Args:
        step: counted from 0, for the warm-up.
        progress: share of the whole training that is done, in [0, 1].
        config: peak, warm-up and schedule.
    """
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    if config.schedule == "constant":
        return config.learning_rate * warm
    return config.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


class WeightAverage:
    """Exponential moving average of all parameters and buffers of a module.

    Early on the decay is (1 + t) / (10 + t), so the average forgets the random start.

    Source:
        Polyak, Juditsky. Acceleration of stochastic approximation by averaging. 1992;
        the warm-up of the decay as in TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(module)
        self.decay = decay

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Move towards `module` after the step-th step (from 0)."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        average: list[Tensor] = []
        current: list[Tensor] = []
        for own, new in zip(
            self.module.state_dict().values(), module.state_dict().values(), strict=True
        ):
            if own.dtype.is_floating_point:
                average.append(own)
                current.append(new)
            else:
                own.copy_(new)
        lerp = torch._foreach_lerp_  # pyright: ignore
        lerp(average, current, weight)


def chosen_device(asked: str) -> torch.device:
    """Where to train. `asked`: "auto", "cpu" or "cuda".

    Raises:
        TrainingError: there is no such device.
    """
    if asked == "cuda" and not torch.cuda.is_available():
        raise TrainingError(
            'train.device="cuda" needs a GPU that PyTorch can use. Got none, or a build of PyTorch '
            'for processors alone. Set train.device="cpu", or install a build with CUDA.'
        )
    usable = asked != "cpu" and torch.cuda.is_available()
    return torch.device("cuda", torch.cuda.current_device()) if usable else torch.device("cpu")


def device_name(device: torch.device) -> str:
    """ "cpu", or what the GPU calls itself."""
    return "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device)


def faster_precision(module: nn.Module, values: Tensor, mask: Tensor | None) -> str:
    """Time a forward and backward pass of a copy in both precisions: "float32" or "bfloat16".

    bf16 autocast is several times faster on processors with bf16 instructions and several times
    slower on those without; there is no asking, only measuring. The passes take turns, and the
    fastest of each counts, so that other work on the machine weighs on both alike.
    """
    if not any(parameter.requires_grad for parameter in module.parameters()):
        return "float32"  # held still: there is no backward pass to time
    probe = copy.deepcopy(module).train()
    values = values[:32]
    mask = None if mask is None else mask[:32]

    def seconds(autocast: bool) -> float:
        start = time.perf_counter()
        with torch.autocast(values.device.type, dtype=torch.bfloat16, enabled=autocast):
            out = probe(values, mask)
        out.float().square().mean().backward()
        if values.is_cuda:
            torch.cuda.synchronize()  # its work is only queued until then
        return time.perf_counter() - start

    rounds = [(seconds(False), seconds(True)) for _ in range(_ROUNDS)]
    float32, bfloat16 = (min(times) for times in zip(*rounds, strict=True))
    return "bfloat16" if bfloat16 < float32 else "float32"
