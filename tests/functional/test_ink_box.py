"""The ink of a page, stretched to one size."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from twinlens.functional.ink_box import ink_box


def page(seed: int = 0) -> torch.Tensor:
    """Ink in rows 5 to 20 and columns 8 to 40 of a page of 32 x 64, lighter in places."""
    made = torch.zeros(1, 1, 32, 64)
    drawn = torch.rand(15, 32, generator=torch.Generator().manual_seed(seed))
    drawn[0, 0] = drawn[-1, -1] = 1.0  # its corners are ink
    made[0, 0, 5:20, 8:40] = drawn
    return made


@pytest.mark.parametrize("size", [(8, 16), (15, 32), (20, 90)])
def test_it_is_a_crop_resized_with_antialiasing(size: tuple[int, int]) -> None:
    crop = page()[:, :, 5:20, 8:40]
    wanted = F.interpolate(crop, size=size, mode="bilinear", antialias=True)
    torch.testing.assert_close(ink_box(page(), size), wanted, atol=1e-5, rtol=0)


def test_where_a_drawing_lies_does_not_count() -> None:
    torch.testing.assert_close(
        ink_box(page().roll((7, 11), (2, 3)), (8, 16)), ink_box(page(), (8, 16))
    )


def test_faint_paper_is_no_ink() -> None:
    grey = page().clamp_min(0.05)
    torch.testing.assert_close(ink_box(grey, (15, 32)), page()[:, :, 5:20, 8:40].clamp_min(0.05))


def test_lines_that_became_faint_are_ink_all_the_same() -> None:
    faint = page() * 0.1
    torch.testing.assert_close(ink_box(faint, (15, 32)), 0.1 * page()[:, :, 5:20, 8:40])
    assert ink_box(page().double(), (4, 4)).dtype == torch.float64


def test_each_page_by_itself_and_padding_changes_nothing() -> None:
    pages = torch.cat([page(0), F.pad(page(1)[:, :, 2:, 3:], (0, 3, 0, 2))])
    together = ink_box(pages, (8, 16))
    torch.testing.assert_close(together[1:], ink_box(page(1), (8, 16)))
    torch.testing.assert_close(together[:1], ink_box(page(0), (8, 16)))


def test_an_empty_page_stays_empty() -> None:
    assert ink_box(torch.zeros(2, 3, 9, 9), (4, 6)).abs().max() == 0
    assert ink_box(torch.zeros(2, 3, 9, 9), (4, 6)).shape == (2, 3, 4, 6)
