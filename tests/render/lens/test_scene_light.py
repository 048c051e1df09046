"""Scene light through the lens: brighter than white, darker than black, and nothing is cut off."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from lenses import compiled_lens, torch_lens

from any2bokeh.optics.transfer import from_linear, to_linear
from any2bokeh.render.lens.renderer import LensRenderer, make_lens
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.color_settings import TransferFunction
from any2bokeh.settings.render_settings import LensSettings

SIZE, RADIUS_PX, LAMP, FLOOR = 96, 10.0, 16.0, 0.02
ENGINES = [torch_lens, compiled_lens]


def lit(disparity: float = 0.0, *, lamp: float = LAMP) -> Scene:
    """A lamp of 3x3 pixels in the middle of a dim wall, both at one disparity; in focus is 0.5."""
    sharp = torch.full((3, SIZE, SIZE), FLOOR)
    sharp[:, 47:50, 47:50] = lamp
    strength = RADIUS_PX / 0.5 * 1024 / SIZE
    return Scene(
        sharp=sharp,
        disparity=torch.full((1, SIZE, SIZE), disparity),
        focus_disparity=0.5,
        blur_strength=strength,
        pts=0,
    )


def draw(make: Callable[..., LensRenderer], scene: Scene) -> torch.Tensor:
    lens = make(LensSettings(), transfer="linear")
    try:
        return lens.refocus(scene)
    finally:
        lens.close()


@pytest.mark.parametrize("make", ENGINES)
def test_a_lamp_brighter_than_white_becomes_a_disc_with_its_energy(make: Callable[..., LensRenderer]) -> None:
    picture = draw(make, lit()).double()
    light = picture[0] - FLOOR
    energy = 9 * (LAMP - FLOOR)
    assert light.sum() == pytest.approx(energy, rel=0.01)
    flat = light[48 - 5 : 48 + 6, 48 - 5 : 48 + 6]  # inside of the disc
    area = torch.pi * RADIUS_PX**2
    assert flat.mean() == pytest.approx(energy / area, rel=0.05)
    assert flat.mean() > 0.4  # clipped at white, the lamp would leave a thirtieth
    rows, columns = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    far = ((rows - 48) ** 2 + (columns - 48) ** 2) > (RADIUS_PX + 6) ** 2
    assert light[far].abs().max() < 1e-4


@pytest.mark.parametrize("make", ENGINES)
@pytest.mark.parametrize("lamp", [1000.0, -0.5])
def test_suns_and_colors_outside_the_gamut_are_light_as_well(
    make: Callable[..., LensRenderer], lamp: float
) -> None:
    light = draw(make, lit(lamp=lamp))[0].double() - FLOOR
    assert light.sum() == pytest.approx(9 * (lamp - FLOOR), rel=0.01)
    assert light[:20].abs().max() < 1e-4 * max(1, abs(lamp) / 100)


@pytest.mark.parametrize("make", ENGINES)
def test_light_in_focus_stays_bit_for_bit_beside_light_that_does_not(
    make: Callable[..., LensRenderer],
) -> None:
    scene = lit()
    scene.disparity[:, :, : SIZE // 4] = 0.5
    scene.sharp[:, 10:20, 3:8] = 123.456
    picture = draw(make, scene)
    assert torch.equal(picture[:, :, :8], scene.sharp[:, :, :8])
    assert not torch.equal(picture[:, :, 40:], scene.sharp[:, :, 40:])


def test_both_engines_draw_the_same_light() -> None:
    generator = torch.Generator().manual_seed(0)
    sharp = torch.rand(3, SIZE, SIZE, generator=generator) ** 4 * 8
    disparity = torch.full((1, SIZE, SIZE), 0.1)
    disparity[:, 30:70, 30:70] = 0.9  # edges, with lights on both sides
    scene = Scene(sharp=sharp, disparity=disparity, focus_disparity=0.5, blur_strength=150.0, pts=0)
    by_torch, compiled = draw(torch_lens, scene), draw(compiled_lens, scene)
    assert (by_torch - compiled).abs().max() < 8 / 255
    assert (by_torch - compiled).abs().mean() < 1e-4


@pytest.mark.parametrize("transfer", ["slog3", "logc4", "acescct"])
def test_log_footage_is_blurred_in_light_and_comes_back_as_it_was(transfer: TransferFunction) -> None:
    scene = lit()
    scene.disparity[:, :, : SIZE // 4] = 0.5
    pictures = PictureFormat(height=SIZE, width=SIZE, transfer=transfer)
    stored = from_linear(scene.sharp, transfer)
    lens = make_lens(LensSettings(), torch.device("cpu"), pictures)
    (frame,) = lens.render(iter([replace(scene, sharp=stored)]))
    lens.close()
    assert torch.equal(frame.picture[:, :, :8], stored[:, :, :8])  # in focus
    expected = draw(compiled_lens, scene)
    torch.testing.assert_close(to_linear(frame.picture, transfer), expected, rtol=2e-3, atol=1e-4)
