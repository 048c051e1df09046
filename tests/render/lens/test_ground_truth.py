"""The lens against ray-traced pictures of the same scenes."""

import math

import pytest
from lenses import compiled_lens
from ready_stages import depth_ramp, two_planes

from any2bokeh.focus.focus_track import Focus
from any2bokeh.lab.synthesis.ray_tracer import RayTracer
from any2bokeh.lab.synthesis.stage import FrameView, Stage
from any2bokeh.optics.transfer import from_linear
from any2bokeh.scene import Scene
from any2bokeh.settings.render_settings import LensSettings

VIEW = FrameView(time_s=0.0, width=128, height=80)


def psnr_of_lens(stage: Stage, focus: Focus, lens: LensSettings | None = None) -> tuple[float, float]:
    """PSNR [dB] of the lens and of no blur against the ray tracer, in code values, less the border."""
    lens = lens or LensSettings()
    tracer = RayTracer(stage)
    sharp = from_linear(tracer.sharp(VIEW, samples=16), "srgb").clamp(0, 1)
    truth = from_linear(tracer.refocused(VIEW, focus, lens, samples=64), "srgb").clamp(0, 1)
    scene = Scene(
        sharp=sharp,
        disparity=tracer.geometry(VIEW).disparity,
        focus_disparity=focus.focus_disparity,
        blur_strength=focus.blur_strength,
        pts=0,
    )
    ours = compiled_lens(lens).refocus(scene)
    inner = (slice(None), slice(8, -8), slice(8, -8))
    errors = [(picture - truth)[inner].square().mean() for picture in (ours, sharp)]
    return -10 * math.log10(errors[0]), -10 * math.log10(errors[1])


@pytest.mark.parametrize("focus_disparity", [0.8, 0.5, 0.2])
@pytest.mark.slow
def test_two_planes_match_the_ray_traced_picture(focus_disparity: float) -> None:
    focus = Focus(focus_disparity=focus_disparity, blur_strength=64)
    ours, unblurred = psnr_of_lens(two_planes(), focus)
    assert ours > 36
    assert ours > unblurred + 8


@pytest.mark.parametrize("focus_disparity", [0.8, 0.2])
def test_a_triangle_points_the_way_the_ray_traced_one_does(focus_disparity: float) -> None:
    focus = Focus(focus_disparity=focus_disparity, blur_strength=90)
    upright = LensSettings(aperture="polygon", blades=3, rotation_deg=90)
    ours, unblurred = psnr_of_lens(two_planes(), focus, upright)
    assert ours > 36
    assert ours > unblurred + 8


@pytest.mark.slow
def test_a_floor_through_all_depths_matches_the_ray_traced_picture() -> None:
    ours, unblurred = psnr_of_lens(depth_ramp(), Focus(focus_disparity=0.5, blur_strength=64))
    assert ours > 33
    assert ours > unblurred + 8
