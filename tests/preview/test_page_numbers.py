"""The page computes what the package computes: its functions against ours, in a browser."""

from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from any2bokeh.depth.distances import DepthRange
from any2bokeh.focus.depth_of_field import reshape
from any2bokeh.focus.focus_track import Curve, Focus
from any2bokeh.focus.points import PATCH_SHARE, patch_at
from any2bokeh.optics.coc import coc_px
from any2bokeh.preview.pack import LARGEST_CODE, as_text, pack, pack_masks
from any2bokeh.preview.page import SCRIPTS
from any2bokeh.preview.pictures import IN_FOCUS_PX
from any2bokeh.settings.focus_settings import DepthOfFieldSettings, Easing

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

LONGER_SIDE_PX = 1920


class Script:
    """The functions of the page's scripts, all but those that touch the page."""

    def __init__(self, browser: "Browser") -> None:
        folder = files("any2bokeh.preview") / "web"
        self._source = "\n".join((folder / name).read_text("utf-8") for name in SCRIPTS[:5])
        self._page = browser.new_page()

    def call(self, expression: str, **given: Any) -> Any:
        """Return what an expression comes to, in which the given values have their names."""
        names = ", ".join(given)
        body = f"{self._source}; return (async ({{{names}}}) => {expression})(given);"
        return self._page.evaluate("([body, given]) => new Function('given', body)(given)", [body, given])


@pytest.fixture(scope="module")
def script(browser: "Browser") -> Script:
    return Script(browser)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (37, 53)])
def test_disparity_arrives_as_it_was_packed(size: tuple[int, int], script: Script) -> None:
    height, width = size
    disparity = torch.rand(1, height, width)
    disparity[0, 0, 0], disparity[0, -1, -1] = 0, 1
    found = script.call(
        "{ const d = await unpack(packed); return [d.width, d.height, [...d.codes]]; }",
        packed=as_text(pack(disparity)),
    )
    assert found[:2] == [width, height]
    assert found[2] == (disparity * LARGEST_CODE).round().int().flatten().tolist()


@pytest.mark.parametrize(("disparity", "shown"), [(1, " (1.5 m)"), (0, " (30 m)"), (0.25, " (5.22 m)")])
def test_disparity_is_told_in_meters_where_they_are_known(
    disparity: float, shown: str, script: Script
) -> None:
    assert script.call("metersOf(disparity, [1.5, 30])", disparity=disparity) == shown
    assert DepthRange(1.5, 30).distance_m(disparity) == pytest.approx(float(shown[2:-3]), rel=1e-3)
    assert script.call("metersOf(disparity, null)", disparity=disparity) == ""


def test_a_point_is_read_by_the_rule_of_the_command_line(script: Script) -> None:
    disparity = (torch.rand(1, 270, 480) * LARGEST_CODE).round() / LARGEST_CODE
    points = [(0.0, 0.0), (1.0, 1.0), (0.5, 0.5), (0.999, 0.001), *torch.rand(40, 2).tolist()]
    read = script.call(
        "{ const d = await unpack(packed); return points.map(([x, y]) => readAt(d, x, y, share)); }",
        packed=as_text(pack(disparity)),
        points=points,
        share=PATCH_SHARE,
    )
    expected = [patch_at((x, y), disparity).median().item() for x, y in points]
    assert read == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("strength", [0.0, 8.0, 30.0, 128.0])
@pytest.mark.parametrize(
    "depth_of_field",
    [DepthOfFieldSettings(), DepthOfFieldSettings(dof_range=0.2, near_strength=0.5, far_strength=2.0)],
)
@pytest.mark.parametrize("focus_disparity", [0.0, 0.41, 1.0])
def test_the_zone_is_where_blur_stays_below_a_pixel(
    focus_disparity: float, depth_of_field: DepthOfFieldSettings, strength: float, script: Script
) -> None:
    codes = torch.arange(LARGEST_CODE + 1) / LARGEST_CODE
    shaped, plane, strength_drawn = reshape(codes, Focus(focus_disparity, strength), depth_of_field)
    radius_px = coc_px(shaped, plane, strength_drawn, LONGER_SIDE_PX).abs()
    inside = (radius_px < IN_FOCUS_PX).nonzero().flatten()
    zone = {
        "longerSide": LONGER_SIDE_PX,
        "inFocusPx": IN_FOCUS_PX,
        "dofRange": depth_of_field.dof_range,
        "nearStrength": depth_of_field.near_strength,
        "farStrength": depth_of_field.far_strength,
    }
    found = script.call("zoneOf(focus, strength, zone)", focus=focus_disparity, strength=strength, zone=zone)
    assert found == pytest.approx([inside.min().item(), inside.max().item()], abs=1)  # float32 there


