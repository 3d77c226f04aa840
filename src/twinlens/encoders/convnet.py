"""A small residual convolutional network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from twinlens.encoders.described import Described, DescribesPictures, Descriptors
from twinlens.encoders.residual import ConvNorm, Stages, require_stages
from twinlens.functional.distance import l2_normalise
from twinlens.functional.pool import grid_pool, standardised
from twinlens.registry import Setting, register
from twinlens.settings import require, require_at_least, require_share


@register("encoder", "convnet")
class ConvNet(DescribesPictures):
    """Residual stages, pooled onto a grid, then one dense layer.

    With `grid=1` this is global pooling. A grid of a few cells keeps roughly where things are,
    which characters, signatures and faces need; the grid is laid over each picture's own extent,
    so pictures of any size share one network and padding never changes an embedding.

    Source:
        He, Zhang, Ren, Sun. Deep residual learning for image recognition. CVPR 2016, with the
        average-pooled shortcut of He et al. Bag of tricks for image classification. CVPR 2019.
        Instance normalisation against differences of appearance: Pan, Luo, Shi, Tang. Two at once:
        enhancing learning and generalization capacities via IBN-Net. ECCV 2018.
    """

    neutral: ClassVar[Mapping[str, Setting]] = {
        "standardise": False,
        "described": "none",
        "directions": 64,
        "described_share": 0.5,
    }

    def __init__(
        self,
        channels: int,
        shape: tuple[int, ...] | None,
        *,
        dim: int = 128,
        widths: tuple[int, ...] = (32, 64, 96),
        strides: tuple[int, ...] = (1, 2, 2),
        stem_stride: int = 2,
        grid: int = 4,
        dropout: float = 0.0,
        standardise: bool = False,
        described: Descriptors = "none",
        directions: int = 64,
        described_share: float = 0.5,
    ) -> None:
        """Args:
        channels: of the input.
        shape: ignored; any height and width will do.
        dim: width of the embedding.
        widths: channels of each residual stage.
        strides: of each stage.
        stem_stride: of the first convolution.
        grid: the pooled features are grid × grid cells.
        dropout: share of pooled features zeroed in training.
        standardise: bring each channel of each picture to mean 0 and deviation 1 first, so that
            the colour and the strength of the light hardly count (instance normalisation).
        described: what a second part of the embedding tells, by formulas instead of training:
            "places" = edges and lines, and where they are, for faces and things; "strokes" =
            measures of a drawing on paper, as its size, slant and how its lines run, for
            signatures; "colours" = how much of a photo is of which colour, for things of many
            colours; "none" = there is no such part. Of few identities it often knows as much
            as the network, and of other pairs. Needs comparator.name = "cosine".
        directions: numbers of `dim` that this part takes: those in which identities differ most,
            and for "strokes" one that holds their distance.
        described_share: share of the cosine of two embeddings that is its own, before several
            views of a picture are averaged.

        Raises:
            ConfigError: a setting is out of range, or there are not as many strides as widths.
        """
        super().__init__()
        counts = {"encoder.dim": dim, "encoder.grid": grid, "encoder.stem_stride": stem_stride}
        require_at_least(1, counts)
        require_at_least(2, {"encoder.directions": directions})
        require_share("encoder.dropout", dropout)
        require_share("encoder.described_share", described_share)
        require_stages(widths, strides)
        if shape is not None:
            self.require_axes(len(shape) - 1)
        self.described = None if described == "none" else Described(described, directions)
        self.described_share = described_share
        self.dim = dim
        learned = dim if self.described is None else dim - directions
        self.learned, self.beside = slice(learned), dim - learned
        require(learned > 0, "encoder.dim", f"above {directions} where pictures are described", dim)
        self.grid = grid
        self.standardise = standardise
        self.stem = ConvNorm(channels, widths[0], kernel=3, stride=stem_stride)
        self.stages = Stages(widths[0], widths, strides)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[-1] * grid * grid, learned)
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        self.require_axes(values.ndim - 2)
        learned = self._learned(values, mask)
        if self.described is None:
            return learned
        learned = l2_normalise(learned.float())
        if self.training:  # as if it were alone: it would lean upon the other part
            return torch.cat([learned, learned.new_zeros(len(learned), self.described.width)], 1)
        other = self.described(values, mask)
        share = self.described_share
        return torch.cat([(1 - share) ** 0.5 * learned, share**0.5 * other], dim=1)

    def _learned(self, values: Tensor, mask: Tensor | None) -> Tensor:
        x = standardised(values, mask) if self.standardise else values
        x = x.contiguous(memory_format=torch.channels_last)
        x, mask = self.stem(x, mask)
        x = torch.relu_(x)
        x, mask = self.stages(x, mask)
        x = grid_pool(x, mask, (self.grid, self.grid))  # [batch, width, grid, grid]
        return self.head(self.dropout(x.flatten(1)))  # [batch, dim]
