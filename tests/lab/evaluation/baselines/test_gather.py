"""The naive blur: a disc of each pixel's own size, and what makes it naive."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from any2bokeh.lab.evaluation.baselines.baseline import BaselineRenderer
from any2bokeh.lab.evaluation.baselines.gather import gather_discs
from any2bokeh.scene import Scene


def scene(sharp: torch.Tensor, disparity: torch.Tensor, focus: float, k: float) -> Scene:
    return Scene(sharp=sharp, disparity=disparity, focus_disparity=focus, blur_strength=k, pts=7)


def mean_over_disc(image: NDArray[np.float64], x: int, y: int, radius: float) -> float:
    """By how much of each row lies within the disc, spread along the row as far as that reaches."""
    total = weight = 0.0
    for dy in range(-math.ceil(radius), math.ceil(radius) + 1):
        lines = np.clip(dy - 0.5 + (np.arange(4000) + 0.5) / 4000, -radius, radius)
        half = float(np.sqrt(radius**2 - lines**2).mean())
        at = (np.arange(20000) + 0.5) / 20000 * 2 * half - half + x + 0.5
        total += 2 * half * image[y + dy, np.floor(at).astype(int)].mean()
        weight += 2 * half
    assert weight == pytest.approx(math.pi * radius**2, rel=1e-3)
    return total / weight


@pytest.mark.parametrize("radius", [0.6, 1.0, 2.75, 6.3])
def test_a_pixel_becomes_the_mean_over_its_disc(radius: float) -> None:
    picture = torch.rand(3, 21, 23)
    blurred = gather_discs(picture, torch.full((1, 21, 23), radius))
    for x, y in ((11, 10), (9, 8)):
        for channel in range(3):
            expected = mean_over_disc(picture[channel].double().numpy(), x, y, radius)
            assert float(blurred[channel, y, x]) == pytest.approx(expected, abs=1e-3)


def test_a_flat_picture_stays_flat_to_its_border_whatever_the_radius() -> None:
    picture = torch.tensor([0.2, 0.5, 0.9]).view(3, 1, 1).expand(3, 12, 9).contiguous()
    radius = torch.linspace(0, 30, 12 * 9).view(1, 12, 9)
    torch.testing.assert_close(gather_discs(picture, radius), picture)


def test_each_pixel_has_its_own_radius_and_none_is_the_pixel_itself() -> None:
    picture = torch.rand(3, 16, 40)
    disparity = torch.full((1, 16, 40), 0.5)
    disparity[..., 20:] = 0.9
    [frame] = BaselineRenderer("gather").render(iter([scene(picture, disparity, 0.5, 200)]))
    assert frame.pts == 7
    assert torch.equal(frame.picture[..., :20], picture[..., :20])
    radius = 0.4 * 200 * 40 / 1024
    wide = gather_discs(picture, torch.full((1, 16, 40), radius))
    torch.testing.assert_close(frame.picture[..., 20:], wide[..., 20:])


def test_code_values_are_averaged_not_light() -> None:
    picture = torch.zeros(3, 41, 41)
    picture[..., 20:] = 1
    blurred = gather_discs(picture, torch.full((1, 41, 41), 10.0))
    assert float(blurred[0, 20, 19] + blurred[0, 20, 20]) == pytest.approx(1, abs=1e-5)
