"""A large batch in little memory: the encoder sees it in parts, the loss sees all of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from twinlens.losses.base import LossValue

Encode = Callable[[Tensor, Tensor | None], Tensor]


def backward_in_chunks(
    encode: Encode,
    values: Tensor,
    mask: Tensor | None,
    loss: Callable[[Tensor], LossValue],
    *,
    chunk: int,
) -> LossValue:
    """The gradient of a loss over a whole batch, holding the graph of one part at a time.

    All parts are encoded once without a graph; the loss gives the gradient at their embeddings;
    then each part is encoded again, with the same dropout, and that gradient goes on through it.
    The result is that of one pass, but for rounding, where the encoder treats each example by
    itself; layers that normalise over a batch see the parts.

    Args:
        encode: values and mask -> [batch, dim], with gradient.
        values: [batch, channels, *axes].
        mask: [batch, *axes], or None.
        loss: of all embeddings, [batch, dim].
        chunk: examples in a part.

    Returns:
        What the loss gave. Gradients are added to those of all parameters.

    Source:
        Gao, Zhang, Han, Callan. Scaling deep contrastive learning batch size under memory limited
        setup. RepL4NLP 2021, section 3.
    """
    starts = range(0, len(values), chunk)
    parts = [slice(start, start + chunk) for start in starts]
    states: list[Tensor] = []
    found: list[Tensor] = []
    with torch.no_grad():
        for part in parts:
            states.append(_state(values.device))
            found.append(encode(values[part], None if mask is None else mask[part]))
    embeddings = torch.cat(found).requires_grad_()  # [batch, dim]
    value = loss(embeddings)
    value.total.backward()
    after = _state(values.device)
    assert embeddings.grad is not None  # a loss has a graph, even where it is 0
    for part, state in zip(parts, states, strict=True):
        _take_state(values.device, state)
        again = encode(values[part], None if mask is None else mask[part])
        again.backward(embeddings.grad[part])
    _take_state(values.device, after)
    return value


def _state(device: torch.device) -> Tensor:
    """What dropout on this device will draw next."""
    return torch.get_rng_state() if device.type == "cpu" else torch.cuda.get_rng_state(device)


def _take_state(device: torch.device, state: Tensor) -> None:
    if device.type == "cpu":
        torch.set_rng_state(state)
    else:
        torch.cuda.set_rng_state(state, device)
