"""The classical rules of other methods: what each does right by construction, and what it does wrong."""

import math

import pytest
import torch
from torch import Tensor

from any2bokeh.lab.evaluation.baselines.baseline import BASELINES, BaselineRenderer, Blur
from any2bokeh.lab.evaluation.baselines.occlusion_gather import gather_reaching_discs
from any2bokeh.lab.evaluation.baselines.planes import PLANES, blur_planes
from any2bokeh.lab.evaluation.baselines.scatter import LEAST_AREA, SOFTNESS, scatter_discs
from any2bokeh.optics.coc import CocScale
from any2bokeh.scene import Scene
from any2bokeh.settings.evaluation_settings import METHODS, ON_REQUEST

SIZE = 41
MIDDLE = SIZE // 2


def halves(left: float, right: float) -> Tensor:
    """``1 H W`` of two values side by side."""
    values = torch.full((1, SIZE, SIZE), float(left))
    values[..., MIDDLE:] = right
    return values


def point() -> Tensor:
    """A white point on black."""
    light = torch.zeros(3, SIZE, SIZE)
    light[:, MIDDLE, MIDDLE] = 1
    return light


def test_every_baseline_is_a_method_and_those_of_others_run_on_request() -> None:
    assert set(BASELINES) == {"gather", *ON_REQUEST}
    assert set(BASELINES) < set(METHODS)


@pytest.mark.parametrize("name", BASELINES)
def test_a_flat_picture_stays_flat_whatever_its_disparity(name: str) -> None:
    light = torch.tensor([0.2, 0.5, 0.9]).view(3, 1, 1).expand(3, SIZE, SIZE).contiguous()
    disparity = torch.rand(1, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    blurred = BASELINES[name].blur(light, disparity, CocScale(0.5, 12.0))
    torch.testing.assert_close(blurred, light, rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", BASELINES)
def test_a_point_of_light_becomes_a_disc_of_its_radius(name: str) -> None:
    blurred = BASELINES[name].blur(point(), torch.zeros(1, SIZE, SIZE), CocScale(0.6 + 0.5 / PLANES, 10.0))
    radius = 6.0 + (10.0 * 0.5 / PLANES if name != "planes" else 0)  # a plane is drawn by its middle
    assert float(blurred[0].sum()) == pytest.approx(1, abs=0.02)
    assert float((blurred[0] > 0.5 / (math.pi * radius**2)).sum()) == pytest.approx(
        math.pi * radius**2, rel=0.06
    )


def test_linear_light_is_blurred_by_the_rivals_and_code_values_by_gather() -> None:
    scene = Scene(
        sharp=halves(0, 1).expand(3, SIZE, SIZE).contiguous(),
        disparity=torch.zeros(1, SIZE, SIZE),
        focus_disparity=0.5,
        blur_strength=1024 / SIZE * 20,  # 10 px
        pts=3,
    )
    for name in BASELINES:
        [frame] = BaselineRenderer(name).render(iter([scene]))
        beside = float(frame.picture[0, MIDDLE, MIDDLE - 1 : MIDDLE + 1].mean())
        assert frame.pts == 3
        assert beside == pytest.approx(0.5 if name == "gather" else 0.735, abs=0.01), name  # sRGB of 0.5


def test_scatter_weighs_by_the_published_formula() -> None:
    """Two pixels: each holds itself, and the other's light by its distance from the other's disc."""
    light = torch.tensor([0.0, 1.0]).expand(3, 1, 2).contiguous()
    radii = (0.8, 1.7)
    blurred = scatter_discs(light, torch.tensor([[radii]]), CocScale(0.0, 1.0))

    def weight(radius: float, distance: float) -> float:
        return (0.5 + 0.5 * math.tanh(SOFTNESS * (radius - distance))) / (radius**2 + LEAST_AREA)

    own, other = weight(radii[0], 0), weight(radii[1], 1)
    assert float(blurred[0, 0, 0]) == pytest.approx(other / (own + other), rel=1e-3)


def test_what_is_blurred_behind_a_sharp_subject_bleeds_into_it_by_scatter_alone() -> None:
    light = halves(1, 0).expand(3, SIZE, SIZE).contiguous()  # bright background, dark subject in focus
    disparity, scale = halves(0.2, 0.7 + 0.5 / PLANES), CocScale(0.7 + 0.5 / PLANES, 16.0)
    subject = (0, MIDDLE, MIDDLE + 2)
    assert float(scatter_discs(light, disparity, scale)[subject]) > 0.05
    assert float(gather_reaching_discs(light, disparity, scale)[subject]) == 0
    assert float(blur_planes(light, disparity, scale)[subject]) == 0


@pytest.mark.parametrize("blur", [scatter_discs, gather_reaching_discs, blur_planes])
def test_a_blurred_foreground_spreads_over_what_is_in_focus(blur: Blur) -> None:
    light = halves(1, 0).expand(3, SIZE, SIZE).contiguous()
    disparity, scale = halves(0.9, 0.2 + 0.5 / PLANES), CocScale(0.2 + 0.5 / PLANES, 16.0)
    row = blur(light, disparity, scale)[0, MIDDLE]
    assert 0 < float(row[MIDDLE + 5]) < float(row[MIDDLE]) < 1
    assert float(row[MIDDLE + 13]) == 0


def test_planes_occlude_each_other_in_order() -> None:
    """A sharp white subject before a black background: none of the two takes from the other at the edge."""
    light = halves(0, 1).expand(3, SIZE, SIZE).contiguous()
    disparity, scale = halves(0.2, 0.7 + 0.5 / PLANES), CocScale(0.7 + 0.5 / PLANES, 16.0)
    blurred = blur_planes(light, disparity, scale)[0, MIDDLE]
    assert blurred.tolist() == pytest.approx([0.0] * MIDDLE + [1.0] * (SIZE - MIDDLE), abs=1e-5)


def test_planes_step_where_a_slope_changes_evenly() -> None:
    """Within a plane the radius is one: pixels of different disparity are blurred by the same amount."""
    apart = 0.9 / PLANES
    for offset, is_same in ((0.0, True), (0.2 / PLANES, False)):
        first, second = (
            blur_planes(point(), torch.full((1, SIZE, SIZE), 0.25 + offset + change), CocScale(0.9, 10.0))
            for change in (0.0, apart)
        )
        assert torch.equal(first, second) == is_same
