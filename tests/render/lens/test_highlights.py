"""How bright clipped lights were, by their rims."""

from itertools import pairwise

import cv2
import pytest
import torch
from lenses import torch_lens
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from any2bokeh.optics.transfer import from_linear, to_linear
from any2bokeh.render.lens.highlights import (
    FRAMES_AHEAD,
    FRAMES_BEFORE,
    LEAST_GAIN,
    Highlights,
    raise_highlights,
    with_highlights,
)
from any2bokeh.scene import Scene
from any2bokeh.settings.color_settings import TransferFunction
from any2bokeh.settings.render_settings import LensQuality, LensSettings

HEIGHT, WIDTH = 96, 128
FINE = 8  # samples of a pixel, down and across
WALL = 0.1  # linear light around lamps: as bright as by day
BY_RIMS, AS_IT_IS = LensSettings(), LensSettings(highlights=0)


def softened(image: Tensor, sigma_px: float) -> Tensor:
    """``H W``, blurred."""
    return torch.from_numpy(cv2.GaussianBlur(image.numpy(), (0, 0), sigma_px))


def coverage(radius_px: float, places: list[tuple[float, float]]) -> Tensor:
    """The share of each pixel that discs cover, ``H W``, through a lens of the usual sharpness."""
    y = ((torch.arange(HEIGHT * FINE) + 0.5) / FINE)[:, None]
    x = (torch.arange(WIDTH * FINE) + 0.5) / FINE
    inside = sum(((x - right) ** 2 + (y - down) ** 2 < radius_px**2).float() for down, right in places)
    return softened(avg_pool2d(torch.as_tensor(inside)[None, None], FINE)[0, 0], 0.5)


def lamps(brightness: float, tint: tuple[float, float, float] = (1, 1, 1), radius_px: float = 4.3) -> Tensor:
    """Linear light ``3 H W`` of lamps before a wall, as bright as they are."""
    share = coverage(radius_px, [(20.3, 24.8), (50.6, 70.2), (76.1, 30.4), (24.7, 104.9)])
    light = brightness * torch.tensor(tint)[:, None, None]
    return WALL + share * (light - WALL)


def clipped(linear: Tensor) -> Tensor:
    """Code values of a camera that ends at white."""
    return from_linear(linear.clamp(0, 1), "srgb")


def blurred_ramp(sharp: Tensor, pts: int = 0) -> Scene:
    """The picture on a surface that slants away."""
    ramp = torch.linspace(0, 1, sharp.shape[2]).expand(1, *sharp.shape[1:]).contiguous()
    return Scene(sharp=sharp, disparity=ramp, focus_disparity=0.9, blur_strength=80, pts=pts)


def found_in_turn(
    pictures: list[Tensor], settings: LensSettings = BY_RIMS, transfer: TransferFunction = "srgb"
) -> list[Highlights | None]:
    """The lights of pictures, one after another."""
    scenes = [blurred_ramp(sharp, frame) for frame, sharp in enumerate(pictures)]
    found = list(with_highlights(scenes, transfer, settings))
    assert [scene for scene, _ in found] == scenes
    return [lights for _, lights in found]


def found_in(
    sharp: Tensor, settings: LensSettings = BY_RIMS, transfer: TransferFunction = "srgb"
) -> Highlights | None:
    """The lights of a picture alone."""
    return found_in_turn([sharp], settings, transfer)[0]


def gain_of(lights: Highlights | None) -> Tensor:
    """The largest gain of each channel; 0 if nothing is raised."""
    return torch.zeros(3) if lights is None else lights.gain.amax(dim=1)


def largest_gain(sharp: Tensor) -> Tensor:
    """That of a picture alone."""
    return gain_of(found_in(sharp))


