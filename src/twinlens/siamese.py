"""Encoder + comparator = the model. torch ends here."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from twinlens.comparators.base import Comparator
from twinlens.encoders.base import Encoder
from twinlens.errors import BundleError, ConfigError, DataError
from twinlens.modalities.base import Modality
from twinlens.types import Batch, FloatArray, IntArray, Store

_AT_ONCE = 256
"""Training examples that an encoder is shown at once before training."""


class Siamese(nn.Module):
    """A Siamese network: any number of branches, literally the same parameters.

    There is one encoder. A second or third branch is a second or third call of it, or, as
    `forward` does, one call on the stacked inputs: the weights cannot drift apart because there
    is nothing to keep in step.

    Source:
        Bromley et al. Signature verification using a "Siamese" time delay neural network.
        NeurIPS 1993.
    """

    def __init__(self, encoder: Encoder, comparator: Comparator, modality: Modality) -> None:
        super().__init__()
        self.encoder = encoder
        self.comparator = comparator
        self.modality = modality

    @property
    def dim(self) -> int:
        """Width of an embedding."""
        return self.encoder.dim

    @property
    def device(self) -> torch.device:
        """Where its numbers are: inputs are brought there, results back."""
        tensors = itertools.chain(self.parameters(), self.buffers())
        return next((tensor.device for tensor in tensors), torch.device("cpu"))

    def tensors(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """A collated batch as what the encoder takes: normalised values, 0 where padded."""
        values = self.modality.normalise(torch.from_numpy(np.ascontiguousarray(batch.values)))
        if batch.mask is None:
            return values, None
        mask = torch.from_numpy(batch.mask)
        return values * mask[:, None], mask

    def begin(
        self, store: Store, labels: IntArray, claims: IntArray, *, trained: bool = False
    ) -> None:
        """Let the encoder take up what it can before the first step of a training.

        Args:
            store: of the training examples.
            labels, claims: [n] as of a `Dataset`.
            trained: whether it has weights of another training, which it keeps.
        """
        count = len(store.shapes)
        starts = range(0, count, _AT_ONCE)
        gathered = (store.gather(np.arange(i, min(i + _AT_ONCE, count))) for i in starts)
        whose = (torch.from_numpy(numbers) for numbers in (labels, claims))
        take_up = self.encoder.adapt if trained else self.encoder.begin
        take_up(map(self.tensors, gathered), *whose)

    def require_room(self, store: Store, side: str) -> None:
        """Check that the encoder takes every example whole.

        Args:
            store: of the examples of one side of a split.
            side: its name.

        Raises:
            ConfigError: one is longer than the encoder has positions.
        """
        most = self.encoder.positions
        longest = max((shape[-1] for shape in store.shapes), default=0)
        if most is not None and longest > most:
            raise ConfigError(
                f"modality.max_tokens must be at most {most:,}, the positions of the pretrained "
                f"model. Got a text of {longest:,} tokens, its prompt and marks included, on the "
                f"side {side} of the split. Set modality.max_tokens={most}."
            )

    def encode(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalised tensors -> projected embeddings [batch, dim], with gradient."""
        return self.comparator.project(self.encoder(values, mask).float())

    def forward(self, *branches: Tensor) -> tuple[Tensor, ...]:
        """Two or more branches of equal shape -> their embeddings, by one shared encoder.

        Args:
            branches: each [batch, channels, *axes], normalised.
        """
        sizes = [len(branch) for branch in branches]
        return self.encode(torch.cat(branches)).split(sizes)

    @torch.no_grad()
    def embed(self, batch: Batch) -> FloatArray:
        """Projected embeddings of a collated batch. -> [batch, dim] float32.

        Raises:
            DataError: the batch holds NaN or infinity.
            BundleError: the weights make NaN of finite input.
        """
        self.eval()
        values, mask = self.tensors(batch)
        if not torch.isfinite(values).all():
            raise DataError(
                "Every input value must be finite. Got NaN or infinity. Clean the data."
            )
        device = self.device
        views = [values, *self.modality.views(values, mask)]
        mask = None if mask is None else mask.to(device)
        embeddings, *looks = (self.encode(view.to(device), mask) for view in views)
        if looks:
            embeddings = self.comparator.project(torch.stack([embeddings, *looks]).mean(0))
        if not torch.isfinite(embeddings).all():
            raise BundleError(
                "Embeddings must be finite. Got NaN or infinity from finite input: the weights "
                "are damaged. Train again or restore the model from a copy."
            )
        return embeddings.cpu().numpy()

    @torch.no_grad()
    def score(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Score embeddings row by row; larger = more alike. [n, dim], [n, dim] -> [n]."""
        return self.comparator.paired(*self._brought(a, b)).cpu().numpy()

    @torch.no_grad()
    def score_matrix(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Score every row of `a` with every row of `b`. [n, dim], [m, dim] -> [n, m]."""
        one, other = self._brought(a) * 2 if a is b else self._brought(a, b)
        return self.comparator.matrix(one, other).cpu().numpy()

    def require_symmetric(self, what: str) -> None:
        """Check that a score is the same from both sides.

        Args:
            what: needs that.

        Raises:
            ConfigError: it is not.
        """
        if not self.comparator.symmetric:
            raise ConfigError(
                f"comparator must give the same score from both sides for {what}. Got "
                f"{type(self.comparator).__name__} from left to right. Set it to compare both "
                "ways, or give pairs of a question (left) and an answer (right)."
            )

    def _brought(self, *embeddings: FloatArray) -> tuple[Tensor, ...]:
        device = self.device
        return tuple(torch.from_numpy(rows).to(device) for rows in embeddings)

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """Name and tensor of all that the bundle stores, buffers included."""
        yield from self.state_dict().items()