@pytest.mark.parametrize("easing", ["smooth", "linear", "hold"])
def test_a_pull_moves_as_the_command_moves_it(easing: Easing, script: Script) -> None:
    times_s, values = [0.5, 1.0, 3.0], [0.9, 0.2, 0.6]
    moments = np.linspace(0, 4, 81).tolist()
    keys = [{"seconds": time_s, "value": value} for time_s, value in zip(times_s, values, strict=True)]
    found = script.call(
        "moments.map((time) => valueAt(keys, time, easing))", moments=moments, keys=keys, easing=easing
    )
    curve = Curve(times_s, values, easing)
    assert found == pytest.approx([curve.at(moment) for moment in moments])


@pytest.mark.parametrize(
    ("value", "from_zero", "parts"),
    [
        (0.05, False, {0: 1}),
        (0.1, False, {0: 1}),
        (0.2, False, {0: 0.5, 1: 0.5}),
        (0.45, False, {1: 0.25, 2: 0.75}),
        (0.9, False, {2: 1}),
        (0.0, True, {-1: 1}),
        (0.025, True, {-1: 0.75, 0: 0.25}),
    ],
)
def test_what_is_mixed_lies_on_both_sides(
    value: float, from_zero: bool, parts: dict[int, float], script: Script
) -> None:
    found = script.call("between(values, value, zero)", values=[0.1, 0.3, 0.5], value=value, zero=from_zero)
    assert {int(index): share for index, share in found if share} == pytest.approx(parts)


def test_numbers_are_short_and_exact(script: Script) -> None:
    numbers = [0, 0.4, 0.41, 0.4126, 1, 12.5]
    found = script.call("numbers.map((number) => short(number, 3))", numbers=numbers)
    assert found == ["0", "0.4", "0.41", "0.413", "1", "12.5"]


@pytest.mark.parametrize(("x", "y", "which"), [(0.3, 0.5, 0), (0.7, 0.45, 1)])
def test_a_surface_is_grown_to_its_outline(x: float, y: float, which: int, script: Script) -> None:
    rows, columns = torch.meshgrid(torch.arange(216.0), torch.arange(384.0), indexing="ij")
    disparity = 0.1 + 0.8 * ((rows - 150) / 66).clamp_min(0)  # a wall, and a floor before it
    discs = []
    for middle, radius, near in ((115, 50, 0.5), (270, 40, 0.62)):
        discs.append((columns - middle) ** 2 + (rows - 105) ** 2 < radius**2)
        disparity = torch.where(discs[-1], near + 0.0004 * rows, disparity)
    expected = discs[which].numpy()
    mask, middle_of = script.call(
        "{ const d = await unpack(packed), m = growRegion(d, x, y);"
        " return [[...m.inside], disparityOf(d, m)]; }",
        packed=as_text(pack(disparity[None])),
        x=x,
        y=y,
    )
    found = np.array(mask, bool).reshape(216, 384)
    assert (found & expected).sum() / (found | expected).sum() > 0.9
    assert middle_of == pytest.approx(float(disparity.numpy()[expected].mean()), abs=0.02)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (37, 53)])
def test_masks_arrive_as_they_were_packed(size: tuple[int, int], script: Script) -> None:
    rng = np.random.default_rng(1)
    masks = [rng.random(size) < share for share in (0.0, 0.3, 1.0)]
    found = script.call(
        "(await unpackThings(packed)).map((one) => [one.width, one.height, [...one.inside]])",
        packed=as_text(pack_masks(masks)),
    )
    assert [one[:2] for one in found] == [[size[1], size[0]]] * 3
    assert [one[2] for one in found] == [mask.astype(int).ravel().tolist() for mask in masks]
    assert script.call("await unpackThings(packed)", packed=as_text(pack_masks([]))) == []
