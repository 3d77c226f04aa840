"""An embedding of each step of a series, all of them kept."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twinlens.encoders.base import Encoder
from twinlens.functional.distance import l2_normalise
from twinlens.registry import register
from twinlens.settings import require, require_at_least, require_share


@register("encoder", "stepwise")
class Stepwise(Encoder):
    """The first `steps` steps, each with an embedding of its own, in a row.

    For comparators that let the parts of two inputs find one another, as `maxsim` and `matches`
    do for the words of two texts. The length of a part's embedding is how much it counts, and is
    that of the input; 0 = there is none.

    Source:
        Khattab, Zaharia. ColBERT. SIGIR 2020 (an embedding for each token, to compare late).
    """

    axes = (1,)
    gives_parts = True

    def __init__(
        self,
        channels: int,
        shape: tuple[int, ...] | None,
        *,
        steps: int = 32,
        local: int = 0,
        kernel: int = 1,
        dropout: float = 0.0,
    ) -> None:
        """Args:
        channels: of the input.
        shape: ignored; any length will do.
        steps: that are kept; later ones are left out.
        local: width of a step's embedding; 0 = that of the input, which is then kept as it is but
            for what its neighbours add.
        kernel: steps that a step's embedding sees, itself in the middle; odd.
        dropout: share of features zeroed in training.

        Raises:
            ConfigError: a setting is out of range.
        """
        super().__init__()
        require_at_least(1, {"encoder.steps": steps})
        require_at_least(0, {"encoder.local": local})
        require(kernel % 2 == 1, "encoder.kernel", "odd", kernel)
        require_share("encoder.dropout", dropout)
        if shape is not None:
            self.require_axes(len(shape) - 1)
        self.steps, self.local = steps, local or channels
        self.dim = steps * self.local
        self.around = (
            nn.Conv1d(channels, channels, kernel, padding=kernel // 2, bias=False)
            if kernel > 1
            else None
        )
        self.head = nn.Linear(channels, local, bias=False) if local else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        self.require_axes(values.ndim - 2)
        counts = values.norm(dim=1)  # [batch, time]
        if mask is not None:
            counts = counts * mask
        x = values if self.around is None else values + torch.tanh(self.around(values))
        x = self.dropout(x.transpose(1, 2))  # [batch, time, channels]
        x = l2_normalise(x if self.head is None else self.head(x)) * counts[..., None]
        missing = self.steps - x.shape[1]
        return F.pad(x, (0, 0, 0, missing)).flatten(1)  # [batch, steps * local]; cut if below 0
