from __future__ import annotations

import torch
from torch import Tensor, nn

from twinlens.comparators.base import Comparator
from twinlens.registry import register
from twinlens.settings import require_at_least


@register("comparator", "learned")
class Learned(Comparator):
    """A fully connected head over (|a − b|, a · b): the score is a logit of "the same".

    Symmetric by construction, since both inputs are. Koch et al. (2015) weigh |a − b| by one
    linear layer; the product and a hidden layer let the head see agreement as well as
    difference.

    Source:
        Koch, Zemel, Salakhutdinov. Siamese neural networks for one-shot image recognition.
        ICML Deep Learning Workshop 2015, equation p = σ(Σ αⱼ |aⱼ − bⱼ|).
    """

    is_logit = True

    def __init__(self, dim: int, *, hidden: int = 64, chunk: int = 16384) -> None:
        """Args:
        dim: width of an embedding.
        hidden: width of the hidden layer; 0 = one linear layer, as Koch.
        chunk: pairs scored at once by `matrix`, which bounds its memory.

        Raises:
            ConfigError: a setting is out of range.
        """
        super().__init__()
        require_at_least(0, {"comparator.hidden": hidden})
        require_at_least(1, {"comparator.chunk": chunk})
        self.chunk = chunk
        self.head = (
            nn.Sequential(nn.Linear(2 * dim, hidden), nn.ReLU(), nn.Linear(hidden, 1))
            if hidden
            else nn.Linear(2 * dim, 1)
        )

    def paired(self, a: Tensor, b: Tensor) -> Tensor:
        features = torch.cat([(a - b).abs(), a * b], dim=-1)  # [n, 2 dim]
        return self.head(features).squeeze(-1)  # [n]

    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        rows = max(1, self.chunk // max(1, len(b)))
        blocks = [
            self.paired(block[:, None], b[None])  # [rows, m]
            for block in a.split(rows)
        ]
        return torch.cat(blocks) if blocks else a.new_zeros(0, len(b))
