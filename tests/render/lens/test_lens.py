"""The lens against answers known by construction."""

import math
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from lenses import compiled_lens, torch_lens
from torch import Tensor

from any2bokeh.optics.transfer import from_linear, to_linear
from any2bokeh.scene import Scene
from any2bokeh.settings.render_settings import LensSettings

AS_IT_IS = LensSettings(highlights=0)

lens_renderer = torch_lens


@pytest.fixture(autouse=True, params=[torch_lens, compiled_lens], ids=["torch", "compiled"])
def _each_renderer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "lens_renderer", request.param)


def refocus(
    linear: Tensor,
    disparity: Tensor,
    *,
    focus: float = 0.5,
    radius_per_disparity: float = 10.0,
    settings: LensSettings = AS_IT_IS,
    pixel_aspect: float = 1.0,
) -> Tensor:
    """Linear light 3 H W through the lens; CoC radius in pixels is radius_per_disparity * |d - focus|.

    Clipped lights are as bright as they are unless the settings say more.
    """
    height, width = disparity.shape
    longer_side = max(width * pixel_aspect, height)
    scene = Scene(
        sharp=from_linear(linear, "srgb"),
        disparity=disparity[None],
        focus_disparity=focus,
        blur_strength=radius_per_disparity * 1024 / longer_side,
        pts=0,
    )
    settings = replace(settings, highlights=settings.highlights or 0)
    renderer = lens_renderer(settings, pixel_aspect=pixel_aspect)
    return to_linear(renderer.refocus(scene), "srgb")


