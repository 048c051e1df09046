"""`--renderer small`: a network in the package that corrects the lens, and what it is good for."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from any2bokeh.errors import SettingsError, WeightsError
from any2bokeh.lab.compact.wrong_disparity import shrink
from any2bokeh.lab.frame_metrics import psnr
from any2bokeh.lab.synthesis.dataset import open_dataset
from any2bokeh.lab.synthesis.dataset_clip import DatasetClip
from any2bokeh.lab.synthesis.dataset_maker import synthesize
from any2bokeh.render.base import make_renderer
from any2bokeh.render.small import corrected_lens as small
from any2bokeh.render.small.corrected_lens import (
    WEIGHTS,
    SmallRenderer,
    correction_size,
    load_small,
)
from any2bokeh.render.small.correction import Area
from any2bokeh.render.small.correction_network import CorrectionNetwork
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.device_settings import DtypeName
from any2bokeh.settings.render_settings import (
    DiffusionSettings,
    LensQuality,
    LensSettings,
    RendererName,
    RenderSettings,
)
from any2bokeh.settings.synthesis_settings import PictureSize, SynthesisSettings

CPU = torch.device("cpu")
SMALL = RenderSettings(renderer="small", device="cpu")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> DatasetClip:
    """A clip that the network was not trained on."""
    folder = tmp_path_factory.mktemp("made") / "set"
    settings = SynthesisSettings(
        clips=1,
        split="test",
        size=PictureSize(width=320, height=192),
        frames=3,
        versions=3,
        blur_strengths=(40.0,),
        samples=64,
        seed=5,
    )
    synthesize(folder, settings, 1, lambda done, clips: None)
    return open_dataset(folder).clips[0]


def scenes_of(clip: DatasetClip, disparity: Tensor) -> list[Scene]:
    setting = clip.settings[0]
    return [
        Scene(
            sharp=sharp,
            disparity=disparity[number],
            focus_disparity=setting.focus[number],
            blur_strength=setting.blur_strength[number],
            pts=number,
        )
        for number, sharp in enumerate(clip.iter_sharp())
    ]


def render(
    scenes: list[Scene],
    renderer: RendererName,
    dtype: DtypeName = "auto",
    quality: LensQuality = "standard",
) -> Tensor:
    settings = RenderSettings(
        renderer=renderer, device="cpu", dtype=dtype, lens=LensSettings(quality=quality)
    )
    height, width = scenes[0].sharp.shape[1:]
    made = make_renderer(settings, CPU, PictureFormat(height=height, width=width), scenes[0].blur_strength)
    assert made.name == renderer
    return torch.stack([frame.picture for frame in made.render(iter(scenes))])


def test_it_is_as_small_as_it_is_said_to_be() -> None:
    assert sum(weight.numel() for weight in load_file(WEIGHTS).values()) < 1e6
    assert WEIGHTS.stat().st_size < 2e6


@pytest.mark.slow
@pytest.mark.parametrize("quality", ["standard", "best"])
def test_a_network_that_learned_nothing_leaves_the_lens_as_it_is(
    clip: DatasetClip, quality: LensQuality
) -> None:
    scenes = scenes_of(clip, clip.disparity())
    pictures = PictureFormat(height=clip.height, width=clip.width)
    settings = replace(SMALL, lens=LensSettings(quality=quality))
    made = SmallRenderer(CorrectionNetwork(), settings, pictures, None, CPU)
    shown = torch.stack([frame.picture for frame in made.render(iter(scenes))])
    lens = make_renderer(replace(settings, renderer="lens", align_edges=False), CPU, pictures)
    assert torch.equal(shown, torch.stack([frame.picture for frame in lens.render(iter(scenes))]))
    assert made.context(range(1, 2), 3) == lens.context(range(1, 2), 3)


@pytest.mark.slow
def test_it_is_nearer_to_the_truth_than_the_lens(clip: DatasetClip) -> None:
    true, truth = clip.disparity(), clip.refocused(clip.settings[0])
    for disparity in (true, torch.stack([shrink(one, 2) for one in true])):
        scenes = scenes_of(clip, disparity)
        corrected, lens = (psnr((render(scenes, name) - truth).square()) for name in ("small", "lens"))
        assert corrected > lens


@pytest.mark.slow
def test_areas_give_the_picture_of_the_whole_frame(
    clip: DatasetClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = scenes_of(clip, clip.disparity())[:1]
    monkeypatch.setattr("any2bokeh.render.small.correction.WHOLE_SHARE", 1.0)
    in_areas = render(scenes, "small", "float32")
    whole = Area(0, clip.height, 0, clip.width)
    monkeypatch.setattr(small, "areas_to_correct", lambda cells: [whole])
    assert (render(scenes, "small", "float32") - in_areas).abs().max() < 1 / 255


@pytest.mark.slow
def test_half_precision_costs_less_than_two_code_values(clip: DatasetClip) -> None:
    scenes = scenes_of(clip, clip.disparity())[:1]
    whole, half = (render(scenes, "small", dtype) for dtype in ("float32", "bfloat16"))
    assert 0 < (whole - half).abs().max() < 2 / 255
    assert (whole - half).abs().mean() < 0.1 / 255


@pytest.mark.slow
def test_where_nothing_blurs_the_original_stays_bit_for_bit(clip: DatasetClip) -> None:
    scenes = [replace(scene, blur_strength=0.0) for scene in scenes_of(clip, clip.disparity())]
    assert torch.equal(render(scenes, "small"), clip.sharp())


@pytest.mark.slow
@pytest.mark.parametrize("work_size", [1024, 128])
def test_pixels_that_no_blur_touches_stay_bit_for_bit_beside_others(
    clip: DatasetClip, work_size: int
) -> None:
    [scene, *_] = scenes_of(clip, clip.disparity())
    [through_lens] = render([scene], "lens")
    untouched = (through_lens == scene.sharp).all(dim=0)
    settings = replace(SMALL, diffusion=DiffusionSettings(work_size=work_size))
    made = load_small(settings, CPU, PictureFormat(height=clip.height, width=clip.width), None)
    corrected = made.correct(scene, through_lens)
    is_corrected = (corrected != through_lens).any(dim=0)
    assert untouched.any() and is_corrected.any() and not (untouched & is_corrected).any()


def test_a_network_whose_answers_are_no_numbers_is_an_error() -> None:
    network = CorrectionNetwork()
    torch.nn.init.constant_(network.out.weight, torch.nan)
    pictures = PictureFormat(height=64, width=64)
    made = SmallRenderer(network, SMALL, pictures, 30, CPU)
    disparity = (torch.arange(64) >= 32).float().expand(1, 64, 64)
    scene = Scene(
        sharp=torch.rand(3, 64, 64), disparity=disparity, focus_disparity=1, blur_strength=100, pts=0
    )
    with pytest.raises(WeightsError, match="not numbers"):
        next(iter(made.render(iter([scene]))))


@pytest.mark.parametrize(
    ("width", "height", "aspect", "blur_strength", "wanted"),
    [
        (512, 288, 1.0, 48, (288, 512)),
        (1920, 1080, 1.0, 16, (576, 1024)),  # the area of 1024x576
        (1080, 1920, 1.0, 16, (1024, 576)),
        (1024, 576, 1.0, 80, (288, 512)),  # K is 40 pixels there
        (720, 576, 64 / 45, 16, (405, 720)),  # square pixels, and none more than there were down
        (512, 288, 1.0, None, (180, 320)),  # any K at all
    ],
)
def test_the_working_frame(
    width: int, height: int, aspect: float, blur_strength: float | None, wanted: tuple[int, int]
) -> None:
    pictures = PictureFormat(height=height, width=width, pixel_aspect=aspect)
    assert correction_size(pictures, 1024, blur_strength) == wanted


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (replace(SMALL, lens=LensSettings(aperture="polygon")), "aperture"),
        (replace(SMALL, diffusion=DiffusionSettings(weights="mine")), "weights"),
    ],
)
def test_what_is_for_others_is_refused(settings: RenderSettings, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        make_renderer(settings, CPU, PictureFormat(height=64, width=64))
