"""An aperture of one's own: a point of light becomes the picture, and both engines draw it alike."""

import math

import numpy as np
import pytest
import torch
from lenses import compiled_lens, torch_lens
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.render.lens.aperture import aperture_kernel, aperture_kernels
from any2bokeh.render.lens.renderer import LensRenderer
from any2bokeh.scene import Scene
from any2bokeh.settings.aperture_picture import AperturePicture
from any2bokeh.settings.render_settings import LensSettings

HEIGHT, WIDTH, RADIUS = 51, 61, 6.0  # drawn in cells of a pixel
ENGINES = pytest.mark.parametrize("make", [torch_lens, compiled_lens], ids=["torch", "compiled"])


def flag() -> NDArray[np.float32]:
    """A shape that no turn and no mirror leaves as it is, with a shade in it."""
    light = np.zeros((60, 60), np.float32)
    light[5:55, 10:20] = 1.0
    light[5:30, 20:50] = 0.5
    return light


FLAG = LensSettings(aperture=AperturePicture.of(flag()))


def draw(lens: LensRenderer, linear: Tensor, radius_px: float) -> Tensor:
    scene = Scene(
        sharp=linear,
        disparity=torch.full((1, *linear.shape[1:]), 0.5 - math.copysign(0.4, radius_px)),
        focus_disparity=0.5,
        blur_strength=abs(radius_px) / 0.4 * 1024 / WIDTH,
        pts=0,
    )
    return lens.refocus(scene)


def point() -> Tensor:
    linear = torch.zeros(3, HEIGHT, WIDTH)
    linear[:, HEIGHT // 2, WIDTH // 2] = 100.0
    return linear


def expected(radius_px: float) -> Tensor:
    """The flag as large as a disc of that radius blurs, its light's center in the middle of the frame."""
    picture = FLAG.aperture
    assert isinstance(picture, AperturePicture)
    scale, (x, y) = radius_px / picture.radius, picture.middle
    light = torch.from_numpy(picture.light)
    canvas = torch.zeros(HEIGHT * 8, WIDTH * 8, dtype=torch.float64)  # eight to a pixel
    rows = ((torch.arange(HEIGHT * 8) + 0.5) / 8 - (HEIGHT // 2 + 0.5)) / scale + y
    columns = ((torch.arange(WIDTH * 8) + 0.5) / 8 - (WIDTH // 2 + 0.5)) / scale + x
    inside = ((rows >= 0) & (rows < len(light)))[:, None] & (columns >= 0) & (columns < light.shape[1])
    taken = light[rows.long().clamp(0, len(light) - 1)][:, columns.long().clamp(0, light.shape[1] - 1)]
    canvas[inside] = taken[inside]
    image = interpolate(canvas[None, None], scale_factor=1 / 8, mode="area")[0, 0]
    return image / image.sum()


@ENGINES
def test_a_point_of_light_behind_the_focus_becomes_the_picture(make) -> None:
    image = draw(make(FLAG, transfer="linear"), point(), RADIUS)[0]
    assert image.sum().item() == pytest.approx(100, rel=1e-3)
    missed = (image / 100 - expected(math.sqrt(RADIUS**2 - 1 / 3))).abs().sum()  # less a pixel's own width
    assert missed < 0.05


@ENGINES
def test_before_the_focus_the_picture_is_upside_down(make) -> None:
    lens = make(FLAG, transfer="linear")
    far, near = draw(lens, point(), RADIUS)[0], draw(lens, point(), -RADIUS)[0]
    assert (near - far.flip(0, 1)).abs().max() < 1e-4 * near.max()
    assert (near - far).abs().sum() > 50


def test_nothing_moves_and_the_blur_is_that_of_a_disc() -> None:
    kernel, disc = aperture_kernel(8.0, 8.0, FLAG), aperture_kernel(8.0, 8.0, LensSettings())
    moments = []
    for image in (kernel, disc):
        y, x = (torch.arange(side) - side // 2 for side in image.shape)
        assert (image.sum(0) @ x.float()).abs() < 0.01 and (image.sum(1) @ y.float()).abs() < 0.01
        moments.append(float(image.sum(0) @ x.float().square() + image.sum(1) @ y.float().square()))
        assert image.sum().item() == pytest.approx(1)
    assert moments[0] == pytest.approx(moments[1], rel=0.01)


def test_a_picture_of_a_disc_is_the_disc() -> None:
    y, x = np.mgrid[-1:1:200j, -1:1:200j]
    drawn = LensSettings(aperture=AperturePicture.of((x**2 + y**2 < 1).astype(np.float32)))
    difference = aperture_kernel(9.0, 9.0, drawn) - aperture_kernel(9.0, 9.0, LensSettings())
    assert difference.abs().sum() < 0.02


def test_the_picture_turns_counter_clockwise() -> None:
    upright = aperture_kernel(7.0, 7.0, FLAG)
    turned = aperture_kernel(7.0, 7.0, LensSettings(aperture=FLAG.aperture, rotation_deg=90))
    half = [(min(one, other) - 1) // 2 for one, other in zip(upright.shape[::-1], turned.shape, strict=True)]
    parts = []
    for image in (upright.rot90(), turned):
        middle = [side // 2 for side in image.shape]
        parts.append(
            image[
                middle[0] - half[0] : middle[0] + half[0] + 1, middle[1] - half[1] : middle[1] + half[1] + 1
            ]
        )
    assert (parts[0] - parts[1]).abs().sum() < 0.03
    assert parts[0].sum() > 0.99


def test_the_rim_of_the_lens_cuts_the_picture_off() -> None:
    white = LensSettings(aperture=AperturePicture.of(np.ones((40, 40))), cats_eye=1)
    whole, cut = aperture_kernels(12.0, 12.0, white, ((0.0, 0.0), (1.0, 0.0)))
    assert cut.sum().item() == pytest.approx(1)
    assert (cut > cut.max() / 2).sum() < 0.8 * (whole > whole.max() / 2).sum()
    assert (cut - cut.flip(0)).abs().max() < 1e-5


@pytest.mark.parametrize(
    "settings",
    [
        FLAG,
        LensSettings(aperture=FLAG.aperture, rotation_deg=33, anamorphic=1.5),
        pytest.param(
            LensSettings(aperture=FLAG.aperture, rotation_deg=20, cats_eye=0.8), marks=pytest.mark.slow
        ),
        LensSettings(
            aperture=AperturePicture.of(np.random.default_rng(3).random((40, 50)))
        ),  # dirt: every pixel differs
    ],
    ids=["flag", "turned and squeezed", "cut off", "dirt"],
)
@pytest.mark.parametrize("radius_px", [2.5, 14.0])
def test_both_engines_draw_the_same_picture(settings: LensSettings, radius_px: float) -> None:
    generator = torch.Generator().manual_seed(5)
    picture = torch.rand(3, HEIGHT, WIDTH, generator=generator)
    disparity = torch.rand(1, 6, 8, generator=generator)
    scene = Scene(
        sharp=picture,
        disparity=interpolate(disparity[None], size=(HEIGHT, WIDTH))[0].contiguous(),
        focus_disparity=0.4,
        blur_strength=radius_px * 1024 / WIDTH,
        pts=0,
    )
    reference, compiled = (make(settings).refocus(scene) for make in (torch_lens, compiled_lens))
    assert (reference - compiled).abs().max() < 0.25 / 255
