"""Grain: noise of known strength and spectrum, measured and put back where blur takes it away."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.optics.coc import CocScale
from any2bokeh.optics.transfer import from_linear, to_linear
from any2bokeh.render.grain.clip_noise import ClipNoise, measure_noise, opponents
from any2bokeh.render.grain.compiled_grain import FADE_PX, PATCH_PX
from any2bokeh.render.grain.flat_blocks import without_trend
from any2bokeh.render.grain.grain_tile import RADII_PX, make_tiles, missing_amplitude
from any2bokeh.render.grain.grained import GrainedRenderer, with_grain
from any2bokeh.render.lens.renderer import make_lens
from any2bokeh.scene import Frame, PictureFormat, Scene
from any2bokeh.settings.render_settings import LensSettings, RenderSettings

HEIGHT, WIDTH = 320, 512
PICTURES = PictureFormat(height=HEIGHT, width=WIDTH)
CODE = 1 / 255
BANDS = np.arange(0.03, 0.5, 0.0625)


def spread(field: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    return cv2.GaussianBlur(field, (0, 0), sigma) if sigma else field


def noise_field(random: np.random.Generator, sigma: float) -> NDArray[np.float32]:
    """Noise ``3 H W`` of variance 1 in green, correlated in space and from channel to channel."""
    layers = np.stack([spread(random.standard_normal((HEIGHT, WIDTH), np.float32), sigma) for _ in range(3)])
    layers /= layers.std()
    return np.stack([layers[0] + 0.3 * layers[1], layers[0], layers[0] + 0.3 * layers[2]])


def strength(level: NDArray[np.float32] | float) -> NDArray[np.float32] | float:
    """More in the dark, as film has it."""
    return (2 + 3 * (1 - level)) * CODE


def still(random: np.random.Generator) -> NDArray[np.float32]:
    """A slope of gray with discs of all colors on it."""
    picture = np.tile(np.linspace(0.2, 0.8, WIDTH, dtype=np.float32), (3, HEIGHT, 1))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for _ in range(30):
        y, x, radius = random.integers(HEIGHT), random.integers(WIDTH), random.integers(5, 40)
        inside = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
        picture[:, inside] = random.uniform(0.15, 0.85, (3, 1))
    return picture


def clip(sigma: float, frames: int = 6) -> list[Tensor]:
    random = np.random.default_rng(4)
    picture = still(random)
    noise = strength(picture.mean(0))
    return [torch.from_numpy(picture + noise_field(random, sigma) * noise) for _ in range(frames)]


def measured(frames: list[Tensor]) -> ClipNoise:
    noise = measure_noise(zip(frames[::2], frames[1::2], strict=True), "srgb")
    assert noise is not None
    return noise


def bands(picture: NDArray[np.float32]) -> NDArray[np.float64]:
    """The power of luma and two differences of color in rings of frequency, ``3 bands``."""
    down, across = (side // 32 for side in picture.shape[1:])
    blocks = opponents(picture)[:, : down * 32, : across * 32].reshape(3, down, 32, across, 32)
    blocks = np.ascontiguousarray(blocks.transpose(1, 3, 0, 2, 4)).reshape(-1, 3, 32, 32)
    window = np.outer(np.hanning(34)[1:-1], np.hanning(34)[1:-1])
    power = (np.abs(np.fft.fft2(without_trend(blocks) * window)) ** 2).mean(0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(32), np.fft.fftfreq(32)))
    rings = [(frequency >= low) & (frequency < low + 0.0625) for low in BANDS]
    return np.stack([power[:, ring].mean(1) for ring in rings], axis=1)


@pytest.mark.parametrize("sigma", [0.0, 0.8])
def test_the_noise_of_a_clip_is_measured_at_each_level(sigma: float) -> None:
    noise = measured(clip(sigma))
    levels = (np.arange(16) + 0.5) / 16
    known = slice(4, 12)
    expected = np.asarray(strength(levels[known]))
    assert noise.sigma[0, known] == pytest.approx(expected, rel=0.15)
    assert noise.sigma[1, known] == pytest.approx(0.3 * expected, rel=0.25)


@pytest.mark.parametrize("sigma", [0.0, 0.8])
def test_tiles_have_the_spectrum_of_the_noise(sigma: float) -> None:
    noise = measured(clip(sigma))
    random = np.random.default_rng(9)
    wanted = sum(bands(noise_field(random, sigma)) for _ in range(6)) / 6
    tile = make_tiles(noise)[-1] * (noise.sigma[:, 8] / strength(8.5 / 16))[:, None, None]
    red, blue = tile[0] + tile[2], tile[0] + tile[1]
    made = bands(np.stack([red, (tile[0] - 0.2126 * red - 0.0722 * blue) / 0.7152, blue]))
    matters = wanted > 0.02 * wanted.max(1, keepdims=True)
    assert (made / wanted)[matters] == pytest.approx(1, abs=0.25)
    assert made.sum(1) == pytest.approx(wanted.sum(1), rel=0.15)


class Blur:
    """A renderer that blurs all of the left half by a disc, exactly."""

    name, work_per_frame, operations_per_frame = "blur", 1.0, None

    def context(self, part: range, frames: int) -> range:
        return part

    def peak_bytes(self, pictures: PictureFormat) -> int | None:
        return None

    def close(self) -> None:
        pass

    def render(self, scenes: Iterator[Scene]) -> Iterator[Frame]:
        for scene in scenes:
            radius = abs(float(scene.disparity[0, 0, 0]) - scene.focus_disparity) * scene.blur_strength / 2
            waves = torch.fft.rfft2(scene.sharp.double())
            frequency = torch.hypot(torch.fft.fftfreq(HEIGHT)[:, None], torch.fft.rfftfreq(WIDTH)).double()
            left = (1 - missing_amplitude(frequency, radius) ** 2).sqrt()
            picture = torch.fft.irfft2(waves * left, s=(HEIGHT, WIDTH)).float().clamp(0, 1)
            picture[..., WIDTH // 2 :] = scene.sharp[..., WIDTH // 2 :]
            yield Frame(picture=picture, pts=scene.pts)


def scene(picture: Tensor, radius_px: float, pts: int = 0) -> Scene:
    disparity = torch.full((1, HEIGHT, WIDTH), 0.5)
    disparity[..., : WIDTH // 2] = 0.0
    return Scene(
        sharp=picture, disparity=disparity, focus_disparity=0.5, blur_strength=4 * radius_px, pts=pts
    )


@pytest.mark.parametrize("radius_px", [1.0, 2.5, 8.0])
def test_what_is_blurred_is_as_noisy_as_what_is_sharp(radius_px: float) -> None:
    renderer = GrainedRenderer(Blur(), measured(clip(0.8)), 1.0, PICTURES)
    random, level = np.random.default_rng(2), 0.5
    blurred = sharp = plain = 0.0
    for pts in range(4):
        flat = torch.from_numpy(level + noise_field(random, 0.8) * strength(level))
        one = scene(flat, radius_px, pts)
        picture = next(renderer.render(iter([one]))).picture.numpy()
        without = next(Blur().render(iter([one]))).picture.numpy()
        blurred = blurred + bands(picture[..., 16 : WIDTH // 2 - 16])[0]
        plain = plain + bands(without[..., 16 : WIDTH // 2 - 16])[0]
        sharp = sharp + bands(picture[..., WIDTH // 2 :])[0]
    strong = sharp > 0.05 * np.max(sharp)
    assert (blurred / sharp)[strong] == pytest.approx(1, abs=0.15)
    assert np.sum(plain) < 0.8 * np.sum(sharp)
    renderer.close()


def test_what_the_renderer_left_as_it_was_stays_bit_for_bit() -> None:
    frames = clip(0.8)
    renderer = GrainedRenderer(Blur(), measured(frames), 2.0, PICTURES)
    one = scene(frames[0], 6.0)
    picture = next(renderer.render(iter([one]))).picture
    assert torch.equal(picture[..., WIDTH // 2 :], one.sharp[..., WIDTH // 2 :])
    assert not torch.equal(picture, next(Blur().render(iter([one]))).picture)
    assert renderer.with_grain(one, one.sharp) is one.sharp
    renderer.close()


def test_grain_follows_from_the_picture_square_by_square() -> None:
    noise = measured(clip(0.8))
    one, other = (GrainedRenderer(Blur(), noise, 1.0, PICTURES) for _ in range(2))
    pictures = [torch.full((3, HEIGHT, WIDTH), 0.5) for _ in range(3)]
    for number, picture in enumerate(pictures):
        picture[:, 3, 3] = 0.5 + number / 1000  # all else is frozen
    scenes = [scene(picture, 6.0, pts) for pts, picture in enumerate([*pictures, pictures[2]])]
    together = [one.with_grain(each, each.sharp * 0.999) for each in scenes]
    assert torch.equal(together[2], other.with_grain(scenes[2], scenes[2].sharp * 0.999))
    assert torch.equal(together[2], together[3])  # a frame that is repeated
    inside = slice(PATCH_PX + FADE_PX, 2 * PATCH_PX)
    here, there = (picture[0, inside, inside] for picture in together[:2])
    assert here.std() > 0.005 and torch.equal(here, there)
    here, there = (picture[0, 32:PATCH_PX, 32:PATCH_PX].flatten() - 0.5 for picture in together[:2])
    assert abs(torch.corrcoef(torch.stack([here, there]))[0, 1]) < 0.1
    # No square shows the same as another.
    first, second = together[0][0, :PATCH_PX, :PATCH_PX], together[0][0, :PATCH_PX, PATCH_PX : 2 * PATCH_PX]
    assert abs(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1]) < 0.1
    one.close()
    other.close()


def test_squares_have_no_seams() -> None:
    renderer = GrainedRenderer(Blur(), measured(clip(0.8)), 1.0, PICTURES)
    steps = 0.0
    for number in range(12):
        flat = torch.full((3, HEIGHT, WIDTH), 0.5)
        flat[:, ::PATCH_PX, ::PATCH_PX] += number / 1000
        picture = renderer.with_grain(scene(flat, 8.0), flat * 0.999)
        steps = steps + (picture[1, :, 1:] - picture[1, :, :-1]).square().mean(0)[: WIDTH // 2 - 1]
    assert steps[PATCH_PX - 1] < 1.4 * steps.mean()  # 3 times as large, were squares cut
    renderer.close()


@pytest.mark.slow
@pytest.mark.parametrize("behind_px", [0.0, 3.0])
def test_grain_is_even_where_blurred_things_in_front_reach(behind_px: float) -> None:
    renderer = GrainedRenderer(
        make_lens(LensSettings(), torch.device("cpu"), PICTURES), measured(clip(0.8)), 1.0, PICTURES
    )
    edge, radius_px = WIDTH // 2, 16
    disparity = torch.full((1, HEIGHT, WIDTH), 0.5 - behind_px / 64)
    disparity[..., :edge] = 0.75
    random, level, power = np.random.default_rng(2), 0.5, np.zeros((2, WIDTH))
    for pts in range(6):
        sharp = torch.from_numpy(level + noise_field(random, 0.8) * strength(level))
        one = Scene(sharp=sharp, disparity=disparity, focus_disparity=0.5, blur_strength=128.0, pts=pts)
        assert CocScale.of(0.5, 128, WIDTH).coc(disparity).min() == -radius_px
        for picture, into in zip((next(renderer.render(iter([one]))).picture, sharp), power, strict=True):
            into += (picture[1] - level).square().mean(0).numpy()
    near, far = slice(edge + 1, edge + radius_px // 2), slice(edge + 2 * radius_px, WIDTH - 32)
    made, wanted = power
    assert made[far].mean() == pytest.approx(wanted[far].mean(), rel=0.12)
    assert made[near].mean() == pytest.approx(wanted[near].mean(), rel=0.25)
    renderer.close()


def test_linear_light_gets_grain_of_even_strength_to_the_eye() -> None:
    frames = [to_linear(frame, "srgb") for frame in clip(0.0)]
    noise = measure_noise(zip(frames[::2], frames[1::2], strict=True), "linear")
    assert noise is not None
    assert noise.sigma[0, 4:12] == pytest.approx(measured(clip(0.0)).sigma[0, 4:12], rel=0.02)
    linear = PictureFormat(height=HEIGHT, width=WIDTH, transfer="linear")
    renderer = GrainedRenderer(Blur(), noise, 1.0, linear)
    bright = torch.full((3, HEIGHT, WIDTH), 4.0)  # light beyond white
    bright[0, 0, 0] = 4.1
    one = scene(bright, 6.0)
    grained = renderer.with_grain(one, bright * 0.999)
    difference = from_linear(grained, "srgb") - from_linear(bright, "srgb")
    assert difference[0, :, : WIDTH // 2].std().item() == pytest.approx(noise.sigma[0, -1], rel=0.2)
    assert grained.max() > 4
    renderer.close()


def test_texture_that_comes_back_in_the_next_frame_is_no_noise() -> None:
    random = np.random.default_rng(6)
    ground = 0.5 + 0.04 * noise_field(random, 1.0)
    pairs = [(torch.from_numpy(ground), torch.from_numpy(np.roll(ground, 3, axis=2)))]
    assert measure_noise(pairs, "srgb") is None
    pairs = [(torch.from_numpy(0.5 + 0.04 * noise_field(random, 1.0)), torch.from_numpy(ground))]
    assert measure_noise(pairs, "srgb") is not None


def test_color_noise_of_few_blocks_is_not_put_everywhere() -> None:
    random, frames = np.random.default_rng(8), []
    for _ in range(4):
        picture = 0.5 + 4 * CODE * np.repeat(noise_field(random, 0.0)[1:2], 3, axis=0)
        picture[0, :96, :96] += 2 * CODE * random.standard_normal((96, 96), np.float32)  # 9 blocks of 160
        frames.append(torch.from_numpy(picture.astype(np.float32)))
    noise = measured(frames)
    assert noise.sigma[0, 8] == pytest.approx(4 * CODE, rel=0.1)
    assert noise.sigma[1:].max() == 0
    assert np.isfinite(make_tiles(noise)).all()


def test_clips_without_noise_get_none(caplog: pytest.LogCaptureFixture) -> None:
    inner = Blur()
    clean = torch.from_numpy(still(np.random.default_rng(1)))
    for frames in ([clean, clean], [torch.zeros(3, 20, 30)] * 2, [torch.ones(3, HEIGHT, WIDTH)] * 2):
        noise = measure_noise([(frames[0], frames[1])], "srgb")
        assert with_grain(inner, RenderSettings(grain=1.0), lambda noise=noise: noise, PICTURES) is inner
    assert with_grain(inner, RenderSettings(), lambda: pytest.fail("measured for nothing"), PICTURES) is inner


def test_less_blur_asks_for_less_grain() -> None:
    tiles = make_tiles(measured(clip(0.8)))
    power = tiles[:, 0].var(axis=(1, 2))
    assert power[0] == pytest.approx(0, abs=1e-9) and power[-1] == pytest.approx(1, abs=0.05)
    assert (np.diff(power) > 0).all() and len(power) == len(RADII_PX)
