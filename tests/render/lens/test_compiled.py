"""The compiled lens draws what the reference draws."""

import pytest
import torch
from lenses import compiled_lens, torch_lens
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.scene import Scene
from any2bokeh.settings.color_settings import TransferFunction
from any2bokeh.settings.render_settings import LensSettings

CODE = 1 / 255


def planes(height: int, width: int) -> Tensor:
    """A background, a nearer block and a thin post."""
    disparity = torch.full((height, width), 0.2)
    disparity[height // 4 : height // 2, width // 4 : width // 2] = 0.9
    disparity[:, width // 2 : width // 2 + 2] = 0.6
    return disparity


def ramp(height: int, width: int) -> Tensor:
    """A slanted floor."""
    return torch.linspace(0, 1, height)[:, None].repeat(1, width)


def clutter(height: int, width: int) -> Tensor:
    """Patches at all depths."""
    patches = torch.rand(1, 1, max(height // 16, 1), max(width // 16, 1))
    return interpolate(patches, (height, width))[0, 0]


def noise(height: int, width: int) -> Tensor:
    """Another depth at every pixel."""
    return torch.rand(height, width)


def difference(
    disparity: Tensor,
    radius_px: float,
    *,
    focus: float = 0.5,
    settings: LensSettings | None = None,
    transfer: TransferFunction = "srgb",
    pixel_aspect: float = 1.0,
) -> float:
    """The largest difference between both renderers, for discs of up to about ``radius_px``."""
    height, width = disparity.shape
    picture = torch.rand(3, height, width)
    picture[:, ::7, ::5] = 1.0
    scene = Scene(
        sharp=picture,
        disparity=disparity[None],
        focus_disparity=focus,
        blur_strength=radius_px * 1024 / max(height, width * pixel_aspect),
        pts=0,
    )
    lens = settings or LensSettings()
    reference = torch_lens(lens, transfer=transfer, pixel_aspect=pixel_aspect)
    compiled = compiled_lens(lens, transfer=transfer, pixel_aspect=pixel_aspect)
    return (reference.refocus(scene) - compiled.refocus(scene)).abs().max().item()


@pytest.mark.parametrize("make", [planes, ramp, clutter, noise])
@pytest.mark.parametrize("radius_px", [0.8, 3.0, 9.0, 20.0, 45.0])
def test_both_draw_the_same_at_every_radius(make, radius_px: float) -> None:
    assert difference(make(101, 157), radius_px) < CODE / 4


@pytest.mark.parametrize("radius_px", [90.0, 180.0, 360.0])
@pytest.mark.slow
def test_both_draw_the_same_with_cells_larger_than_blocks(radius_px: float) -> None:
    assert difference(clutter(130, 300), radius_px) < CODE / 4


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 64), (64, 1), (33, 17), (96, 384), (97, 385)])
def test_both_draw_the_same_at_every_size(size: tuple[int, int]) -> None:
    assert difference(clutter(*size), 12.0) < CODE / 4


@pytest.mark.parametrize("focus", [0.0, 0.2, 0.61, 1.0])
def test_both_draw_the_same_at_every_focus(focus: float) -> None:
    assert difference(planes(90, 120), 14.0, focus=focus) < CODE / 4


@pytest.mark.parametrize(
    "settings",
    [
        LensSettings(aperture="polygon", blades=3),
        LensSettings(aperture="polygon", blades=5, rotation_deg=17),
        LensSettings(aperture="polygon", blades=6, roundness=0.4, rotation_deg=11, cats_eye=0.7),
        LensSettings(anamorphic=2, cats_eye=1),
        LensSettings(highlights=3, highlight_threshold=0.9),
    ],
)
@pytest.mark.slow
def test_both_draw_the_same_with_every_setting(settings: LensSettings) -> None:
    assert difference(clutter(90, 120), 14.0, settings=settings) < CODE / 4


@pytest.mark.parametrize("pixel_aspect", [0.75, 4 / 3, 2.0])
def test_both_draw_the_same_where_pixels_are_not_square(pixel_aspect: float) -> None:
    assert difference(clutter(90, 120), 14.0, pixel_aspect=pixel_aspect) < CODE / 4


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_both_draw_the_same_with_every_transfer_function(transfer: TransferFunction) -> None:
    assert difference(planes(90, 120), 14.0, transfer=transfer) < CODE


def test_both_draw_the_same_on_a_frame_that_is_searched_at_a_fraction_of_its_size() -> None:
    assert difference(planes(1080, 300), 14.0) < CODE / 4


def test_a_frame_does_not_show_the_one_before() -> None:
    settings = LensSettings(highlights=0)  # whose brightness frames before tell as well
    lens = compiled_lens(settings)
    scenes = [
        Scene(
            sharp=torch.rand(3, 60, 80),
            disparity=clutter(60, 80)[None],
            focus_disparity=focus,
            blur_strength=blur_strength,
            pts=pts,
        )
        for pts, (focus, blur_strength) in enumerate([(0.5, 200.0), (0.1, 60.0)])
    ]
    fresh = [compiled_lens(settings).refocus(scene) for scene in scenes]
    for expected, frame in zip(fresh, lens.render(iter(scenes)), strict=True):
        torch.testing.assert_close(frame.picture, expected, rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(70, 110), (1090, 120)])  # the search takes all pixels, or every other
def test_both_draw_the_same_with_the_frames_around(size: tuple[int, int]) -> None:
    background, block = torch.rand(3, size[0], size[1] + 60), torch.rand(3, 30, 30)
    background = interpolate(background[None, :, ::4, ::4], background.shape[1:], mode="bilinear")[0]
    scenes = []
    for frame in range(4):
        picture = background[:, :, 3 * frame : 3 * frame + size[1]].clone()
        disparity = torch.full((1, *size), 0.3)
        picture[:, 20:50, 40 - frame : 70 - frame] = block
        disparity[:, 20:50, 40 - frame : 70 - frame] = 0.8
        scenes.append(
            Scene(
                sharp=picture,
                disparity=disparity,
                focus_disparity=0.3,
                blur_strength=14 * 1024 / max(size),
                pts=frame,
            )
        )
    best = LensSettings(quality="best")
    ours = compiled_lens(best).render(iter(scenes))
    for expected, frame in zip(torch_lens(best).render(iter(scenes)), ours, strict=True):
        assert expected.pts == frame.pts
        assert (expected.picture - frame.picture).abs().max() < CODE / 4
