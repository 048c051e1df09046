"""The circle of confusion in its units."""

import pytest
import torch

from any2bokeh.optics.coc import coc_px, focus_matte


def test_radius_is_strength_times_distance_at_1024_pixels() -> None:
    radius = coc_px(torch.tensor([0.1, 0.6, 0.9]), focus_disparity=0.6, blur_strength=16, longer_side_px=1024)
    assert radius.tolist() == pytest.approx([8.0, 0.0, -4.8], abs=1e-5)


def test_radius_grows_with_the_frame() -> None:
    proxy = coc_px(torch.tensor(0.1), 0.6, 16, longer_side_px=960)
    original = coc_px(torch.tensor(0.1), 0.6, 16, longer_side_px=3840)
    assert original / proxy == pytest.approx(4)


def test_a_matte_is_white_up_to_half_a_pixel_and_black_from_two() -> None:
    radii = torch.tensor([0.0, -0.5, 0.5, 1.25, -1.25, 2.0, -7.0])
    assert focus_matte(radii).tolist() == [1, 1, 1, 0.5, 0.5, 0, 0]