def point_of_light(size: int) -> Tensor:
    linear = torch.zeros(3, size, size)
    linear[:, size // 2, size // 2] = 1.0
    return linear


def distances(size: int) -> tuple[Tensor, Tensor]:
    steps = torch.arange(size) - size // 2
    return steps[None, :].float(), steps[:, None].float()


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("radius", [1.5, 2.3, 4.0, 5.7, 8.0, 9.4, 12.5, 16.0, 21.3, 30.0, 41.5])
def test_a_point_of_light_becomes_a_disc_of_its_radius_with_its_energy(radius: float, sign: int) -> None:
    size = 2 * math.ceil(radius * 1.5) + 21
    disparity = torch.full((size, size), 0.5 - sign * 0.4)
    disc = refocus(point_of_light(size), disparity, radius_per_disparity=radius / 0.4)[1]
    x, y = distances(size)
    tolerance = max(0.5, 0.02 * radius)
    second_moment = ((x**2 + y**2) * disc).sum() / disc.sum()
    assert math.sqrt(2 * second_moment) == pytest.approx(radius, abs=tolerance)  # a disc's is r^2 / 2
    assert disc.sum().item() == pytest.approx(1.0, rel=0.01)
    if radius >= 4:
        bright = disc > disc.max() / 2
        assert math.sqrt(bright.sum() / math.pi) == pytest.approx(radius, abs=tolerance)
    if radius >= 8:
        inside = disc[(x**2 + y**2).sqrt() < 0.9 * radius - 3]
        assert inside.std() / inside.mean() < 0.05  # evenly lit


@pytest.mark.parametrize(("blades", "rotation"), [(3, 0.0), (4, 45.0), (5, 17.0), (6, 0.0), (8, 100.0)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_polygon_aperture_draws_that_polygon(blades: int, rotation: float, sign: int) -> None:
    size, radius = 81, 16.0
    settings = LensSettings(aperture="polygon", blades=blades, rotation_deg=rotation)
    disparity = torch.full((size, size), 0.5 - sign * 0.4)
    image = refocus(point_of_light(size), disparity, radius_per_disparity=radius / 0.4, settings=settings)[0]
    x, y = distances(size)
    corner_radius = radius * math.sqrt(2 * math.pi / (blades * math.sin(2 * math.pi / blades)))
    corners = [math.radians(rotation) + 2 * math.pi * k / blades for k in range(blades)]
    turned = 1 if sign > 0 else -1  # in front of the focal plane the aperture is upside down
    inside = torch.ones(size, size, dtype=torch.bool)
    for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
        ax, ay = (
            corner_radius * math.cos(start),
            -corner_radius * math.sin(start),
        )  # counter-clockwise, y down
        bx, by = corner_radius * math.cos(end), -corner_radius * math.sin(end)
        inside &= (bx - ax) * (turned * y - ay) - (by - ay) * (turned * x - ax) <= 0
    drawn = image > image.max() / 2
    assert image.sum().item() == pytest.approx(1.0, rel=0.01)
    assert (drawn != inside).float().sum() < 0.12 * inside.sum()


def test_discs_are_round_on_the_display_where_pixels_are_not_square() -> None:
    size, radius = 101, 12.0
    disparity = torch.full((size, size), 0.1)
    image = refocus(point_of_light(size), disparity, radius_per_disparity=radius / 0.4, pixel_aspect=2.0)[0]
    drawn = image > image.max() / 2
    assert drawn.any(dim=1).sum() == pytest.approx(2 * radius, abs=2)
    assert drawn.any(dim=0).sum() == pytest.approx(radius, abs=2)
    x, y = distances(size)
    assert abs((x * image).sum() / image.sum()) < 1 and abs((y * image).sum() / image.sum()) < 1


@pytest.mark.parametrize("size", [(40, 64), (33, 17), (1, 1), (2, 3), (64, 1)])
def test_a_flat_field_stays_flat_to_the_border(size: tuple[int, int]) -> None:
    color = torch.tensor([0.6, 0.25, 0.04]).view(3, 1, 1)
    disparity = torch.rand(size)
    disparity[size[0] // 2 :, size[1] // 3 :] *= 0.2
    blurred = refocus(color.expand(3, *size), disparity, radius_per_disparity=25)
    torch.testing.assert_close(blurred, color.expand(3, *size), atol=2e-4, rtol=0)


def test_no_blur_strength_changes_no_bit() -> None:
    sharp, disparity = torch.rand(3, 31, 47) * 1.1 - 0.05, torch.rand(1, 31, 47)
    scene = Scene(sharp=sharp, disparity=disparity, focus_disparity=0.3, blur_strength=0.0, pts=0)
    assert torch.equal(lens_renderer(LensSettings()).refocus(scene), sharp)


def test_frames_keep_their_order_and_time() -> None:
    scenes = [
        Scene(
            sharp=torch.rand(3, 8, 8),
            disparity=torch.rand(1, 8, 8),
            focus_disparity=0.5,
            blur_strength=k,
            pts=p,
        )
        for p, k in ((3, 0.0), (7, 900.0 / 100), (8, 20.0))
    ]
    assert [frame.pts for frame in lens_renderer(LensSettings()).render(iter(scenes))] == [3, 7, 8]


@pytest.mark.parametrize("radius", [3.0, 7.0, 12.0])
def test_sharp_pixels_out_of_reach_are_untouched_and_those_in_reach_are_covered(radius: float) -> None:
    size = 96
    linear = torch.rand(3, size, size) * 0.2
    linear[:, 40:56, 40:56] = 0.9
    disparity = torch.full((size, size), 0.5)
    disparity[40:56, 40:56] = 0.9
    blurred = refocus(linear, disparity, radius_per_disparity=radius / 0.4)
    sharp = to_linear(from_linear(linear, "srgb"), "srgb")
    x = torch.arange(size).float()
    beside = torch.maximum(40 - x, x - 55).clamp(min=0)
    distance = torch.hypot(beside[None, :], beside[:, None])
    unreached = distance > radius + (2.1 if radius <= 8 else 3.1)
    assert torch.equal(blurred[:, unreached], sharp[:, unreached])
    reached = (distance > 0) & (distance < radius * 0.6)
    assert (blurred - sharp)[:, reached].mean() > 0.03  # the bright square spreads over them


def ray_traced(
    near: Callable[[float, float], tuple[bool, float]],
    far: Callable[[float, float], float],
    near_px: float,
    far_px: float,
    size: int,
) -> Tensor:
    """Two planes through a lens by plain loops: the ray through lens point u meets a plane at p + u * coc."""
    lens = [
        (
            math.sqrt((i + 0.5) / 256) * math.cos(2.39996323 * i),
            math.sqrt((i + 0.5) / 256) * math.sin(2.39996323 * i),
        )
        for i in range(256)
    ]
    picture = torch.zeros(size, size)
    for row in range(size):
        for column in range(size):
            light = 0.0
            for u, v in lens:
                hit, value = near(column + near_px * u, row + near_px * v)
                light += value if hit else far(column + far_px * u, row + far_px * v)
            picture[row, column] = light / len(lens)
    return picture


@pytest.mark.parametrize(
    ("near_px", "far_px"), [(-3.0, 0.0), (0.0, 3.0), (-2.0, 2.0), (-3.5, -1.0), (1.0, 4.0)]
)
def test_two_planes_equal_a_double_loop(near_px: float, far_px: float) -> None:
    size = 16

    def near(x: float, y: float) -> tuple[bool, float]:
        return x < 7.5, 0.7

    def far(x: float, y: float) -> float:
        return 0.2 + 0.1 * math.sin(y / 3)

    _, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    sharp = torch.tensor(
        [[near(x, y)[1] if near(x, y)[0] else far(x, y) for x in range(size)] for y in range(size)]
    )
    scale = max(abs(near_px), abs(far_px))
    disparity = torch.where(columns < 7.5, 0.5 - near_px / scale / 4, 0.5 - far_px / scale / 4)
    ours = refocus(sharp.expand(3, -1, -1), disparity.float(), radius_per_disparity=4 * scale)[0]
    truth = ray_traced(near, far, near_px, far_px, size)
    inner = slice(4, -4)  # what is outside the frame is not known to a renderer
    error = (ours - truth)[inner, inner].abs()
    assert error.mean() < 0.008
    assert error.max() < 0.05


@pytest.mark.slow
def test_a_sharp_foreground_leaves_no_halo_in_the_blurred_background() -> None:
    size = 97
    x, y = distances(size)
    inside = (20.3 - (x**2 + y**2).sqrt() + 0.5).clamp(0, 1)  # an anti-aliased disc
    linear = (0.05 + 0.85 * inside).expand(3, -1, -1)
    disparity = torch.where(inside > 0.5, 0.8, 0.2)
    blurred = refocus(linear, disparity, focus=0.8, radius_per_disparity=10 / 0.6)[0]
    around = ((x**2 + y**2).sqrt() > 22) & ((x**2 + y**2).sqrt() < 32)
    assert (blurred[around] - 0.05).abs().max() < 0.01
    torch.testing.assert_close(blurred[inside == 1], linear[0][inside == 1], atol=1e-5, rtol=0)


def test_a_blurred_foreground_edge_is_see_through_as_geometry_says() -> None:
    size, radius = 96, 12.0
    columns = torch.arange(size).expand(size, size)
    linear = torch.where(columns < 48, 0.8, 0.1).expand(3, -1, -1)
    disparity = torch.where(columns < 48, 0.9, 0.5)
    row = refocus(linear, disparity, radius_per_disparity=radius / 0.4)[0, 48]
    depth = ((torch.arange(size) - 47.5) / radius).clamp(-1, 1)  # how far past the edge, in radii
    open_share = (depth * (1 - depth**2).sqrt() + depth.asin()) / math.pi + 0.5  # part of the disc past it
    expected = 0.8 - 0.7 * open_share
    torch.testing.assert_close(row[24:72], expected[24:72], atol=0.03, rtol=0)


def test_hidden_background_continues_what_is_farther_not_what_is_nearer() -> None:
    size = 96
    columns = torch.arange(size).expand(size, size)
    linear = torch.stack([(columns < 40) * 0.8, (columns >= 40) * 0.5, torch.full((size, size), 0.1)])
    disparity = torch.where(columns < 40, 0.9, 0.2)
    blurred = refocus(linear, disparity, focus=0.9, radius_per_disparity=20)
    assert blurred[0, 20:76, 41:].max() < 0.02  # no red of the sharp foreground in the green behind it
    assert (blurred[1, 20:76, 41:] - 0.5).abs().max() < 0.01


def test_hidden_background_has_no_streaks() -> None:
    generator = torch.Generator().manual_seed(0)
    wall = torch.rand(1, 80, 120, generator=generator).expand(3, -1, -1).clone()
    disparity = torch.full((80, 120), 0.2)
    disparity[:, 48:72] = 0.8
    wall[:, :, 48:72] = 0  # a dark post out of focus before a wall in focus
    white = (disparity < 0.5).float().expand(3, -1, -1)
    shown, share = (
        refocus(light, disparity, focus=0.2, radius_per_disparity=20 / 0.6)[0] for light in (wall, white)
    )
    roughness = (shown / share)[20:-20].diff(dim=0).abs().mean(dim=0)
    assert roughness[52:68].max() < 0.2 * roughness[:40].mean()


def test_a_depth_ramp_has_no_bands() -> None:
    height, width = 160, 768
    disparity = torch.linspace(0, 1, height)[:, None].expand(height, width)
    linear = (torch.rand(1, height, width) < 0.5).float().mul(0.6).add(0.1).expand(3, -1, -1)
    blurred = refocus(linear, disparity, focus=0.5, radius_per_disparity=28)[0]
    assert (blurred.mean(dim=1) - 0.4).abs().max() < 0.03  # no darker or lighter stripes
    contrast = blurred.std(dim=1).log()
    contrast = torch.nn.functional.avg_pool1d(contrast[None], 5, 1)[0]
    half = len(contrast) // 2
    behind, in_front = contrast[half + 8 : -10], contrast[10 : half - 8].flip(0)
    for side in (behind, in_front):
        assert side[-1] < side[0] - 0.8
        assert side.diff().max() < 0.09  # blur grows steadily away from the focal plane


@pytest.mark.parametrize("radius", [0.65, 0.75, 0.85, -0.75])
@pytest.mark.parametrize("period", [2.5, 3.0, 4.0, 6.0])
def test_fine_stripes_near_focus_lose_the_contrast_that_a_disc_takes(radius: float, period: float) -> None:
    frequency = 1 / period
    wave = torch.cos(2 * math.pi * frequency * torch.arange(60.0))
    linear = (0.4 + 0.2 * wave).expand(3, 60, 60)
    blurred = refocus(linear, torch.full((60, 60), 0.3), focus=0.3 + radius / 10)
    kept = 2 * float((blurred[0] * wave).mean()) / 0.2
    turn = 2 * math.pi * frequency * abs(radius)
    assert kept == pytest.approx(2 * float(torch.special.bessel_j1(torch.tensor(turn))) / turn, abs=0.06)


def test_highlights_brighten_clipped_lights_only() -> None:
    size = 61
    linear = torch.full((3, size, size), 0.1)
    linear[:, 29:32, 29:32] = 1.0
    disparity = torch.full((size, size), 0.1)
    plain = refocus(linear, disparity)
    boosted = refocus(linear, disparity, settings=LensSettings(highlights=3.0))
    added = (boosted - plain)[0]
    assert added.sum().item() == pytest.approx(3 * 9, rel=0.02)
    assert added[:8].abs().max() < 1e-5


def test_highlights_in_focus_stay_as_they_are() -> None:
    linear = torch.full((3, 33, 33), 0.1)
    linear[:, 14:19, 14:19] = 1.0
    disparity = torch.full((33, 33), 0.42)  # 0.8 px
    plain = refocus(linear, disparity)
    assert torch.equal(refocus(linear, disparity, settings=LensSettings(highlights=5.0)), plain)


def test_a_large_blur_on_a_small_frame_is_finite() -> None:
    blurred = refocus(torch.rand(3, 24, 40), torch.rand(24, 40), radius_per_disparity=300)
    assert blurred.isfinite().all()


def picture_of_a_light(size: int, focus: float) -> Tensor:
    """A clipped light of radius 3.4 px, 8 times white, before a dark wall: linear light through the lens."""
    x, y = distances(size)
    inside = (3.4 - (x**2 + y**2).sqrt() + 0.5).clamp(0, 1)
    linear = (0.1 + 7.9 * inside).clamp(max=1).expand(3, -1, -1)
    disparity = torch.where(inside > 0.5, 0.8, 0.2)
    return refocus(linear, disparity, focus=focus, radius_per_disparity=10 / 0.6)[0]


def test_a_light_in_focus_leaves_no_glow_in_the_blurred_wall() -> None:
    x, y = distances(61)
    wall = (x**2 + y**2).sqrt() > 5
    assert (picture_of_a_light(61, focus=0.8)[wall] - 0.1).abs().max() < 0.01


def test_a_blurred_light_leaves_no_ring_on_the_wall_in_focus() -> None:
    x, y = distances(61)
    distance = (x**2 + y**2).sqrt()
    disc = picture_of_a_light(61, focus=0.2)
    assert (disc[distance < 7].max() - disc[distance < 7].min()) < 0.1  # a disc, evenly lit


def test_a_picture_cut_by_the_frame_is_continued_without_streaks() -> None:
    generator = torch.Generator().manual_seed(2)
    large = torch.rand(3, 96, 96, generator=generator) * 0.8
    truth = refocus(large, torch.full((96, 96), 0.1))[:, 20:76, 20:76]
    cut = refocus(large[:, 20:76, 20:76], torch.full((56, 56), 0.1))
    error = (cut - truth)[:, :, :2].square().mean().sqrt()
    assert error < 0.037  # 0.045 with replicated borders
