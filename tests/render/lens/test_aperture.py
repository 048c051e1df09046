"""Discs that are not round: blades, ovals and cat's eyes, against shapes known by construction."""

import math
import sys

import pytest
import torch
from lenses import compiled_lens, torch_lens
from torch import Tensor

from any2bokeh.optics.transfer import from_linear, to_linear
from any2bokeh.render.lens.aperture import aperture_kernel, aperture_kernels, corner_reach
from any2bokeh.scene import Scene
from any2bokeh.settings.render_settings import LensSettings

HEIGHT, WIDTH = 270, 360
lens_renderer = torch_lens


@pytest.fixture(params=[torch_lens, compiled_lens], ids=["torch", "compiled"])
def _each_renderer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "lens_renderer", request.param)


def refocus(linear: Tensor, settings: LensSettings, radius_px: float) -> Tensor:
    """Linear light ``3 H W`` of one distance through the lens; negative radii are before the focus."""
    disparity = 0.5 - math.copysign(0.4, radius_px)
    scene = Scene(
        sharp=from_linear(linear, "srgb"),
        disparity=torch.full((1, *linear.shape[1:]), disparity),
        focus_disparity=0.5,
        blur_strength=abs(radius_px) / 0.4 * 1024 / max(linear.shape[1:]),
        pts=0,
    )
    return to_linear(lens_renderer(settings).refocus(scene), "srgb")


def point_of_light(x: int, y: int) -> Tensor:
    linear = torch.zeros(3, HEIGHT, WIDTH)
    linear[:, y, x] = 1.0
    return linear


def lens_shape(place: tuple[int, int], radius: float, distance: float) -> Tensor:
    """What two discs around ``place`` have in common, one displaced by ``distance`` towards the center."""
    x, y = torch.arange(WIDTH)[None] - place[0], torch.arange(HEIGHT)[:, None] - place[1]
    away_x, away_y = place[0] - (WIDTH - 1) / 2, place[1] - (HEIGHT - 1) / 2
    half = distance / 2 / max(math.hypot(away_x, away_y), 1)
    outer = (x - half * away_x).square() + (y - half * away_y).square() <= radius**2
    return outer & ((x + half * away_x).square() + (y + half * away_y).square() <= radius**2)


@pytest.mark.usefixtures("_each_renderer")
@pytest.mark.parametrize("radius", [5.0, -9.0])
@pytest.mark.parametrize("place", [(180, 135), (30, 30), (330, 235), (30, 135), (180, 240)])
@pytest.mark.slow
def test_the_rim_cuts_off_what_it_should_and_the_light_stays(radius: float, place: tuple[int, int]) -> None:
    image = refocus(point_of_light(*place), LensSettings(cats_eye=1, highlights=0), radius)[0]
    off_axis = math.hypot(place[0] - WIDTH / 2, place[1] - HEIGHT / 2) / (math.hypot(WIDTH, HEIGHT) / 2)
    drawn, tolerance_px = image > image.max() / 2, 1.0 if abs(radius) < 6 else 1.5
    outside, inside = (
        lens_shape(place, abs(radius) + error, off_axis * abs(radius))
        for error in (tolerance_px, -tolerance_px)
    )
    assert not (drawn & ~outside).any()
    assert not (inside & ~drawn).any()
    assert image.sum().item() == pytest.approx(1.0, rel=0.03)  # shapes differ within one disc


@pytest.mark.usefixtures("_each_renderer")
def test_an_oval_is_as_tall_as_asked_and_keeps_the_light() -> None:
    radius, squeeze = 12.0, 2.25
    image = refocus(point_of_light(180, 135), LensSettings(anamorphic=squeeze, highlights=0), radius)[0]
    drawn = image > image.max() / 2
    assert image.sum().item() == pytest.approx(1.0, rel=0.01)
    assert drawn.any(dim=0).sum() == pytest.approx(2 * radius / 1.5, abs=2)
    assert drawn.any(dim=1).sum() == pytest.approx(2 * radius * 1.5, abs=2)
    assert drawn.sum() == pytest.approx(math.pi * radius**2, rel=0.05)


