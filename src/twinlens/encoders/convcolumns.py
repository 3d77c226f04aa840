"""A small residual convolutional network over pictures that are read along their width."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from twinlens.encoders.described import Described, DescribesPictures, Descriptors
from twinlens.encoders.residual import ConvNorm, Stages, require_stages
from twinlens.functional.ink_box import ink_box
from twinlens.functional.pool import grid_pool
from twinlens.registry import register
from twinlens.settings import require, require_at_least, require_share


@register("encoder", "convcolumns")
class ConvColumns(DescribesPictures):
    """Residual stages over a picture, then `steps` local embeddings in a row, from left to right.

    Each of `steps` columns of equal width gets an embedding of `local` numbers, and all of them
    together are the embedding. The comparator `aligned` finds which part of one picture belongs to
    which of another, as handwriting needs it, which is wider here and narrower there each time.

    Source:
        Residual stages: He, Zhang, Ren, Sun. Deep residual learning for image recognition. CVPR
        2016. Writing as a row of columns of features: Shi, Bai, Yao. An end-to-end trainable neural
        network for image-based sequence recognition. PAMI 39, 2017.
    """

    gives_parts = True

    def __init__(
        self,
        channels: int,
        shape: tuple[int, ...] | None,
        *,
        box: tuple[int, ...] = (),
        widths: tuple[int, ...] = (32, 48, 64),
        strides: tuple[int, ...] = (1, 2, 1),
        stem_stride: int = 2,
        rows: int = 4,
        steps: int = 48,
        local: int = 24,
        dropout: float = 0.0,
        described: Descriptors = "none",
        directions: int = 64,
    ) -> None:
        """Args:
        channels: of the input.
        shape: ignored; any height and width will do.
        box: height and width that the ink of each page is stretched to before the first stage;
            empty = pictures are taken as they are. For ink on paper, which is 0 where
            modality.background is "light" or "dark".
        widths: channels of each residual stage.
        strides: of each stage.
        stem_stride: of the first convolution.
        rows: cells on top of one another that each column is told by.
        steps: columns.
        local: width of the embedding of each.
        dropout: share of the numbers that a column is told by zeroed in training.
        described: what numbers beside the columns tell, by formulas instead of training, and of
            the whole picture, as `convnet` has them. Needs comparator.beside = `directions`.
        directions: how many numbers that are.

        Raises:
            ConfigError: a setting is out of range, or there are not as many strides as widths.
        """
        super().__init__()
        counts = {"encoder.rows": rows, "encoder.steps": steps, "encoder.local": local}
        require_at_least(1, {**counts, "encoder.stem_stride": stem_stride, "encoder.box": box})
        require_at_least(2, {"encoder.directions": directions})
        require_share("encoder.dropout", dropout)
        require(len(box) in (0, 2), "encoder.box", "a height and a width, or empty", box)
        require_stages(widths, strides)
        if shape is not None:
            self.require_axes(len(shape) - 1)
        self.described = None if described == "none" else Described(described, directions)
        self.beside = 0 if self.described is None else directions
        self.learned = slice(steps * local)
        self.dim = steps * local + self.beside
        self.box = (box[0], box[1]) if box else None
        self.rows, self.steps = rows, steps
        self.stem = ConvNorm(channels, widths[0], kernel=3, stride=stem_stride)
        self.stages = Stages(widths[0], widths, strides)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Conv1d(widths[-1] * rows, local, 3, padding=1)
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        self.require_axes(values.ndim - 2)
        columns = self._columns(values, mask)
        if self.described is None:
            return columns
        if self.training:  # as if they were alone: they would lean upon the other part
            return torch.cat([columns, columns.new_zeros(len(columns), self.beside)], dim=1)
        return torch.cat([columns.float(), self.described(values, mask)], dim=1)

    def _columns(self, values: Tensor, mask: Tensor | None) -> Tensor:
        x = values
        if self.box is not None:
            x, mask = ink_box(values, self.box), None
        x = x.contiguous(memory_format=torch.channels_last)
        x, mask = self.stem(x, mask)
        x = torch.relu_(x)
        x, mask = self.stages(x, mask)
        x = grid_pool(x, mask, (self.rows, self.steps))  # [batch, width, rows, steps]
        x = self.head(self.dropout(x.flatten(1, 2)))  # [batch, local, steps]
        return x.transpose(1, 2).flatten(1)  # [batch, steps * local]
