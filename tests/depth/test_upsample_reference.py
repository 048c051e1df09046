"""The upsampling in compiled loops against the one in plain torch."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from upsample_reference import upsample_reference

from any2bokeh.depth.upsample import upsample_disparity

# h w of the map, H W of the picture: whole factors, fractions, odd sizes, one axis alone, the least there is
SIZES = [
    ((72, 96), (144, 192)),
    ((48, 64), (144, 192)),
    ((36, 48), (144, 192)),
    ((18, 24), (144, 192)),
    ((101, 67), (151, 101)),
    ((50, 67), (131, 187)),
    ((143, 191), (144, 192)),
    ((60, 80), (60, 160)),
    ((60, 80), (120, 80)),
    ((7, 5), (50, 37)),
    ((2, 3), (9, 5)),
    ((2, 2), (2, 3)),
]


def boxes(height: int, width: int, count: int) -> tuple[Tensor, Tensor]:
    """A picture of textured boxes over each other, and their disparity with its slopes."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    disparity, picture = 0.2 + 0.1 * y, 0.5 + 0.1 * torch.randn(3, height, width)
    for _ in range(count):
        (from_y, from_x), (size_y, size_x) = 2 * torch.rand(2) - 1, torch.rand(2)
        inside = (y > from_y) & (y < from_y + size_y) & (x > from_x) & (x < from_x + size_x)
        surface = torch.rand(1) + 0.2 * (torch.rand(1) * y + torch.rand(1) * x)
        disparity = torch.where(inside, surface, disparity)
        picture = torch.where(inside, torch.rand(3, 1, 1) + 0.03 * torch.randn(3, height, width), picture)
    return disparity.clamp(0, 1)[None], picture.clamp(0, 1)


def soft(disparity: Tensor, size: tuple[int, int]) -> Tensor:
    """The map at another size, with the ramps that an estimator draws."""
    small = F.interpolate(disparity[None], size, mode="area")
    return F.avg_pool2d(F.pad(small, (1, 1, 1, 1), mode="replicate"), 3, 1)[0]


def check(disparity: Tensor, picture: Tensor) -> None:
    result, expected = upsample_disparity(disparity, picture), upsample_reference(disparity, picture)
    assert result.shape == expected.shape and result.dtype == torch.float32
    off = (result - expected).abs() > 1e-4  # where votes are even, rounding decides: two change places
    assert off.sum() <= max(2, 1e-4 * off.numel()), f"{off.sum()} of {off.numel()} pixels differ"


@pytest.mark.slow
@pytest.mark.parametrize(("small", "large"), SIZES)
def test_boxes_become_the_same(small: tuple[int, int], large: tuple[int, int]) -> None:
    for count in (0, 3, 20):
        disparity, picture = boxes(*large, count)
        check(soft(disparity, small), picture)
        check(F.interpolate(disparity[None], small, mode="area")[0], picture)
        check(F.interpolate(disparity[None], small, mode="nearest")[0], picture)


@pytest.mark.parametrize(("small", "large"), SIZES)
def test_noise_becomes_the_same(small: tuple[int, int], large: tuple[int, int]) -> None:
    check(torch.rand(1, *small), torch.rand(3, *large))


def test_eight_bits_with_their_many_ties_become_the_same() -> None:
    disparity, picture = boxes(240, 320, 30)
    small = (soft(disparity, (120, 160)) * 255).round() / 255
    check(small, (picture * 255).round() / 255)


def test_cut_outs_of_larger_arrays_are_read_as_they_are() -> None:
    disparity, picture = boxes(144, 192, 10)
    small = soft(disparity, (72, 96))
    inner = picture[:, 8:-8, 8:-8]
    expected = upsample_disparity(small.clone(), inner.clone())
    assert torch.equal(
        upsample_disparity(small.transpose(1, 2).contiguous().transpose(1, 2), inner), expected
    )