@pytest.mark.slow
@pytest.mark.usefixtures("_each_renderer")
@pytest.mark.parametrize("settings", [LensSettings(cats_eye=1), LensSettings(cats_eye=0.4, anamorphic=2)])
@pytest.mark.parametrize("radius", [3.0, 17.0, -40.0])
def test_a_flat_field_stays_flat(settings: LensSettings, radius: float) -> None:
    flat = torch.tensor([0.6, 0.25, 0.04]).view(3, 1, 1).expand(3, HEIGHT, WIDTH)
    torch.testing.assert_close(refocus(flat, settings, radius), flat, atol=2e-4, rtol=0)


@pytest.mark.slow
@pytest.mark.usefixtures("_each_renderer")
@pytest.mark.parametrize(("radius", "cell"), [(5.0, 1), (13.0, 2), (-26.0, 4)])
def test_zones_leave_no_seams(radius: float, cell: int) -> None:
    slope = 1 / WIDTH
    ramp = (torch.arange(WIDTH) * slope).expand(3, HEIGHT, WIDTH)
    bend = refocus(ramp, LensSettings(cats_eye=1), radius)[1, 60:200, 45:-45].diff(n=2, dim=1).abs()
    assert bend.max() < slope * cell / 2  # an outline may jump by half a cell, its middle by less
    assert bend.max() < 1 / 255


@pytest.mark.usefixtures("_each_renderer")
def test_no_blur_changes_no_bit_whatever_the_aperture() -> None:
    linear = torch.rand(3, HEIGHT, WIDTH)
    settings = LensSettings(aperture="polygon", roundness=0.5, cats_eye=1, anamorphic=2)
    assert torch.equal(refocus(linear, settings, 0.0), to_linear(from_linear(linear, "srgb"), "srgb"))


@pytest.mark.parametrize("blades", [3, 5, 8])
def test_fully_round_blades_are_a_disc(blades: int) -> None:
    round_blades = LensSettings(aperture="polygon", blades=blades, roundness=1, rotation_deg=20)
    disc = aperture_kernel(9.3, 9.3, LensSettings())
    torch.testing.assert_close(aperture_kernel(9.3, 9.3, round_blades), disc, atol=1e-6, rtol=0)
    assert corner_reach(round_blades) == pytest.approx(1)


@pytest.mark.parametrize("roundness", [0.0, 0.3, 0.8])
def test_rounder_blades_gather_the_same_light_and_bulge(roundness: float) -> None:
    settings = LensSettings(aperture="polygon", blades=5, roundness=roundness, rotation_deg=90)
    kernel = aperture_kernel(40, 40, settings)
    area = (kernel / kernel.max()).sum().item()
    assert area == pytest.approx(math.pi * 40**2, rel=0.002)
    top = kernel.shape[0] // 2 - int((kernel[:, kernel.shape[1] // 2] > 0).nonzero()[0])
    assert top == pytest.approx(40 * corner_reach(settings), abs=1)  # a corner is up
    reach, angle = corner_reach(settings), math.pi / 5
    chord, bulge = reach * math.cos(angle), 0.0
    if roundness:
        blade = reach / roundness
        bulge = blade - math.sqrt(blade**2 - (reach * math.sin(angle)) ** 2)
    bottom = int((kernel[:, kernel.shape[1] // 2] > 0).nonzero()[-1]) - kernel.shape[0] // 2
    assert bottom == pytest.approx(40 * (chord + bulge), abs=1)


def test_a_rim_displaced_by_one_radius_leaves_the_lens_of_two_discs() -> None:
    whole, cut = aperture_kernels(30, 30, LensSettings(cats_eye=1), ((0.0, 0.0), (0.6, -0.8)))
    share = (cut > 0.5 * cut.max()).sum() / (whole > 0.5 * whole.max()).sum()
    assert share == pytest.approx((2 * math.pi / 3 - math.sqrt(3) / 2) / math.pi, rel=0.01)
    assert cut.sum() == pytest.approx(1)
