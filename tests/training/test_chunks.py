"""A batch in parts has the gradient of the batch in one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from texts import SMALL, write_pairs
from twinlens.comparators import Cosine
from twinlens.comparators.base import Comparator
from twinlens.config import load_config
from twinlens.encoders import Recurrent
from twinlens.errors import ConfigError
from twinlens.fit import fit
from twinlens.losses import LossValue, SupCon
from twinlens.registry import Component, build, lookup, names
from twinlens.testing.loss_batches import targets_of
from twinlens.training.chunks import backward_in_chunks

LABELS = torch.arange(12) % 4


def batch() -> tuple[Tensor, Tensor]:
    """Series of several lengths."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.arange(9) < torch.randint(3, 10, (12, 1), generator=generator)
    return torch.randn(12, 3, 9, generator=generator) * mask[:, None], mask


def gradients(modules: list[nn.Module]) -> list[Tensor]:
    found = [p.grad for module in modules for p in module.parameters()]
    for module in modules:
        module.zero_grad()
    return [torch.zeros(0) if gradient is None else gradient for gradient in found]


@pytest.mark.parametrize("name", names("loss"))
@pytest.mark.parametrize("chunk", [1, 5])
def test_every_loss_has_the_gradient_of_the_whole_batch(name: str, chunk: int) -> None:
    torch.manual_seed(0)
    encoder = Recurrent(3, None, dim=8, hidden=6, rows=1).train()
    loss = build("loss", Component(name), 8, 4)
    learned = lookup("loss", name).needs_learned
    comparator: Comparator = build("comparator", Component("learned" if learned else "cosine"), 8)
    values, mask = batch()

    def cost(embeddings: Tensor) -> LossValue:
        return loss(embeddings, targets_of(LABELS, loss.consumes), comparator)

    def encode(values: Tensor, mask: Tensor | None) -> Tensor:
        return comparator.project(encoder(values, mask))

    modules = [encoder, loss, comparator]
    whole = cost(encode(values, mask))
    whole.total.backward()
    expected = gradients(modules)
    parts = backward_in_chunks(encode, values, mask, cost, chunk=chunk)
    torch.testing.assert_close(parts.total, whole.total)
    for found, wanted in zip(gradients(modules), expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_both_passes_drop_the_same_features() -> None:
    """With other features dropped in the second pass the gradient would be of nothing."""
    encoder = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(27, 8)).train()
    values, _ = batch()
    seen: list[Tensor] = []

    def encode(values: Tensor, mask: Tensor | None) -> Tensor:
        seen.append(Cosine(8).project(encoder(values)))
        return seen[-1]

    def cost(embeddings: Tensor) -> LossValue:
        return SupCon(8, 4)(embeddings, LABELS, Cosine(8))

    torch.manual_seed(1)
    backward_in_chunks(encode, values, None, cost, chunk=6)
    after = torch.rand(1)
    for first, second in zip(seen[:2], seen[2:], strict=True):
        assert torch.equal(first, second)
    torch.manual_seed(1)
    with torch.no_grad():
        encoder(values[:6]), encoder(values[6:])
    assert torch.equal(torch.rand(1), after)  # as many random numbers as one pass draws


def test_a_training_in_chunks_is_the_training(tmp_path: Path) -> None:
    data = write_pairs(tmp_path)
    settings = [*SMALL, "loss=infonce", "encoder.dropout=0", "train.steps=4"]
    whole = fit(data, tmp_path / "whole", config=load_config(None, settings))
    parts = fit(data, tmp_path / "parts", config=load_config(None, [*settings, "train.chunk=7"]))
    for (name, one), (_, other) in zip(
        whole.siamese.weights(), parts.siamese.weights(), strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3, msg=name)


def test_a_negative_chunk_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"train\.chunk must be at least 0"):
        load_config(None, ["train.chunk=-1"])
