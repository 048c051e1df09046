import math
from dataclasses import replace

import pytest
import torch
from facts import naming
from ready_stages import depth_ramp, night_lamps, thin_structures, two_planes
from torch import Tensor

from any2bokeh.errors import SettingsError
from any2bokeh.focus.focus_track import Focus
from any2bokeh.lab.synthesis.compiled_tracer import CompiledRayTracer
from any2bokeh.lab.synthesis.ray_tracer import RayTracer
from any2bokeh.lab.synthesis.stage import FrameView, Stage, Trajectory, still
from any2bokeh.lab.synthesis.textures import Checks, Stencil, Uniform
from any2bokeh.settings.render_settings import LensSettings

VIEW = FrameView(time_s=0.4, width=96, height=54)
FOCUS = Focus(focus_disparity=0.6, blur_strength=60)


def with_cut_textures(stage: Stage) -> Stage:
    """Shapes as part of the textures, as compiled rays ask for."""
    planes = (
        replace(plane, shape=None, texture=Stencil(texture=plane.texture, shape=plane.shape))
        if plane.shape
        else plane
        for plane in stage.planes
    )
    return replace(stage, planes=tuple(planes)).with_detail(0.4)


def crossing_walls() -> Stage:
    """Two walls that pass through each other, half transparent, so that the order of each ray shows."""
    stage = two_planes()
    boards = tuple(
        replace(
            plane,
            shape=None,
            position=still(z=2.0),
            turn_deg=still(turn),
            texture=Checks(
                first=plane.texture, second=Stencil(texture=Uniform(tint), shape=HALF), cell_m=0.2
            ),
        )
        for plane, turn, tint in zip(
            stage.planes, (35.0, -35.0), ((0.9, 0.2, 0.1), (0.1, 0.3, 0.9)), strict=True
        )
    )
    return replace(stage, planes=boards, sky=(0.1, 0.2, 0.3))


class HalfThere:
    """Coverage of one half everywhere."""

    def coverage(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.full_like(x, 0.5)


HALF = HalfThere()
STAGES = {
    "flat": with_cut_textures(two_planes()),
    "sloping, in patches": with_cut_textures(depth_ramp()),
    "thin": with_cut_textures(thin_structures()),
    "lit, with lamps": with_cut_textures(night_lamps()),
    "crossing": crossing_walls(),
}


def assert_same_light(first: Tensor, second: Tensor) -> None:
    """Within the last 1/4096 of light that may be left out, and nearly everywhere much closer."""
    torch.testing.assert_close(first, second, atol=1e-3, rtol=1e-4)
    assert (first - second).abs().mean() < 1e-5


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.slow
def test_compiled_rays_bring_the_light_that_plain_ones_bring(stage: str) -> None:
    compiled, plain = CompiledRayTracer(STAGES[stage]), RayTracer(STAGES[stage])
    picture = compiled.refocused(VIEW, FOCUS, samples=32, seed=3)
    assert_same_light(picture, plain.refocused(VIEW, FOCUS, samples=32, seed=3))
    assert_same_light(compiled.sharp(VIEW, 5), plain.sharp(VIEW, 5))
    assert picture.std() > 0.01


@pytest.mark.parametrize("tracer", [CompiledRayTracer, RayTracer])
def test_motion_blur_spreads_an_edge_over_its_way(bare_stage, card, tracer) -> None:
    way_px, depth_m = 12, 4.0
    speed = way_px * depth_m / 192 / 0.02  # meters a second, for that way in a fiftieth of a second
    wall = card("wall", depth_m, (1, 1, 1), size_m=8.0, x=-4.0)
    moving = replace(wall, position=Trajectory(start=(-4.0, 0.0, depth_m), velocity=(speed, 0.0, 0.0)))
    view = FrameView(width=192, height=2, exposure_s=0.02)
    row = tracer(bare_stage(moving)).sharp(view, 64)[0].mean(0)
    column = torch.arange(192) + 0.5 - 96
    torch.testing.assert_close(row, (0.5 - column / way_px).clamp(0, 1), atol=0.07, rtol=0)
    at_once = tracer(bare_stage(moving)).sharp(replace(view, exposure_s=0.0), 64)[0].mean(0)
    torch.testing.assert_close(at_once, (column < 0).float(), atol=1e-6, rtol=0)


@pytest.mark.slow
def test_motion_blur_and_defocus_go_together() -> None:
    view = replace(VIEW, exposure_s=0.5)
    stage = STAGES["thin"]
    pictures = [tracer(stage).refocused(view, FOCUS, samples=64) for tracer in (CompiledRayTracer, RayTracer)]
    assert_same_light(*pictures)
    assert (pictures[0] - CompiledRayTracer(stage).refocused(VIEW, FOCUS, samples=64)).abs().max() > 0.05


def test_a_plane_with_a_shape_is_refused() -> None:
    with pytest.raises(SettingsError, match=naming("'near'")):
        CompiledRayTracer(two_planes())


def test_another_aperture_than_a_disc_is_refused() -> None:
    polygon = LensSettings(aperture="polygon", blades=6)
    with pytest.raises(SettingsError, match="disc"):
        CompiledRayTracer(STAGES["flat"]).refocused(VIEW, FOCUS, polygon, samples=4)


def test_nothing_in_sight_is_sky(bare_stage) -> None:
    stage = bare_stage(sky=(0.25, 0.5, 0.75))
    picture = CompiledRayTracer(stage).refocused(VIEW, FOCUS, samples=8)
    expected = torch.tensor([0.25, 0.5, 0.75])[:, None, None].expand(3, 54, 96)
    torch.testing.assert_close(picture, expected)
    assert math.isclose(float(picture.mean()), 0.5, abs_tol=1e-6)
