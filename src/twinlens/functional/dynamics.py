"""How a pen moves, derived from where it was: the one place that says how (torch).

A path is [batch, channels, time], sampled at even steps of its own time. The first channels are x
and y, centred and scaled by their root mean square; then whatever else the pen recorded.

Source:
    Features as in: Kholmatov, Yanikoglu. Identity authentication using improved online signature
    verification method. Pattern Recognition Letters 26, 2005; Fierrez, Ortega-Garcia et al.
    HMM-based on-line signature verification. Pattern Recognition Letters 28, 2007.
"""

from __future__ import annotations

import torch
from torch import Tensor

DERIVED = ("dx", "dy", "speed", "cosine", "sine", "turn", "acceleration", "vx", "vy", "pace")
_GAIN = 40.0
"""Brings a step of a path of some 200 points to about 1."""
_SLOW = 0.05
"""Speed (about 1 on average) below which a direction fades to none: it would be noise."""


def derive(place: Tensor, log_duration: Tensor) -> Tensor:
    """Movement at each moment.

    * dx, dy: first differences, central, in path sizes per 1/40 of the duration of 200 steps;
    * speed: log(1 + |d|); acceleration: its difference;
    * cosine, sine: of the direction, faded where the pen stands;
    * turn: sine of the change of direction, which is curvature times speed;
    * vx, vy: dx and dy by the clock, not by the path's own duration; pace: log(1 + |v|).

    Args:
        place: [batch, 2, time] x and y.
        log_duration: [batch, 1, time] natural logarithm of how long the path took, in units of 200
            samples of the clock.

    Returns:
        [batch, len(DERIVED), time].
    """
    d = _difference(place) * _GAIN * (place.shape[2] / 200)  # [b, 2, t]
    length = d.square().sum(1, keepdim=True).add(1e-12).sqrt()
    direction = d / (length + _SLOW)
    speed = torch.log1p(length)
    bend = _difference(direction)
    turn = direction[:, :1] * bend[:, 1:] - direction[:, 1:] * bend[:, :1]
    clock = torch.exp(-log_duration)
    by_clock = (d * clock, torch.log1p(length * clock))
    return torch.cat([d, speed, direction, 4 * turn, 4 * _difference(speed), *by_clock], 1)


def _difference(values: Tensor) -> Tensor:
    """Central difference along the last axis; one-sided at the ends. Shapes stay."""
    padded = torch.nn.functional.pad(values, (1, 1), mode="replicate")
    change = padded[..., 2:] - padded[..., :-2]
    scale = torch.full((values.shape[-1],), 0.5)
    scale[0] = scale[-1] = 1.0
    return change * scale


def warp_time(values: Tensor, positions: Tensor) -> Tensor:
    """Read each series at other moments, by straight lines. [b, c, t], [b, t] in [0, t - 1]."""
    low = positions.floor().clamp(0, values.shape[2] - 2).long()
    share = (positions - low)[:, None]
    index = low[:, None].expand(-1, values.shape[1], -1)
    return values.gather(2, index) * (1 - share) + values.gather(2, index + 1) * share
