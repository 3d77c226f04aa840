"""Pooling over each example's own extent."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from twinlens.functional.pool import (
    downsample_mask,
    extents,
    grid_pool,
    masked_mean,
    pooling_matrix,
)

sizes = st.integers(1, 9)
grids = st.integers(1, 6)


def canvas(extent: tuple[int, ...], pad: tuple[int, ...], seed: int) -> tuple[Tensor, Tensor]:
    """One example in the corner of a canvas that is filled with noise where it is padded."""
    generator = torch.Generator().manual_seed(seed)
    shape = [size + more for size, more in zip(extent, pad, strict=True)]
    mask = torch.zeros(1, *shape, dtype=torch.bool)
    mask[(0, *(slice(size) for size in extent))] = True
    return torch.randn(1, 2, *shape, generator=generator), mask


def own(values: Tensor, extent: tuple[int, ...]) -> Tensor:
    return values[(slice(None), slice(None), *(slice(size) for size in extent))]


def test_grid_pool_by_hand() -> None:
    # Three real places into two bins: places 0-1 and 1-2 (bins overlap); the 99 is padding.
    values = torch.tensor([[[1.0, 3.0, 5.0, 99.0]]])
    mask = torch.tensor([[True, True, True, False]])
    assert grid_pool(values, mask, (2,)).tolist() == [[[2.0, 4.0]]]


def test_grid_pool_mixes_extents_in_one_batch() -> None:
    values = torch.arange(2 * 4 * 4, dtype=torch.float32).view(2, 1, 4, 4)
    mask = torch.zeros(2, 4, 4, dtype=torch.bool)
    mask[0, :2, :3] = True
    mask[1, :4, :1] = True
    pooled = grid_pool(values, mask, (2, 2))
    torch.testing.assert_close(pooled[:1], F.adaptive_avg_pool2d(values[:1, :, :2, :3], 2))
    torch.testing.assert_close(pooled[1:], F.adaptive_avg_pool2d(values[1:, :, :4, :1], 2))


@given(height=sizes, width=sizes, down=sizes, right=sizes, rows=grids, columns=grids)
def test_grid_pool_is_adaptive_pooling_of_the_unpadded_picture(
    height: int, width: int, down: int, right: int, rows: int, columns: int
) -> None:
    values, mask = canvas((height, width), (down, right), seed=height * 10 + width)
    expected = F.adaptive_avg_pool2d(own(values, (height, width)), (rows, columns))
    torch.testing.assert_close(grid_pool(values, mask, (rows, columns)), expected)


@given(length=sizes, pad=st.integers(0, 9), bins=grids)
def test_grid_pool_is_adaptive_pooling_of_the_unpadded_series(
    length: int, pad: int, bins: int
) -> None:
    values, mask = canvas((length,), (pad,), seed=length)
    expected = F.adaptive_avg_pool1d(own(values, (length,)), bins)
    torch.testing.assert_close(grid_pool(values, mask, (bins,)), expected)


def test_grid_pool_without_mask_is_torch() -> None:
    values = torch.randn(2, 3, 7, 5)
    assert torch.equal(grid_pool(values, None, (3, 2)), F.adaptive_avg_pool2d(values, (3, 2)))
    series = torch.randn(2, 3, 7)
    assert torch.equal(grid_pool(series, None, (3,)), F.adaptive_avg_pool1d(series, 3))


def test_none_leaves_an_axis_as_it_is() -> None:
    values, mask = canvas((3, 4), (2, 2), seed=1)
    pooled = grid_pool(values, mask, (2, None))
    assert pooled.shape == (1, 2, 2, 6)
    expected = F.adaptive_avg_pool2d(own(values, (3, 6)), (2, None))
    torch.testing.assert_close(pooled, expected)
    assert torch.equal(grid_pool(values, None, (2, None)), F.adaptive_avg_pool2d(values, (2, None)))
    assert grid_pool(values[:, :, 0], None, (None,)).shape == (1, 2, 6)


def test_nothing_real_pools_to_zero() -> None:
    values, mask = torch.ones(1, 2, 3, 3), torch.zeros(1, 3, 3, dtype=torch.bool)
    for pooled in (grid_pool(values, mask, (2, 2)), masked_mean(values, mask)):
        assert torch.equal(pooled, torch.zeros_like(pooled))


@pytest.mark.parametrize("grid", [(2,), (2, 2, 2)])
def test_grid_pool_refuses_a_grid_of_other_axes(grid: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="one number for each"):
        grid_pool(torch.zeros(1, 1, 4, 4), None, grid)


def test_gradient_reaches_only_what_is_real() -> None:
    values, mask = canvas((2, 3), (2, 2), seed=0)
    values.requires_grad_()
    grid_pool(values, mask, (2, 2)).sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad.ne(0).all(dim=1), mask)


@given(extent=st.integers(0, 9), bins=grids)
def test_pooling_matrix_rows_sum_to_one(extent: int, bins: int) -> None:
    matrix = pooling_matrix(torch.tensor([extent]), size=9, bins=bins, dtype=torch.float64)
    expected = torch.full((1, bins), float(extent > 0), dtype=torch.float64)
    torch.testing.assert_close(matrix.sum(dim=2), expected)


@given(height=sizes, width=sizes, down=st.integers(0, 5), right=st.integers(0, 5))
def test_extents_and_masked_mean_agree_with_numpy(
    height: int, width: int, down: int, right: int
) -> None:
    values, mask = canvas((height, width), (down, right), seed=down)
    assert [int(size) for size in extents(mask)] == [height, width]
    real = own(values, (height, width)).numpy()
    np.testing.assert_allclose(masked_mean(values, mask).numpy(), real.mean((2, 3)), atol=1e-5)


def test_masked_mean_without_mask() -> None:
    values = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]])
    assert masked_mean(values, None).tolist() == [[3.0]]


@given(
    length=sizes, pad=st.integers(0, 5), stride=st.integers(1, 4), kernel=st.sampled_from([1, 3, 5])
)
def test_downsample_mask_follows_a_strided_convolution(
    length: int, pad: int, stride: int, kernel: int
) -> None:
    """As many places are real as the same convolution makes of the unpadded series."""
    values, mask = canvas((length,), (pad,), seed=0)
    weight = torch.ones(1, 2, kernel)

    def convolve(x: Tensor) -> Tensor:
        return F.conv1d(x, weight, stride=stride, padding=kernel // 2)

    smaller = downsample_mask(mask, stride)
    assert smaller.shape[1] == convolve(values).shape[2]
    assert int(smaller.sum()) == convolve(own(values, (length,))).shape[2]
