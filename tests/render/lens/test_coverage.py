"""A held subject's coverage: in pixels that it covers partly, both colors are known by construction."""

from dataclasses import replace

import pytest
import torch
from lenses import compiled_lens, torch_lens
from torch import Tensor

from any2bokeh.errors import ShapeError
from any2bokeh.optics.transfer import from_linear, to_linear
from any2bokeh.render.lens.renderer import LensRenderer
from any2bokeh.scene import Scene
from any2bokeh.settings.render_settings import LensQuality, LensSettings

CODE = 1 / 255
HEIGHT, WIDTH = 96, 160
FOCUS, FAR = 0.8, 0.2
RED = torch.tensor([0.8, 0.1, 0.05])[:, None, None]  # linear light

ENGINES = pytest.mark.parametrize("make", [torch_lens, compiled_lens])


def disc(radius: float = 28, softness: float = 1) -> Tensor:
    """The coverage of a disc in the middle, ``1 H W``, whose edge is so many pixels wide."""
    y, x = torch.meshgrid(torch.arange(HEIGHT) - HEIGHT / 2, torch.arange(WIDTH) - WIDTH / 2, indexing="ij")
    return ((radius - torch.hypot(x, y)) / softness + 0.5).clamp(0, 1)[None]


def background(seed: int = 0) -> Tensor:
    """Soft green and blue patches, linear light."""
    patches = torch.rand(1, 3, 8, 12, generator=torch.Generator().manual_seed(seed))
    light = torch.nn.functional.interpolate(patches, (HEIGHT, WIDTH), mode="bicubic")[0].clamp(0.02, 1)
    light[0] *= 0.2
    return light


def scene(coverage: Tensor, light: Tensor, *, blur_px: float = 8, told: bool = True) -> Scene:
    """A red subject before ``light``, and its coverage where the lens is ``told``."""
    return Scene(
        sharp=from_linear(coverage * RED + (1 - coverage) * light, "srgb"),
        disparity=torch.where(coverage >= 0.5, FOCUS, FAR),
        focus_disparity=FOCUS,
        blur_strength=blur_px / (FOCUS - FAR) * 1024 / WIDTH,
        pts=0,
        coverage=coverage if told else None,
    )


def ideal(lens: LensRenderer, coverage: Tensor, light: Tensor, blur_px: float) -> Tensor:
    """The subject, as sharp as it is, before a background that is blurred without it: linear light."""
    alone = scene(torch.zeros_like(coverage), light, blur_px=blur_px, told=False)
    return coverage * RED + (1 - coverage) * to_linear(lens.refocus(alone), "srgb")


def error_at_edge(lens: LensRenderer, coverage: Tensor, *, told: bool) -> float:
    light = background().mean((1, 2), keepdim=True).expand(-1, HEIGHT, WIDTH)  # nothing hidden is unlike it
    drawn = to_linear(lens.refocus(scene(coverage, light, told=told)), "srgb")
    partly = (coverage > 0) & (coverage < 1)
    wrong = (drawn - ideal(lens, coverage, light, blur_px=8)).abs().amax(0, keepdim=True)
    return float(wrong[partly].mean())


@ENGINES
@pytest.mark.parametrize("softness", [1.0, 3.0])
def test_an_edge_is_the_subject_over_the_blurred_background(make, softness: float) -> None:
    lens = make(LensSettings())
    coverage = disc(softness=softness)
    told, guessed = (error_at_edge(lens, coverage, told=told) for told in (True, False))
    assert told < 0.01
    assert told < guessed / 3


@ENGINES
def test_the_subjects_color_does_not_leak_into_the_blur_around(make) -> None:
    lens, light = make(LensSettings()), background() * torch.tensor([0.0, 1.0, 1.0])[:, None, None]
    drawn = to_linear(lens.refocus(scene(disc(softness=3), light)), "srgb")
    outside = disc(softness=3)[0] == 0
    assert drawn[0][outside].max() < 0.02  # 0.09 without its coverage


@ENGINES
def test_pixels_covered_wholly_are_the_original(make) -> None:
    lens, coverage = make(LensSettings()), disc(softness=3)
    one = scene(coverage, background())
    inside = (coverage == 1).expand(3, -1, -1)
    assert torch.equal(lens.refocus(one)[inside], one.sharp[inside])


@ENGINES
def test_a_subject_that_is_released_blurs_as_a_whole(make) -> None:
    """Nothing of its edge stays sharp: the focal plane is the background's."""
    coverage = disc(softness=3)
    told, untold = (
        make(LensSettings()).refocus(replace(scene(coverage, background(), told=told), focus_disparity=FAR))
        for told in (True, False)
    )
    assert (told - untold).abs().max() < 0.1
    edges = told.diff(dim=2).abs().amax()
    assert edges < 0.6 * scene(coverage, background()).sharp.diff(dim=2).abs().amax()


@ENGINES
def test_without_blur_nothing_changes(make) -> None:
    one = scene(disc(softness=3), background(), blur_px=0)
    assert torch.equal(make(LensSettings()).refocus(one), one.sharp)


@pytest.mark.parametrize(
    ("quality", "blur_px"), [("standard", 1.0), ("standard", 6.0), ("standard", 20.0), ("best", 6.0)]
)
def test_both_engines_draw_the_same(quality: LensQuality, blur_px: float) -> None:
    settings = LensSettings(quality=quality)
    scenes = [scene(disc(radius, softness=3), background(seed=1), blur_px=blur_px) for radius in (28, 30)]
    frames = [
        [frame.picture for frame in make(settings).render(iter(scenes))]
        for make in (torch_lens, compiled_lens)
    ]
    for reference, compiled in zip(*frames, strict=True):
        assert (reference - compiled).abs().max() < CODE


def test_both_engines_draw_the_same_on_noise() -> None:
    generator = torch.Generator().manual_seed(2)
    coverage = torch.rand(1, HEIGHT, WIDTH, generator=generator).round(decimals=1)
    picture, disparity = torch.rand(3, HEIGHT, WIDTH, generator=generator), disc() * 0 + FAR
    noise = Scene(
        sharp=picture,
        disparity=torch.where(coverage >= 0.5, FOCUS, disparity),
        focus_disparity=FOCUS,
        blur_strength=60,
        pts=0,
        coverage=coverage,
    )
    reference, compiled = (make(LensSettings()).refocus(noise) for make in (torch_lens, compiled_lens))
    assert (reference - compiled).abs().max() < CODE


def test_coverage_of_another_size_is_refused() -> None:
    with pytest.raises(ShapeError, match="80x48"):
        Scene(
            sharp=torch.zeros(3, HEIGHT, WIDTH),
            disparity=torch.zeros(1, HEIGHT, WIDTH),
            focus_disparity=0.5,
            blur_strength=1,
            pts=0,
            coverage=torch.zeros(1, 48, 80),
        )
