"""The small network that is part of the package: its weight, how it is asked for, what it is good for."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from any2bokeh.errors import SettingsError
from any2bokeh.lab.frame_metrics import psnr
from any2bokeh.lab.perturbation import PerturbSettings, perturb
from any2bokeh.lab.synthesis.dataset import open_dataset
from any2bokeh.lab.synthesis.dataset_clip import DatasetClip
from any2bokeh.lab.synthesis.dataset_maker import synthesize
from any2bokeh.render.base import make_renderer
from any2bokeh.render.load import small_parts
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.device_settings import DtypeName
from any2bokeh.settings.render_settings import DiffusionSettings, LensSettings, RendererName, RenderSettings
from any2bokeh.settings.synthesis_settings import PictureSize, SynthesisSettings
from any2bokeh.weights.disk import MANIFEST_FILE, sha256_of

CPU = torch.device("cpu")
SMALL = RenderSettings(renderer="small", device="cpu")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> DatasetClip:
    """A clip that the network was not trained on."""
    folder = tmp_path_factory.mktemp("made") / "set"
    settings = SynthesisSettings(
        clips=1,
        split="test",
        size=PictureSize(width=192, height=128),
        frames=5,
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


def render(scenes: list[Scene], renderer: RendererName, dtype: DtypeName = "auto") -> Tensor:
    settings = RenderSettings(renderer=renderer, device="cpu", dtype=dtype)
    height, width = scenes[0].sharp.shape[1:]
    made = make_renderer(settings, CPU, PictureFormat(height=height, width=width), scenes[0].blur_strength)
    assert made.name == renderer
    return torch.stack([frame.picture for frame in made.render(iter(scenes))])


def test_it_is_as_small_as_it_is_said_to_be_and_whole() -> None:
    checkpoint = small_parts().checkpoint
    weights = [checkpoint.unet_weights, checkpoint.vae_weights]
    assert sum(weight.numel() for path in weights for weight in load_file(path).values()) < 7e6
    assert sum(path.stat().st_size for path in weights) < 14e6
    for line in (checkpoint.folder / MANIFEST_FILE).read_text().splitlines():
        digest, name = line.split()
        assert sha256_of(checkpoint.folder / name) == digest


@pytest.mark.slow
def test_it_is_nearer_to_the_truth_than_the_lens_above_all_where_disparity_is_wrong(
    clip: DatasetClip,
) -> None:
    true, truth = clip.disparity(), clip.refocused(clip.settings[0])
    wrong = perturb(
        true, torch.tensor(clip.settings[0].focus), PerturbSettings(), torch.Generator().manual_seed(1)
    )
    for disparity, gain_db in ((true, 0.5), (wrong, 1.0)):
        scenes = scenes_of(clip, disparity)
        small, lens = (psnr((render(scenes, name) - truth).square()) for name in ("small", "lens"))
        assert small > lens + gain_db


@pytest.mark.slow
def test_half_precision_costs_less_than_a_code_value(clip: DatasetClip) -> None:
    scenes = scenes_of(clip, clip.disparity())[:2]  # most processors take minutes for more
    whole, half = (render(scenes, "small", dtype) for dtype in ("float32", "bfloat16"))
    assert 0 < (whole - half).abs().max() < 2 / 255
    assert (whole - half).abs().mean() < 0.1 / 255


@pytest.mark.slow
def test_where_nothing_blurs_the_original_stays_bit_for_bit(clip: DatasetClip) -> None:
    scenes = [replace(scene, blur_strength=0.0) for scene in scenes_of(clip, clip.disparity())]
    assert torch.equal(render(scenes, "small"), clip.sharp())


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
