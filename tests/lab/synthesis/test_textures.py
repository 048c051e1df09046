import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from any2bokeh.lab.synthesis.raster import draw_raster
from any2bokeh.lab.synthesis.ray_tracer import RayTracer
from any2bokeh.lab.synthesis.shapes import Bars, Box, Disc, HalfPlane, Placed, Polygon, Stroke, Union, Without
from any2bokeh.lab.synthesis.stage import Camera, FrameView, Light, Plane, Stage, Trajectory, rgb, still
from any2bokeh.lab.synthesis.strands import Leaves, Strands
from any2bokeh.lab.synthesis.textures import (
    Bricks,
    Checks,
    Glow,
    Gradient,
    Moved,
    Noise,
    Over,
    Product,
    Rings,
    Stencil,
    Stripes,
    Uniform,
    Writing,
)
from any2bokeh.optics.transfer import from_linear

CPU = torch.device("cpu")
WHITE, BLACK = Uniform((1.0, 1.0, 1.0)), Uniform((0.0, 0.0, 0.0))
DARK, LIGHT = (0.1, 0.05, 0.0), (0.9, 0.8, 0.7)
LEAVES = Leaves(crown=Disc(radius_m=0.5), extent_m=(1, 1), count=40, length_m=0.2, dark=DARK, light=LIGHT)
STRANDS = Strands(
    roots=((-0.4, -0.5), (0.4, -0.5)), count=30, length_m=0.8, width_m=0.02, dark=DARK, light=LIGHT
)
TEXTURES = [
    WHITE,
    Gradient(stops=((-0.5, DARK), (0.5, LIGHT))),
    Rings(stops=((0.0, LIGHT), (0.5, DARK))),
    Glow(color=LIGHT, radius_m=0.5),
    Checks(first=WHITE, second=BLACK, cell_m=0.1),
    Stripes(first=WHITE, second=BLACK, period_m=0.2, direction_deg=30),
    Noise(low=DARK, high=LIGHT, scale_m=0.2),
    Noise(low=DARK, high=LIGHT, scale_m=0.05, stretch=5),
    Bricks(tints=(DARK, LIGHT), joint=(0.0, 0.0, 0.0), size_m=(0.2, 0.1), joint_m=0.02),
    Writing(ink=DARK, paper=LIGHT, line_m=0.1),
    LEAVES,
    STRANDS,
    Stencil(texture=WHITE, shape=Disc(radius_m=0.3, softness_m=0.1)),
    Over((Stencil(texture=WHITE, shape=Disc(radius_m=0.3)), Uniform(DARK))),
    Product(Checks(first=WHITE, second=BLACK, cell_m=0.1), Uniform(LIGHT)),
    Moved(texture=LEAVES, center=(0.1, 0.0), turn_deg=20),
]
SHAPES = [
    (Disc(radius_m=0.3), math.pi * 0.09),
    (Disc(radius_m=0.3, stretch=0.5), math.pi * 0.045),
    (Box(size_m=(0.6, 0.4)), 0.24),
    (Box(size_m=(0.6, 0.4), corner_m=0.1), 0.24 - (4 - math.pi) * 0.01),
    (HalfPlane(direction_deg=0, offset_m=0.1), 0.6),
    (HalfPlane(direction_deg=90, offset_m=0.1), 0.6),
    (Bars(period_m=0.1, width_m=0.03), 0.3),
    (Polygon(points=((-0.4, -0.3), (0.4, -0.3), (0.0, 0.4))), 0.28),
    (Polygon(points=((-0.3, -0.3), (0.3, 0.3), (0.3, -0.3), (-0.3, 0.3))), 0.18),
    (Stroke(points=((-0.3, 0.0), (0.3, 0.0)), width_m=0.1), 0.06 + math.pi * 0.0025),
    (Union(parts=(Disc(radius_m=0.2), Box(size_m=(0.1, 0.1), center=(0.4, 0.0)))), math.pi * 0.04 + 0.01),
    (Without(whole=Disc(radius_m=0.3), hole=Disc(radius_m=0.2)), math.pi * 0.05),
    (Placed(part=Box(size_m=(0.6, 0.2)), center=(0.1, 0.0), turn_deg=45), 0.12),
]


