"""Metrics along the motion of the picture, on motion that is known."""

import cv2
import pytest
import torch
from torch import Tensor

from any2bokeh.lab.frame_metrics import dis_flow, sharp_motion, still_flicker, warp_error


def cloth(seed: int = 0) -> Tensor:
    """Smooth texture, ``3 96 160``."""
    noise = torch.rand(96, 160, 3, generator=torch.Generator().manual_seed(seed)).numpy()
    smooth = torch.from_numpy(cv2.GaussianBlur(noise, (0, 0), 2)).permute(2, 0, 1)
    return ((smooth - smooth.min()) / (smooth.max() - smooth.min())).contiguous()


def moved(picture: Tensor, pixels: int) -> Tensor:
    return picture.roll(pixels, dims=2)


def test_what_only_moves_along_has_next_to_no_warp_error_and_flicker_has_its_size() -> None:
    sharp = cloth()
    before, after = sharp, moved(sharp, 3)
    motion = sharp_motion(before, after)
    calm = warp_error(before, after, motion)
    flickering = warp_error(before, after + 0.1, motion)
    frozen = warp_error(before, before, motion)
    assert calm is not None and flickering is not None and frozen is not None
    assert calm < 0.005
    assert flickering == pytest.approx(0.1, abs=0.01)
    assert frozen > 10 * calm


def test_flicker_is_measured_where_the_sharp_picture_stands_still() -> None:
    sharp = cloth()
    changed = sharp.clone()
    changed[:, :, 80:] = cloth(1)[:, :, 80:]
    motion = sharp_motion(sharp, changed)
    result = sharp.clone()
    result[:, :, :80] += 0.05
    assert still_flicker(sharp, result, motion) == pytest.approx(0.05, rel=0.1)
    nowhere = sharp_motion(sharp, 1 - sharp.round())
    assert still_flicker(sharp, result, nowhere) is None


def test_flow_is_the_motion() -> None:
    flow = dis_flow(cloth(), moved(cloth(), 3))
    assert flow.shape == (2, 96, 160)
    assert float(flow[0].median()) == pytest.approx(3, abs=0.1)
    assert float(flow[1].median()) == pytest.approx(0, abs=0.1)
