import math
from dataclasses import replace

import pytest
import torch
from ready_stages import thin_structures, two_planes

from any2bokeh.focus.focus_track import Focus
from any2bokeh.lab.synthesis.compiled_tracer import CompiledRayTracer
from any2bokeh.lab.synthesis.ray_tracer import RayTracer, aperture_radius_m
from any2bokeh.lab.synthesis.shapes import HalfPlane
from any2bokeh.lab.synthesis.stage import FrameView
from any2bokeh.lab.synthesis.textures import Checks, Uniform
from any2bokeh.settings.render_settings import LensSettings

VIEW = FrameView(width=192, height=64)
UPRIGHT = HalfPlane(direction_deg=0)  # solid on the left half of the picture
SMALL = FrameView(width=192, height=16)
COLUMNS = torch.arange(192) + 0.5 - 96  # distance of pixel centers from the middle
ROWS = torch.arange(64)[:, None] + 0.5 - 32


def focused(disparity: float, coc_px: float, off_focus: float) -> Focus:
    """The focus whose circle of confusion has ``coc_px`` at ``off_focus`` from it, in 192 pixels."""
    return Focus(focus_disparity=disparity, blur_strength=coc_px / off_focus * 1024 / 192)


def light_spot(bare_stage, card, disparity: float, *, side_px: float, emission: float, tracer=RayTracer):
    """A dark stage with one shining square, ``side_px`` wide."""
    depth_m = bare_stage().depth_m(disparity)
    spot = card("spot", depth_m, (1, 1, 1), size_m=side_px * depth_m / 192)
    return tracer(bare_stage(replace(spot, emission=emission)))


def test_the_aperture_follows_from_blur_strength(bare_stage):
    stage = bare_stage()
    focus = Focus(focus_disparity=0.5, blur_strength=20)
    radius_m = aperture_radius_m(stage, focus, VIEW)
    depths = [stage.depth_m(disparity) for disparity in (0.5, 0.1)]
    coc_px = 192 * radius_m * abs(1 / depths[0] - 1 / depths[1])  # the focal length is 192 pixels
    assert coc_px == pytest.approx(20 * 0.4 * 192 / 1024)


FROM_THE_LENS, FROM_THE_LAMP = (4.0, 0.9), (1.0, 40.0)  # side in pixels and radiance of a spot


@pytest.mark.parametrize("tracer", [RayTracer, CompiledRayTracer])
@pytest.mark.parametrize("spot", [FROM_THE_LENS, FROM_THE_LAMP])
@pytest.mark.parametrize(("disparity", "focus", "radius_px"), [(0.2, 0.7, 11.0), (0.9, 0.3, 7.5)])
@pytest.mark.slow
def test_a_point_of_light_becomes_a_disc_of_the_radius_with_its_energy(
    bare_stage, card, tracer, spot, disparity, focus, radius_px
):
    side_px, emission = spot
    tracer = light_spot(bare_stage, card, disparity, side_px=side_px, emission=emission, tracer=tracer)
    energy = tracer.sharp(VIEW)[0].sum()
    disc = tracer.refocused(VIEW, focused(focus, radius_px, abs(focus - disparity)), samples=1024)[0]
    assert disc.sum() == pytest.approx(float(energy), rel=0.01)
    plateau = energy / (math.pi * radius_px**2)
    distance, rim = torch.hypot(ROWS, COLUMNS), 0.8 * side_px + 0.8
    assert disc[distance < radius_px - rim].mean() == pytest.approx(float(plateau), rel=0.02)
    assert (disc[distance > radius_px + rim] == 0).all()
    middle = disc[31:33].mean(0) > plateau / 2  # half way up the rim
    assert middle.sum() / 2 == pytest.approx(radius_px, abs=0.5)


@pytest.mark.parametrize("spot", [FROM_THE_LENS, FROM_THE_LAMP])
@pytest.mark.parametrize("blades", [3, 5, 6])
@pytest.mark.parametrize("rotation_deg", [0.0, 40.0])
@pytest.mark.slow
def test_a_polygon_aperture_keeps_light_and_shows_its_corners(bare_stage, card, spot, blades, rotation_deg):
    aperture = LensSettings(aperture="polygon", blades=blades, rotation_deg=rotation_deg)
    tracer = light_spot(bare_stage, card, 0.2, side_px=spot[0], emission=spot[1])
    shown = tracer.refocused(VIEW, focused(0.7, 11.5, 0.5), aperture, samples=256)[0]
    energy = tracer.sharp(VIEW)[0].sum()
    assert shown.sum() == pytest.approx(float(energy), rel=0.02)
    sector = 2 * math.pi / blades
    corner_px = 11.5 * math.sqrt(math.pi / (blades * math.sin(sector) / 2))  # the disc's area
    angle = torch.atan2(-ROWS, COLUMNS) - math.radians(rotation_deg)  # a corner at 0
    from_side_px = torch.hypot(ROWS, COLUMNS) * (angle % sector - sector / 2).cos()
    side_px, rim = corner_px * math.cos(sector / 2), 0.8 * spot[0] + 0.8
    assert (shown[from_side_px > side_px + rim] == 0).all()
    plateau = energy / (math.pi * 11.5**2)
    assert shown[from_side_px < side_px - rim].mean() == pytest.approx(float(plateau), rel=0.03)


