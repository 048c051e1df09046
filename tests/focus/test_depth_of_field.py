"""Depth of field as a remap of disparity: the circle of confusion that was asked for, order kept."""

import itertools

import pytest
import torch

from any2bokeh.focus.depth_of_field import reshape
from any2bokeh.focus.focus_track import Focus
from any2bokeh.optics.coc import coc_px
from any2bokeh.settings.focus_settings import DepthOfFieldSettings

DISPARITY = torch.linspace(0, 1, 1001).view(1, 1, -1)


@pytest.mark.parametrize(
    ("plane", "dof_range", "near", "far"),
    list(itertools.product([0.0, 0.3, 0.5, 1.0], [0.0, 0.2, 1.0], [0.0, 0.5, 4.0], [1.0, 2.5])),
)
def test_the_blur_is_that_of_the_formula(plane: float, dof_range: float, near: float, far: float) -> None:
    settings = DepthOfFieldSettings(dof_range=dof_range, near_strength=near, far_strength=far)
    shaped, new_plane, strength = reshape(DISPARITY, Focus(plane, 16), settings)
    away = DISPARITY.double() - plane
    factor = torch.where(away > 0, near, far)
    wanted = -16 * factor * away.sign() * (away.abs() - dof_range / 2).clamp(min=0)
    drawn = coc_px(shaped, new_plane, strength, 1024)
    torch.testing.assert_close(drawn.double(), wanted, rtol=0, atol=2e-4)
    assert 0 <= new_plane <= 1
    assert shaped.min() >= 0 and shaped.max() <= 1
    assert (shaped.diff() >= 0).all()  # nothing nearer becomes farther


def test_disparity_is_not_touched_where_nothing_is_asked() -> None:
    shaped, plane, strength = reshape(DISPARITY, Focus(0.3, 16), DepthOfFieldSettings())
    assert shaped is DISPARITY
    assert (plane, strength) == (0.3, 16)


def test_the_remap_moves_with_the_focus_without_steps() -> None:
    settings = DepthOfFieldSettings(dof_range=0.1, near_strength=3, far_strength=2)
    shaped = torch.stack([reshape(DISPARITY, Focus(plane / 500, 16), settings)[0] for plane in range(501)])
    assert shaped.diff(dim=0).abs().max() < 0.02