def test_the_brighter_a_light_was_the_more_it_is_raised_and_not_by_far_too_much() -> None:
    times_white = (1.0, 1.25, 1.5, 2.0, 5.0)
    gains = [float(largest_gain(clipped(lamps(times)))[0]) for times in times_white]
    assert gains[:4] == sorted(gains[:4])
    assert gains[0] < 0.15 and gains[3] > 0.5 and gains[4] > 0.9 * gains[3]
    for gain, times in zip(gains, times_white, strict=True):
        assert gain < times - 1 + 0.3


@pytest.mark.parametrize(("wall", "least"), [(0.02, LEAST_GAIN), (0.1, 0.0)])
def test_lights_that_end_softly_are_raised_in_dim_frames_alone(wall: float, least: float) -> None:
    soft = softened(coverage(9.0, [(48.0, 64.0)]), 2.0)
    sharp = clipped((wall + 1.2 * soft).expand(3, -1, -1))
    assert largest_gain(sharp).tolist() == pytest.approx([least] * 3, abs=0.02)
    between_bars = pad(sharp, (WIDTH, WIDTH))
    assert largest_gain(between_bars).tolist() == pytest.approx([least] * 3, abs=0.02)


def through_the_lens(sharp: Tensor, transfer: TransferFunction, settings: LensSettings) -> Tensor:
    """Linear light of a picture all of which is blurred by 8 pixels."""
    scene = Scene(
        sharp=sharp,
        disparity=torch.full((1, HEIGHT, WIDTH), 0.25),
        focus_disparity=0.5,
        blur_strength=32 * 1024 / WIDTH,
        pts=0,
    )
    return to_linear(torch_lens(settings, transfer=transfer).refocus(scene), transfer)


@pytest.mark.parametrize("tint", [(1.0, 1.0, 1.0), (1.0, 0.7, 0.4)])
def test_discs_come_near_those_of_the_light_that_was_clipped(tint: tuple[float, float, float]) -> None:
    light = lamps(2.5, tint)
    discs = through_the_lens(light, "linear", AS_IT_IS).clamp(0, 1)
    as_they_seem, as_clipped = (
        through_the_lens(clipped(light), "srgb", settings) for settings in (BY_RIMS, AS_IT_IS)
    )
    assert (as_they_seem - discs).abs().sum() < 0.5 * (as_clipped - discs).abs().sum()


def test_a_light_takes_the_color_of_its_rim_and_keeps_what_was_not_clipped() -> None:
    tint = (1.0, 0.5, 0.2)
    sharp = clipped(lamps(3.0, tint))
    red, green, blue = largest_gain(sharp).tolist()
    assert red > green + 0.3 and green < 0.5 and blue == 0
    lights = found_in(sharp)
    assert lights is not None
    raised = to_linear(sharp, "srgb")
    raise_highlights(raised, torch.full((HEIGHT, WIDTH), 10.0), lights)
    assert torch.equal(raised[2], to_linear(sharp, "srgb")[2])


def test_surfaces_in_the_sun_and_skies_stay_as_they_are() -> None:
    generator = torch.Generator().manual_seed(3)
    noise = torch.rand(HEIGHT, WIDTH, generator=generator)
    folds = softened(noise, 2.5).expand(3, -1, -1)
    shirt = (folds - folds.mean()) / folds.std() * 0.15 + 0.9
    assert (shirt > 1).float().mean() > 0.1
    assert largest_gain(shirt.clamp(0, 1)).max() < 0.1
    sky = torch.linspace(0.9, 1.05, WIDTH).expand(3, HEIGHT, -1) + 0.01 * (noise - 0.5)
    assert largest_gain(sky.clamp(0, 1)).max() < 0.1


def test_brightness_hardly_depends_on_where_between_pixels_a_light_is() -> None:
    brightness = []
    for shift in (0.0, 0.25, 0.5, 0.75):
        share = coverage(4.3, [(40 + shift, 60 + shift / 2)])
        brightness.append(1 + float(largest_gain(clipped((WALL + 3 * share).expand(3, -1, -1)))[0]))
    assert max(brightness) < 1.25 * min(brightness)