def grid(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points over a plane 1 m wide, the first row on top."""
    places = (torch.arange(side) + 0.5) / side - 0.5
    return places.expand(side, side), -places[:, None].expand(side, side)


@pytest.mark.parametrize("texture", TEXTURES, ids=lambda texture: type(texture).__name__)
def test_a_texture_is_light_and_coverage_the_same_in_parts_as_in_whole(texture):
    x, y = grid(48)
    painted = texture.paint(x, y)
    assert painted.shape == (4, 48, 48)
    assert painted.isfinite().all()
    assert painted.min() >= 0
    assert painted.max() <= 1
    assert painted[3].max() > 0.5
    light = painted[:3] * painted[3:]  # color without coverage means nothing
    part = texture.paint(x[10:20, 30:40], y[10:20, 30:40])
    torch.testing.assert_close(part[3], painted[3, 10:20, 30:40])
    torch.testing.assert_close(part[:3] * part[3:], light[:, 10:20, 30:40])


@pytest.mark.parametrize(
    "texture",
    [
        Noise(low=DARK, high=LIGHT, scale_m=0.2),
        Bricks(tints=(DARK, LIGHT), joint=DARK, size_m=(0.2, 0.1), joint_m=0.02),
        Writing(ink=DARK, paper=LIGHT, line_m=0.1),
        LEAVES,
        STRANDS,
    ],
    ids=lambda texture: type(texture).__name__,
)
def test_a_seed_draws_the_same_again_and_another_seed_something_else(texture):
    x, y = grid(48)
    painted = texture.paint(x, y)
    assert torch.equal(replace(texture).paint(x, y), painted)
    assert not torch.equal(replace(texture, seed=7).paint(x, y), painted)


@pytest.mark.parametrize(("shape", "area"), SHAPES, ids=lambda value: type(value).__name__)
def test_a_shape_covers_its_area(shape, area):
    x, y = grid(400)
    assert shape.coverage(x, y).mean() == pytest.approx(area, abs=0.004)


@pytest.mark.parametrize(("shape", "area"), SHAPES, ids=lambda value: type(value).__name__)
def test_a_soft_edge_fades_around_the_hard_one(shape, area):
    x, y = grid(200)
    hard, soft = shape.coverage(x, y), replace(shape, softness_m=0.02).coverage(x, y)
    assert ((soft > 0.5) == (hard > 0.5)).float().mean() > 0.99
    assert ((soft > 0.01) & (soft < 0.99)).any()


def test_layers_hide_what_is_under_them():
    x, y = grid(32)
    glass = Stencil(texture=WHITE, shape=Disc(radius_m=0.25))
    painted = Over((glass, Uniform((0.0, 1.0, 0.0)))).paint(x, y)
    inside = torch.hypot(x, y) < 0.25
    assert (painted[0] == inside).all()
    assert (painted[1:] == 1).all(1).all(1)[[0, 2]].all()


def test_texels_are_means_over_their_area_at_every_level():
    plane = Plane(
        name="board",
        size_m=(1.0, 0.75),
        texture=Checks(first=WHITE, second=BLACK, cell_m=0.05),
        texels=160,
    )
    raster = draw_raster(plane, CPU)
    assert raster.levels[0].shape == (1, 4, 120, 160)
    assert raster.levels[-1].shape == (1, 4, 1, 1)
    for level in raster.levels:
        torch.testing.assert_close(
            level.mean((2, 3)), torch.tensor([[0.5, 0.5, 0.5, 1.0]]), atol=0.02, rtol=0
        )


def test_texels_hold_light_times_coverage():
    plane = Plane(
        name="disc", size_m=(1, 1), texture=Stencil(texture=WHITE, shape=Disc(radius_m=0.3)), texels=16
    )
    texels = draw_raster(plane, CPU).levels[0][0]
    torch.testing.assert_close(texels[:3], texels[3:].expand(3, 16, 16))
    assert ((texels[3] > 0) & (texels[3] < 1)).any()


def far_board(**changes) -> Stage:
    """A board of checks a quarter of a pixel wide."""
    camera = Camera(field_of_view_deg=2 * math.degrees(math.atan(0.5)), **changes)
    board = Plane(
        name="board",
        size_m=(4.0, 4.0),
        texture=Checks(first=WHITE, second=BLACK, cell_m=2.0 / 64 / 4),
        position=still(z=2.0),
        texels=2048,
    )
    return Stage(camera=camera, planes=(board,))


@pytest.mark.slow
def test_detail_finer_than_pixels_is_gray_and_does_not_shimmer():
    tracer = RayTracer(far_board(position=Trajectory(velocity=(0.0137, 0.0071, 0.0))))
    pictures = torch.stack(
        [tracer.sharp(FrameView(time_s=t, width=64, height=64), 4) for t in (0.0, 0.1, 0.2)]
    )
    torch.testing.assert_close(pictures, torch.full_like(pictures, 0.5), atol=0.06, rtol=0)


def test_a_patch_repeats_mirrored():
    texture = Gradient(stops=((-0.5, (0, 0, 0)), (0.5, (1, 1, 1))), direction_deg=0)
    plane = Plane(
        name="wall", size_m=(3.0, 1.0), patch_m=(1.0, 1.0), texture=texture, texels=64, position=still(z=2.0)
    )
    camera = Camera(field_of_view_deg=2 * math.degrees(math.atan(0.75)))
    row = RayTracer(Stage(camera=camera, planes=(plane,))).sharp(FrameView(width=90, height=10))[0, 5]
    torch.testing.assert_close(row[:30], row[30:60].flip(0), atol=1e-3, rtol=0)
    torch.testing.assert_close(row[:30], row[60:], atol=1e-3, rtol=0)
    assert (row[31:59].diff() > 0).all()


def test_light_falls_with_the_square_of_the_distance_and_not_on_what_shines(bare_stage, card):
    lamp = Light(color=(1.0, 0.5, 0.0), position=still(0, 0, 1.0), radius_m=1e-3)
    wall = card("wall", 4.0, (0.5, 0.5, 0.5))
    sign = replace(wall, emission=3.0)
    lit, shining = (
        RayTracer(bare_stage(plane, lights=(lamp,), ambient=(0.1, 0.1, 0.1))).sharp(
            FrameView(width=33, height=33)
        )
        for plane in (wall, sign)
    )
    expected = torch.tensor([0.5 * (0.1 + 1 / 9), 0.5 * (0.1 + 0.5 / 9), 0.5 * 0.1])
    torch.testing.assert_close(lit[:, 16, 16], expected, atol=2e-3, rtol=0)
    assert lit[0, 0, 0] < lit[0, 16, 16]
    torch.testing.assert_close(shining, torch.full((3, 33, 33), 1.5))


def test_color_codes_are_srgb():
    linear = torch.tensor(rgb("#ff8000"), dtype=torch.float64)
    torch.testing.assert_close(from_linear(linear, "srgb") * 255, torch.tensor([255.0, 128.0, 0.0]).double())


def test_detail_changes_the_texels_and_not_the_scene():
    stage = far_board()
    coarse = stage.with_detail(0.25)
    assert coarse.planes[0].texels == 512
    assert (
        F.mse_loss(
            RayTracer(stage).sharp(FrameView(width=16, height=16)),
            RayTracer(coarse).sharp(FrameView(width=16, height=16)),
        )
        < 1e-3
    )