def test_an_odd_polygon_is_upside_down_before_the_focal_plane(bare_stage, card):
    triangle = LensSettings(aperture="polygon", blades=3, rotation_deg=0)
    behind, before = (
        light_spot(bare_stage, card, disparity, side_px=1, emission=40).refocused(
            VIEW, focused(0.5, 7, 0.3), triangle
        )
        for disparity in (0.2, 0.8)
    )
    assert (behind[0].sum(0) > 0).nonzero().max() > 96 + 9  # a corner to the right
    assert (before[0].sum(0) > 0).nonzero().min() < 96 - 9
    torch.testing.assert_close(behind, before.flip(2), atol=0.05, rtol=0)


def test_a_blurred_foreground_edge_is_seen_through_as_the_disc_says(disc_share):
    white, black = Uniform((1.0, 1.0, 1.0)), Uniform((0.0, 0.0, 0.0))
    tracer = RayTracer(two_planes(near_texture=white, far_texture=black, near_shape=UPRIGHT))
    picture = tracer.refocused(SMALL, focused(0.2, 9.0, 0.6), samples=512)
    expected = disc_share(COLUMNS, 9.0)
    torch.testing.assert_close(picture[0].mean(0), expected, atol=0.004, rtol=0)
    torch.testing.assert_close(picture[0], expected.expand(16, 192), atol=0.03, rtol=0)


def test_a_blurred_background_shows_what_a_sharp_foreground_hides_and_nothing_of_its_color(disc_share):
    stage = two_planes(
        near_texture=Uniform((1.0, 0.0, 0.0)), far_texture=Uniform((0.0, 0.0, 0.0)), near_shape=UPRIGHT
    )
    focal_px = stage.camera.focal_length_px(SMALL)
    hidden_m = 4 * stage.planes[1].position.start[2] / focal_px
    green = replace(  # begins 4 pixels behind the edge
        stage.planes[1],
        name="green",
        texture=Uniform((0.0, 1.0, 0.0)),
        shape=HalfPlane(direction_deg=0, offset_m=-hidden_m),
    )
    tracer = RayTracer(replace(stage, planes=(stage.planes[0], green, stage.planes[1])))
    picture = tracer.refocused(SMALL, focused(0.8, 9.0, 0.6), samples=512)
    right = COLUMNS > 0
    assert (picture[0, :, right] == 0).all()
    assert (picture[0, :, ~right] == 1).all()
    expected = disc_share(COLUMNS[right] + 4, 9.0)
    torch.testing.assert_close(picture[1][:, right].mean(0), expected, atol=0.004, rtol=0)


def test_the_plane_in_focus_is_the_sharp_picture():
    tracer = RayTracer(two_planes(near_shape=HalfPlane(direction_deg=20)))
    sharp = tracer.sharp(SMALL, 256)
    picture = tracer.refocused(SMALL, focused(0.8, 9.0, 0.6), samples=1024)
    near = (tracer.geometry(SMALL).objects == 0)[0]
    assert near.float().mean() > 0.4
    assert (picture - sharp)[:, near].square().mean().sqrt() < 0.004
    assert (picture - sharp)[:, ~near].square().mean().sqrt() > 0.02


def test_without_blur_strength_everything_is_sharp():
    tracer = RayTracer(two_planes())
    picture = tracer.refocused(SMALL, Focus(focus_disparity=0.5, blur_strength=0), samples=1024)
    assert (picture - tracer.sharp(SMALL, 256)).square().mean().sqrt() < 0.004


def test_focus_beyond_the_horizon_is_possible(bare_stage, card):
    tracer = RayTracer(bare_stage(card("wall", 2.0, (0.5, 0.5, 0.5)), far_m=math.inf))
    picture = tracer.refocused(SMALL, Focus(focus_disparity=0.0, blur_strength=30), samples=16)
    torch.testing.assert_close(picture, torch.full((3, 16, 192), 0.5), atol=1e-5, rtol=0)


def test_the_same_seed_gives_the_same_picture_and_another_seed_nearly_the_same():
    tracer = RayTracer(
        two_planes(near_texture=Checks(first=Uniform((1, 1, 1)), second=Uniform((0, 0, 0)), cell_m=0.1))
    )
    first, again, other = (
        tracer.refocused(SMALL, focused(0.5, 5.0, 0.3), samples=256, seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    psnr_db = -10 * (first - other).square().mean().log10()
    assert 42 < psnr_db < 90


def test_agreement_of_seeds_grows_with_samples():
    tracer = RayTracer(thin_structures().with_detail(0.25))
    view = FrameView(width=64, height=32)
    focus = Focus(focus_disparity=0.6, blur_strength=40)
    psnr_db = [
        float(
            -10
            * torch.stack([tracer.refocused(view, focus, samples=n, seed=s) for s in (1, 2)])
            .diff(dim=0)
            .square()
            .mean()
            .log10()
        )
        for n in (16, 256)
    ]
    assert psnr_db[0] + 9 < psnr_db[1]
    assert psnr_db[1] > 45


def test_a_picture_does_not_depend_on_its_batches(monkeypatch):
    tracer = RayTracer(thin_structures().with_detail(0.25))
    view, focus = FrameView(width=40, height=24), Focus(focus_disparity=0.6, blur_strength=40)
    whole = tracer.refocused(view, focus, samples=16)
    monkeypatch.setattr("any2bokeh.lab.synthesis.rays.BATCH_RAYS_CPU", 16 * 7 * 7)
    torch.testing.assert_close(tracer.refocused(view, focus, samples=16), whole, atol=0.02, rtol=0)