def passing_lamp(frames: int) -> list[Tensor]:
    """Pictures of a lamp that moves by parts of a pixel."""
    places = [(40.0 + 0.37 * frame, 50.0 + 0.11 * frame) for frame in range(frames)]
    return [clipped((WALL + 3 * coverage(4.3, [place])).expand(3, -1, -1)) for place in places]


def steps(brightness: list[float]) -> float:
    """How much it changes from a frame to the next, in the mean, as a share."""
    changes = [abs(after / before - 1) for before, after in pairwise(brightness)]
    return sum(changes) / len(changes)


def test_the_light_of_a_lamp_that_moves_between_pixels_is_steady() -> None:
    pictures = passing_lamp(30)
    in_a_row = [1 + float(gain_of(lights)[0]) for lights in found_in_turn(pictures)]
    alone = [1 + float(largest_gain(picture)[0]) for picture in pictures]
    assert steps(in_a_row) < 0.02 < 0.5 * steps(alone)
    assert max(in_a_row) / min(in_a_row) < 1.25 < max(alone) / min(alone)
    assert sum(alone) < sum(in_a_row) and max(in_a_row) < 3.1 + 0.3


def test_lights_of_another_shot_do_not_count() -> None:
    before = clipped(lamps(4.0))
    after = clipped(WALL + 2 * softened(coverage(12.0, [(100.0, 72.0)]), 0.5).expand(3, -1, -1))
    in_turn = found_in_turn([before] * FRAMES_BEFORE + [after] * 5)
    alone = found_in_turn([after] * 5)
    for lights, expected in zip(in_turn[FRAMES_BEFORE:], alone, strict=True):
        assert gain_of(lights).tolist() == pytest.approx(gain_of(expected).tolist(), abs=0.02)


@pytest.mark.parametrize("quality", ["standard", "best"])
def test_a_part_with_its_context_has_the_lights_of_the_whole(quality: LensQuality) -> None:
    pictures = passing_lamp(22)
    scenes = [blurred_ramp(sharp, frame) for frame, sharp in enumerate(pictures)]

    def drawn(part: range) -> dict[int, Tensor]:
        frames = torch_lens(LensSettings(quality=quality)).render(iter(scenes[part.start : part.stop]))
        return {frame.pts: frame.picture for frame in frames}

    whole, part = drawn(range(22)), range(14, 15)
    around = torch_lens(LensSettings(quality=quality)).context(part, 22)
    assert 0 < around.start < around.stop < 22
    assert torch.equal(drawn(around)[14], whole[14])
    for fewer in (range(15 - FRAMES_BEFORE, around.stop), range(around.start, 14 + FRAMES_AHEAD)):
        assert not torch.equal(drawn(fewer)[14], whole[14])


def test_nothing_is_raised_without_clipped_lights_where_light_goes_beyond_white_or_if_told_so() -> None:
    sharp = clipped(lamps(3.0))
    assert found_in(sharp) is not None
    assert found_in(0.9 * sharp) is None
    assert found_in(sharp, transfer="linear") is None
    assert found_in(sharp, AS_IT_IS) is None


@pytest.mark.parametrize("coc_px", [0.0, 1.0, 2.5, 4.0, -8.0])
def test_lights_are_raised_as_far_as_they_are_blurred(coc_px: float) -> None:
    sharp = clipped(lamps(3.0))
    lights = found_in(sharp, LensSettings(highlights=2))
    assert lights is not None
    plain = to_linear(sharp, "srgb")
    raised = plain.clone()
    raise_highlights(raised, torch.full((HEIGHT, WIDTH), coc_px), lights)
    share = min(max((abs(coc_px) - 1) / 3, 0), 1)
    assert float((raised / plain).max()) == pytest.approx(1 + 2 * share, rel=1e-4)
